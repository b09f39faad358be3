"""The ERP's feed as tests use it: sequencing, and a reader that follows the rules a till follows."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import zstandard

from contracts import envelope, registry
from contracts.envelope import MAX_BYTES
from contracts.feed import ABSORBING, UNPACKED_BYTES, Page, Pull, bucket_of, row_hash, row_text
from erp_node.callers import Callers
from erp_node.feed import Feed
from erp_node.pages import BuiltPage, PageBuilder
from erp_node.questions import Desk
from erp_node.sequencer import MARKS, sequence_once
from erp_node.store.pool import Pool
from tests.erp import Time


def make_feed(pool: Pool, time: Time) -> Feed:
    """The ERP's answers to pulls and digests."""
    desk = Desk(pool, Callers(time.monotonic), time, uuid4)
    return Feed(desk, PageBuilder(pool, time, uuid4), time.monotonic)


async def sequence(pool: Pool) -> None:
    """Numbers everything that is marked."""
    while (await sequence_once(pool)).marks == MARKS:
        pass


def open_page(body: bytes, content_encoding: str | None) -> tuple[Page, dict[str, str]]:
    """A page as the contracts read it, and each row's record as it is on the wire."""
    assert len(body) <= MAX_BYTES
    if content_encoding is not None:
        assert content_encoding == "zstd"
        body = zstandard.ZstdDecompressor().decompress(body, max_output_size=UNPACKED_BYTES)
    assert len(body) <= UNPACKED_BYTES
    page = registry.decode(body, UNPACKED_BYTES).data
    assert isinstance(page, Page)
    return page, _records(envelope.split(body, UNPACKED_BYTES)[1].decode())


def _records(data: str) -> dict[str, str]:
    """The text of each row's record, cut out where JSON says it begins and ends."""
    decoder = json.JSONDecoder()
    records: dict[str, str] = {}
    for row in json.loads(data)["rows"]:
        start = data.index('"key":' + json.dumps(row["key"], ensure_ascii=False))
        if "record" in row:
            start = data.index('"record":', start) + len('"record":')
            _, end = decoder.raw_decode(data, start)
            records[row["key"]] = data[start:end]
    return records


@dataclass(frozen=True)
class Held:
    version: int
    state: str
    editors: str
    record: str
    kind: str

    def hash(self, key: str) -> int:
        state: Any = self.state
        return row_hash(row_text(key, self.version, state, self.editors, self.record))


@dataclass
class Reader:
    """Follows one scope as contracts.feed.Page says; remembers what it was sent."""

    feed: Feed
    scope: str
    limit: int = 500
    epoch: str | None = None
    cursor: int = 0
    pos_id: str = "p1"
    rows: dict[str, Held] = field(default_factory=dict)
    pages: list[Page] = field(default_factory=list)

    async def catch_up(self, between: Callable[[], Any] | None = None) -> None:
        """Pulls until complete; `between` pages something may happen."""
        while True:
            pull = Pull(scope=self.scope, epoch=self.epoch, from_seq=self.cursor, limit=self.limit)
            page = self.take(await self.feed.pull(pull, self.pos_id))
            if page.to_seq == page.head:
                assert page.remaining == 0
                return
            assert page.remaining > 0
            if between is not None:
                await between()

    def take(self, built: BuiltPage) -> Page:
        """Applies a page if it fits."""
        page, records = open_page(built.body, built.content_encoding)
        assert page.scope == self.scope
        self.pages.append(page)
        if page.epoch != self.epoch:
            self.epoch, self.cursor = page.epoch, 0
        if page.prev_seq <= self.cursor < page.to_seq:
            self.cursor = page.to_seq
            for row in page.rows:
                editors = getattr(row, "editors", None)
                self.put(row.key, Held(
                    row.version, row.state, "*" if editors is None else ",".join(editors),
                    records.get(row.key, ""), row.kind,
                ))  # fmt: skip
        return page

    def put(self, key: str, new: Held) -> None:
        old = self.rows.get(key)
        if old is not None:
            assert new.version >= old.version, "a version went down"
            assert old.state not in ABSORBING or new.state in ABSORBING, (
                "what was deleted came back"
            )
        self.rows[key] = new

    @property
    def active(self) -> dict[str, Held]:
        return {key: row for key, row in self.rows.items() if row.state == "active"}

    def digest(self) -> tuple[list[int], list[int]]:
        """What contracts.feed.Digest says of the rows held."""
        counts, sums = [0] * 256, [0] * 256
        for key, row in self.rows.items():
            if row.state != "withdrawn" and row.kind in ("customer", "reference", "card"):
                counts[bucket_of(key)] += 1
                sums[bucket_of(key)] = (sums[bucket_of(key)] + row.hash(key)) % 2**64
        return counts, sums

    async def agrees(self) -> bool:
        """Whether the digest of the ERP is that of what is held (SYNC-6)."""
        theirs = await self.feed.digest(self.scope)
        return (theirs.counts, theirs.sums) == self.digest()
