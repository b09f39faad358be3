"""A feed without the ERP: entities numbered per scope as the ERP does it, pages of them, answers to pulls."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid5

import zstandard
from pydantic import BaseModel

from contracts import envelope
from contracts.customers import Customer
from contracts.feed import (
    BUCKETS,
    Digest,
    DigestAsk,
    Pull,
    State,
    bucket_of,
    row_hash,
    row_text,
)
from contracts.matching import RULE, words_of
from contracts.reference import Entry, reference_key
from messaging.channel import Delivery, LinkDown
from pos_node.feed import JournalSide
from pos_node.pages import Page, read_data
from pos_node.questions import Answer
from tests.pos_parts import NOON

SCOPE = "all.customers"
_NAMES = UUID(int=99)


def customer_id(number: int) -> UUID:
    return uuid5(_NAMES, str(number))


def customer(number: int = 1, **fields: Any) -> Customer:
    """A customer of few words; any field can be given."""
    values = {
        "kind": "retail",
        "code": f"C{number}",
        "first_name": "Jean",
        "last_name": f"Name{number}",
    }
    return Customer.model_validate(values | fields)


def quiet() -> JournalSide:
    """A till on which nothing waits."""
    return JournalSide(
        fold=lambda connection, customer_id, record: None,
        take_progress=lambda connection, progress: None,
        take_verdict=lambda connection, key, verdict: None,
        settle=lambda connection, cursors: None,
    )


@dataclass(frozen=True, slots=True)
class Entity:
    """One row of a scope as it stands."""

    kind: str
    key: str
    version: int
    state: State = "active"
    record: str | None = None
    editors: list[str] | None = None
    words: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        row: dict[str, Any] = {"kind": self.kind, "key": self.key, "version": self.version}
        if self.state != "active":
            return row | {"state": self.state}
        if self.editors is not None:
            row["editors"] = self.editors
        if self.kind == "customer":
            row["words"] = list(self.words)
        return row | {"record": json.loads(self.record or "null")}

    def text(self) -> str:
        """The row as it travels; the record byte for byte."""
        row = self.json()
        if "record" not in row:
            return json.dumps(row)
        del row["record"]
        return f'{json.dumps(row)[:-1]}, "record": {self.record}}}'


@dataclass
class FakeFeed:
    """The ERP's side of the feeds. `asked` are the questions; `before` runs before each answer."""

    epoch: str = "e1"
    entries: dict[str, dict[str, tuple[int, Entity]]] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    asked: list[BaseModel] = field(default_factory=list)
    up: bool = True
    before: Callable[[BaseModel], None] = lambda question: None

    def put(self, scope: str, entity: Entity) -> None:
        """The newest state of an entity, under a new number."""
        self.heads[scope] = self.heads.get(scope, 0) + 1
        self.entries.setdefault(scope, {})[entity.key] = (self.heads[scope], entity)

    def put_customer(
        self,
        number: int,
        record: Customer | None = None,
        *,
        scope: str = SCOPE,
        version: int | None = None,
        state: State = "active",
        editors: list[str] | None = None,
    ) -> Entity:
        """A customer made, changed, withdrawn or deleted; the version rises by itself."""
        key = str(customer_id(number))
        known = [feed[key][1].version for feed in self.entries.values() if key in feed]
        wanted = record or customer(number)
        entity = Entity(
            "customer", key, version or max(known, default=0) + 1, state,
            json.dumps(wanted.model_dump(mode="json", exclude_none=True), ensure_ascii=False),
            editors, words_of(wanted),
        )  # fmt: skip
        self.put(scope, entity)
        return entity

    def put_reference(
        self, entry: Entry, *, scope: str = "all", version: int = 1, state: State = "active"
    ) -> None:
        record = json.dumps(entry.model_dump(mode="json"))
        self.put(scope, Entity("reference", reference_key(entry), version, state, record))

    def page(self, scope: str, after: int, limit: int = 500, bucket: int | None = None) -> bytes:
        """The data of a page, as JSON."""
        head = self.heads.get(scope, 0)
        rows = sorted(
            (found for found in self.entries.get(scope, {}).values() if found[0] > after),
            key=lambda found: found[0],
        )
        if bucket is not None:
            rows = [found for found in rows if bucket_of(found[1].key) == bucket]
        some, rest = rows[:limit], rows[limit:]
        return page_json(
            scope, [entity for _, entity in some], epoch=self.epoch, prev_seq=after,
            to_seq=some[-1][0] if rest else max(head, after), head=head, remaining=len(rest),
        )  # fmt: skip

    def live(self, scope: str, after: int) -> Delivery:
        """The page that brings what came after a number."""
        return delivery(self.page(scope, after))

    def digest(self, scope: str) -> Digest:
        counts, sums = [0] * BUCKETS, [0] * BUCKETS
        for _, one in self.entries.get(scope, {}).values():
            if one.state == "withdrawn" or one.kind not in ("customer", "reference"):
                continue
            active = one.state == "active"
            editors = "*" if one.editors is None or not active else ",".join(one.editors)
            text = row_text(
                one.key, one.version, one.state, editors, (one.record or "") if active else ""
            )
            counts[bucket_of(one.key)] += 1
            sums[bucket_of(one.key)] = (sums[bucket_of(one.key)] + row_hash(text)) % 2**64
        return Digest(
            scope=scope, epoch=self.epoch, head=self.heads.get(scope, 0), counts=counts, sums=sums
        )

    async def ask(self, question: BaseModel, timeout: float) -> Answer:
        """As Questions.ask does."""
        self.asked.append(question)
        self.before(question)
        if not self.up:
            raise LinkDown("no link")
        match question:
            case Pull(scope=scope, from_seq=seq, limit=limit, bucket=bucket, epoch=epoch):
                known = epoch in (None, self.epoch) and seq <= self.heads.get(scope, 0)
                after = seq if known else 0
                return Answer("feed.page", self.page(scope, after, limit, bucket))
            case DigestAsk(scope=scope):
                return Answer("feed.digest", envelope.dump(self.digest(scope)))
        raise AssertionError(question)

    def begin_anew(self, *, keep_withdrawn: bool = False) -> None:
        """All feeds are numbered anew."""
        self.epoch += "'"
        for scope, feed in self.entries.items():
            self.heads[scope] = 0
            for key, (_, entity) in list(feed.items()):
                del feed[key]
                if keep_withdrawn or entity.state != "withdrawn":
                    self.put(scope, replace(entity))


def page_json(scope: str, rows: Sequence[Entity | str], **fields: Any) -> bytes:
    """The data of a page; rows may be given as JSON."""
    texts = [row if isinstance(row, str) else row.text() for row in rows]
    frame = json.dumps({"scope": scope, "rule": RULE} | fields)
    return f'{frame[:-1]}, "rows": [{", ".join(texts)}]}}'.encode()


def page(scope: str, rows: Sequence[Entity | str], **fields: Any) -> Page:
    """A page as it is read."""
    values = {"epoch": "e1", "prev_seq": 0, "to_seq": len(rows), "head": len(rows)} | fields
    return read_data(page_json(scope, rows, **values))[0]


def delivery(
    data: bytes,
    *,
    content_encoding: str | None = None,
    type_: str = "feed.page",
    origin: str = "erp",
) -> Delivery:
    """A message on the till's feed queue."""
    headers = envelope.Headers(id=UUID(int=5), type=type_, occurred_at=NOON, origin=origin)
    body = envelope.encode(headers, data)
    if content_encoding == "zstd":
        body = zstandard.compress(body)
    return Delivery(
        body=body, exchange="comptoir.feed", key=SCOPE, tag=1, content_encoding=content_encoding
    )
