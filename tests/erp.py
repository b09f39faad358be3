"""What tests of the ERP node send and store: tills, customers, messages as they come out of a queue."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel

from contracts import envelope, registry
from contracts.changes import Change
from contracts.customers import Customer
from contracts.envelope import Headers
from contracts.journal import Author, CustomerAdded, CustomerEdited
from contracts.matching import RULE, words_of
from erp_node.store.migrations import migrate
from erp_node.store.pool import Database
from messaging.channel import Delivery

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANNA = Author(operator="anna", at=NOON)


async def migrated(dsn: str) -> None:
    """A tests.databases.Migrate."""
    await migrate(dsn)


@dataclass
class Time:
    """A clock that stands until it is moved."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def retail(
    code: str, last_name: str = "Dupont", first_name: str = "Jean", **fields: Any
) -> Customer:
    """A person; `town`, `street`, `postal_code` … make the main address."""
    place = {
        name: fields.pop(name)
        for name in ("town", "street", "postal_code", "country")
        if name in fields
    }
    if place:
        fields["addresses"] = [{"id": UUID(int=1), "type": "main", **place}]
    return Customer.model_validate(
        {"kind": "retail", "code": code, "last_name": last_name, "first_name": first_name, **fields}
    )


def business(code: str, name: str, **fields: Any) -> Customer:
    return Customer.model_validate({"kind": "business", "code": code, "name": name, **fields})


async def enrol(database: Database, pos_id: str, centre: str = "C1", mode: str = "full") -> None:
    await database.execute(
        "INSERT INTO till (pos_id, centre, mode, partition, password_hash) VALUES ($1, $2, $3, 0, '')",
        pos_id,
        centre,
        mode,
    )


async def put_setting(database: Database, level: str, name: str, value: object) -> None:
    """Sets one switch, as the ERP stores it."""
    record = {
        "kind": "setting",
        "code": f"{level}/{name}",
        "level": level,
        "name": name,
        "value": value,
    }
    await database.execute(
        "INSERT INTO reference (key, kind, record) VALUES ($1, 'setting', $2)"
        " ON CONFLICT (key) DO UPDATE SET record = excluded.record",
        f"setting/{level}/{name}",
        envelope_json(record),
    )


def envelope_json(value: object) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


async def store_customer(
    database: Database,
    customer: Customer,
    *,
    id: UUID | None = None,
    everywhere: bool = True,
    centres: tuple[str, ...] = (),
    editors: tuple[str, ...] | None = None,
    state: str = "active",
    is_customer: bool = True,
) -> UUID:
    """Puts a customer into the ERP with its words."""
    customer_id = id or uuid4()
    await database.execute(
        "WITH made AS (INSERT INTO customer"
        " (id, record, everywhere, centres, editors, state, is_customer, changed_where)"
        " VALUES ($1, $2, $5, $6, $7, $8, $9, 'test'))"
        " INSERT INTO customer_words SELECT $1, 1, $3::text[], $4::smallint, search_vector($3::text[])",
        customer_id,
        customer.model_dump_json(exclude_none=True),
        list(words_of(customer)),
        RULE,
        everywhere,
        list(centres),
        None if editors is None else list(editors),
        state,
        is_customer,
    )
    return customer_id


async def fill_customers(database: Database, count: int, *, everywhere: bool = True) -> list[UUID]:
    """Puts many customers into the ERP at once, all found by the word w; for everybody or for centre C1."""
    ids = [uuid4() for _ in range(count)]
    await database.execute(
        "WITH made AS (INSERT INTO customer (id, everywhere, centres, record, changed_where)"
        " SELECT id, $2, CASE WHEN $2 THEN '{}' ELSE '{C1}'::text[] END,"
        " jsonb_build_object('kind', 'business', 'code', id, 'name', 'Żółć ' || n), 'test'"
        " FROM unnest($1::uuid[]) WITH ORDINALITY AS many (id, n) RETURNING id)"
        " INSERT INTO customer_words SELECT id, 1, words, $3, search_vector(words)"
        " FROM made, array_fill('w'::text, '{14}') AS words",
        ids,
        everywhere,
        RULE,
    )
    return ids


async def words_held(database: Database, customer_id: UUID) -> list[str] | None:
    """The words that are right for a customer now; None when they must be made."""
    found: list[str] | None = await database.fetchval(
        "SELECT w.words FROM customer c"
        " JOIN customer_words w ON w.customer_id = c.id AND w.version >= c.words_from WHERE c.id = $1",
        customer_id,
    )
    return found


async def stored(database: Database, customer_id: UUID) -> Customer:
    """The record of a customer of the ERP."""
    text = await database.fetchval("SELECT record::text FROM customer WHERE id = $1", customer_id)
    return Customer.model_validate_json(text)


@dataclass
class TillJournal:
    """Numbers a till's entries and wraps them as the broker delivers them."""

    pos_id: str
    epoch: str = "epoch-1"
    seq: int = 0
    sent: list[Delivery] = field(default_factory=list)

    def add(self, customer: Customer, id: UUID | None = None, author: Author = ANNA) -> Delivery:
        """`customer.added`."""
        return self.entry(CustomerAdded(customer_id=id or uuid4(), record=customer, author=author))

    def edit(
        self, id: UUID, *changes: tuple[str, object, object], author: Author = ANNA
    ) -> Delivery:
        """`customer.edited`, changes as (path, old, new)."""
        made = [Change(path=path, old=old, new=new) for path, old, new in changes]
        return self.entry(
            CustomerEdited(customer_id=id, base_version=1, changes=made, author=author)
        )

    def entry(self, data: BaseModel) -> Delivery:
        """The next entry."""
        self.seq += 1
        made = deliver(self.body(data), f"pos.{self.pos_id}", key=self.pos_id)
        self.sent.append(made)
        return made

    def entry_again(self, data: BaseModel, id: UUID) -> Delivery:
        """An entry that had another number before: the till was put back from a backup (I9)."""
        self.seq += 1
        return deliver(self.body(data, id=id), f"pos.{self.pos_id}", key=self.pos_id)

    def body(self, data: BaseModel, **headers: Any) -> bytes:
        """An envelope with this journal's present number."""
        fields: dict[str, Any] = {
            "id": uuid4(),
            "type": registry.TYPE_OF[type(data)].name,
            "occurred_at": NOON,
            "origin": f"pos.{self.pos_id}",
            "epoch": self.epoch,
            "seq": self.seq,
            "key": str(getattr(data, "customer_id", "")) or None,
        }
        return envelope.encode(Headers(**fields | headers), data)


def deliver(body: bytes, user: str | None, *, key: str = "", redelivered: bool = False) -> Delivery:
    """A message as it comes out of a queue."""
    return Delivery(body, "", key, 1, redelivered=redelivered, user_id=user)


def question(pos_id: str, data: BaseModel, **headers: Any) -> Delivery:
    """A till's question."""
    fields: dict[str, Any] = {
        "id": uuid4(),
        "type": registry.TYPE_OF[type(data)].name,
        "occurred_at": NOON,
        "origin": f"pos.{pos_id}",
        "expires_at": NOON + timedelta(seconds=10),
    }
    return deliver(envelope.encode(Headers(**fields | headers), data), f"pos.{pos_id}")
