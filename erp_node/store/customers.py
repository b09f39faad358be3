"""Rows of customers and of their history, read and written many at a time."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, Self
from uuid import UUID

import msgspec
from msgspec import structs
from pydantic import ValidationError

from contracts.customers import Customer, code_key, display_name
from contracts.matching import RULE, SEARCHED, words_of
from contracts.record import Record
from erp_node.store.pool import Database, Row
from erp_node.store.queries import load_sql

SQL = load_sql("customers.sql")

State = Literal["active", "inactive", "deleted", "anonymised"]


class Held(msgspec.Struct, frozen=True, dict=True):
    """A customer as the ERP holds it; `text` is the record as JSON. Version 0: not stored yet."""

    id: UUID
    version: int
    state: State
    is_customer: bool
    everywhere: bool
    centres: tuple[str, ...]
    editors: tuple[str, ...] | None
    text: str

    @cached_property
    def customer(self) -> Customer:
        """The record. Raises pydantic.ValidationError when something else was put there by SQL."""
        return Customer.model_validate_json(self.text)

    def with_customer(self, customer: Customer) -> Self:
        """The same with another record."""
        new = structs.replace(self, text=customer.model_dump_json(exclude_none=True))
        new.__dict__["customer"] = customer
        return new

    @cached_property
    def record(self) -> Record:
        """The record as JSON has it, whether or not it is a valid one."""
        return Record(self.text)

    def with_record(self, record: Record) -> Self:
        """The same with another record."""
        return self._again(self.version, record.encode(), record)

    def stored(self) -> Self:
        """The same as it is to be stored: a version further."""
        return self._again(self.version + 1, self.text, self.record)

    def _again(self, version: int, text: str, record: Record) -> Self:
        made = type(self)(
            self.id, version, self.state, self.is_customer, self.everywhere, self.centres, self.editors, text
        )  # fmt: skip
        made.__dict__["record"] = record
        return made

    @property
    def code(self) -> str:
        return str(self.record.get("code", ""))

    @property
    def display_name(self) -> str:
        """The name; empty where SQL put something that is none."""
        kind, *names = (
            self.record.get(name) for name in ("kind", "name", "first_name", "last_name")
        )
        return display_name(kind, *(name if isinstance(name, str) else None for name in names))

    @property
    def offered(self) -> bool:
        """Whether tills may know it: active, and with the option Customer (SYNC-1, SYNC-4)."""
        return self.state == "active" and self.is_customer

    def usable_at(self, centre: str) -> bool:
        """Whether it is available to a centre."""
        return self.everywhere or centre in self.centres

    def editable_at(self, centre: str) -> bool:
        """Whether a centre has the right to edit it (CUST-1, SEARCH-11)."""
        return self.usable_at(centre) and (self.editors is None or centre in self.editors)


class HistoryLine(msgspec.Struct, gc=False):
    """One field changed by somebody (SYNC-3). `old` and `new` are JSON; None is absent.

    `version` is the one the change led to, set once it is decided.
    """

    customer_id: UUID
    at: datetime
    by: str
    where: str
    path: str
    old: str | None
    new: str | None
    kept: bool = True
    version: int = 0


@dataclass(frozen=True, slots=True)
class StoredLine:
    """A line of the history with its number."""

    id: int
    line: HistoryLine


class Write(msgspec.Struct, frozen=True, gc=False):
    """A customer to be stored, and whose doing it is. `before`: as it is stored now."""

    held: Held
    by: str
    where: str
    at: datetime
    before: Held | None = None


@dataclass(frozen=True, slots=True)
class Namesake:
    """Another customer with the same tax number (CUST-5)."""

    id: UUID
    name: str
    code: str


async def lock_customers(database: Database, ids: Iterable[UUID]) -> dict[UUID, Held]:
    """Those that exist, locked until the end of the transaction, always in the same order."""
    rows = await database.fetch(SQL["lock_customers"], list(ids))
    return {row["id"]: held_of(row) for row in rows}


async def load_customers(database: Database, ids: Iterable[UUID]) -> dict[UUID, Held]:
    """Those that exist, as they are."""
    rows = await database.fetch(SQL["load_customers"], list(ids))
    return {row["id"]: held_of(row) for row in rows}


async def load_customer(database: Database, customer_id: UUID) -> Held | None:
    row = await database.fetchrow(SQL["load_customer"], customer_id)
    return held_of(row) if row else None


def held_of(row: Row) -> Held:
    """A customer from a row with the columns of `lock_customers`."""
    editors = row["editors"]
    return Held(
        row["id"],
        row["version"],
        row["state"],
        row["is_customer"],
        row["everywhere"],
        tuple(row["centres"]),
        None if editors is None else tuple(editors),
        row["record"],
    )


async def code_owners(database: Database, codes: Iterable[str]) -> dict[str, UUID]:
    """Who has these codes, by code_key; free ones are missing (CUST-3)."""
    asked = {code_key(code): code for code in codes}
    rows = await database.fetch(SQL["code_owners"], list(asked), list(asked.values()))
    return {row["key"]: row["owner"] for row in rows if row["owner"] is not None}


async def same_tax_number(database: Database, key: str, besides: UUID) -> list[Namesake]:
    """Other customers with a tax number of this key (contracts.customers.tax_key)."""
    rows = await database.fetch(SQL["same_tax_number"], key, besides)
    found: list[Namesake] = []
    for row in rows:
        with suppress(ValidationError):  # put there by SQL; shown elsewhere until it is mended
            customer = Customer.model_validate_json(row["record"])
            found.append(Namesake(row["id"], customer.display_name, customer.code))
    return found


async def insert_customers(database: Database, writes: Sequence[Write]) -> None:
    """Stores new customers; the trigger writes their making into the history.

    Raises asyncpg.UniqueViolationError when an id or a code is taken.
    """
    times = [write.at for write in writes]
    await database.execute(SQL["insert_customers"], *_columns(writes), times, RULE)


async def update_customers(database: Database, writes: Sequence[Write]) -> None:
    """Stores changed customers, whose rows the caller has locked; their versions go up by one by themselves.

    Raises asyncpg.UniqueViolationError when a code is taken.
    """
    await database.execute(SQL["update_customers"], *_columns(writes), RULE)


async def rewrite_records(database: Database, writes: Sequence[Write]) -> None:
    """Stores new records of customers whose rows the caller has locked, and their versions, which must be higher
    than those that are stored; nothing else of them changes.

    Raises asyncpg.UniqueViolationError when a code is taken.
    """
    await database.execute(
        SQL["rewrite_records"],
        [write.held.id for write in writes],
        [write.held.version for write in writes],
        [write.held.text for write in writes],
        [_words(write) for write in writes],
        [write.by for write in writes],
        [write.where for write in writes],
        RULE,
    )


def _columns(writes: Sequence[Write]) -> tuple[list[object], ...]:
    held = [write.held for write in writes]
    return (
        [one.id for one in held],
        [one.state for one in held],
        [one.is_customer for one in held],
        [one.everywhere for one in held],
        [",".join(one.centres) for one in held],
        [None if one.editors is None else ",".join(one.editors) for one in held],
        [one.text for one in held],
        [_words(write) for write in writes],
        [write.by for write in writes],
        [write.where for write in writes],
    )


def _words(write: Write) -> str | None:
    """The words to be stored, None when those that are stored stay right."""
    if write.before is not None and same_words(write.before.record, write.held.record):
        return None
    return "\n".join(words_of(write.held.customer))


def same_words(before: Record, after: Record) -> bool:
    """Whether two records differ only in fields that no words come from."""
    return after.same(before, SEARCHED)


async def add_history(database: Database, lines: Sequence[HistoryLine]) -> None:
    """Writes lines of the history; their versions are those that the changes led to."""
    await database.execute(
        SQL["add_history"],
        [line.customer_id for line in lines],
        [line.version for line in lines],
        [line.at for line in lines],
        [line.by for line in lines],
        [line.where for line in lines],
        [line.path for line in lines],
        [line.old for line in lines],
        [line.new for line in lines],
        [line.kept for line in lines],
    )


async def touched_paths(database: Database, ids: Iterable[UUID]) -> Mapping[UUID, frozenset[str]]:
    """The fields of these customers that were changed since they were made."""
    rows = await database.fetch(SQL["touched_paths"], list(ids))
    found: dict[UUID, set[str]] = {}
    for row in rows:
        found.setdefault(row["customer_id"], set()).add(row["path"])
    return {id: frozenset(paths) for id, paths in found.items()}


async def load_history(
    database: Database, customer_id: UUID, *, before: int | None = None, limit: int = 100
) -> list[StoredLine]:
    """The newest lines of a customer's history, older than number `before` if given."""
    rows = await database.fetch(SQL["load_history"], customer_id, before, limit)
    return [StoredLine(row["id"], _line_of(customer_id, row)) for row in rows]


def _line_of(customer_id: UUID, row: Row) -> HistoryLine:
    return HistoryLine(
        customer_id,
        row["at"],
        row["changed_by"],
        row["changed_where"],
        row["path"],
        row["old"],
        row["new"],
        row["kept"],
        row["version"],
    )


async def hold_customers(database: Database, holdings: Iterable[tuple[str, UUID]]) -> None:
    """From now on these tills hold these customers (SYNC-2)."""
    pairs = list(holdings)
    await database.execute(
        SQL["hold_customers"], [pos_id for pos_id, _ in pairs], [id for _, id in pairs]
    )
