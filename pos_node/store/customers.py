"""The customers a till holds. `record` is the ERP's word, byte for byte; `shown` what the till shows instead
while its own changes are on their way; words and keys follow what is shown."""

import sqlite3
from dataclasses import dataclass
from uuid import UUID

import msgspec
from pydantic import ValidationError

from contracts.customers import Customer, code_key, tax_key
from contracts.envelope import dump
from contracts.feed import RowStruct, State
from contracts.matching import words_of
from pos_node.store.arrivals import Broken, Fold, apply_customers, next_row
from pos_node.store.queries import load_sql
from pos_node.store.words import WordsChange, change_words

_SQL = load_sql("customers.sql")


@dataclass(frozen=True, slots=True)
class StoredCustomer:
    """One customer as stored. `editors` None: every centre may edit. `version` 0: the ERP has not answered.

    `state` other than active: nothing personal is left (record and shown are None)."""

    id: UUID
    scope: str | None
    version: int
    state: State
    editors: tuple[str, ...] | None
    record: str | None
    shown: str | None

    @property
    def json(self) -> str | None:
        """What the till shows, as JSON."""
        return self.shown or self.record

    @property
    def customer(self) -> Customer | None:
        """What the till shows."""
        return Customer.model_validate_json(self.json) if self.json else None


@dataclass(frozen=True, slots=True)
class CustomerData:
    """A customer as a feed row or an answer brings it; `record` is JSON as the ERP wrote it, `words` one text per
    column of contracts.matching.COLUMNS."""

    id: UUID
    version: int
    state: State
    editors: tuple[str, ...] | None
    words: tuple[str, ...]
    record: str | None


def find_customer(connection: sqlite3.Connection, customer_id: UUID) -> StoredCustomer | None:
    """One customer, whatever its state; None: never heard of it."""
    found = connection.execute(_SQL["find"], (customer_id.bytes,)).fetchone()
    if found is None:
        return None
    scope, version, state, editors, record, shown = found
    return StoredCustomer(customer_id, scope, version, state, split_editors(editors), record, shown)


def find_by_code(connection: sqlite3.Connection, code: str) -> tuple[UUID, ...]:
    """Active customers whose code is the same (contracts.customers.code_key, CUST-3)."""
    found = connection.execute(_SQL["by_code"], (code_key(code),))
    return tuple(UUID(bytes=one) for (one,) in found)


def find_by_tax_number(connection: sqlite3.Connection, tax_number: str) -> tuple[UUID, ...]:
    """Active customers whose tax number is the same (contracts.customers.tax_key, CUST-5)."""
    found = connection.execute(_SQL["by_tax_number"], (tax_key(tax_number),))
    return tuple(UUID(bytes=one) for (one,) in found)


def show_customer(
    connection: sqlite3.Connection, customer_id: UUID, shown: Customer | None
) -> None:
    """Shows something else than the ERP's record, or with None the record again; a customer made here and
    shown no more is gone. Words, keys and list follow. A customer not known yet is made (version 0).

    Nothing happens to a customer that is not active: what was erased stays erased."""
    found = connection.execute(_SQL["known"], (customer_id.bytes,)).fetchone()
    if found is None:
        if shown is not None:
            row = next_row(connection)
            connection.execute(_SQL["make"], (row, customer_id.bytes))
            _show(connection, row, None, shown, dump(shown).decode())
        return
    row, state, words, record = found
    if state != "active":
        return
    if shown is not None:
        _show(connection, row, words, shown, dump(shown).decode())
    elif record is not None:
        _show_record(connection, row, words, record)
    else:
        change_words(connection, [WordsChange(row, words, None)])
        connection.execute("DELETE FROM customer WHERE row = ?", (row,))


def store_customer(
    connection: sqlite3.Connection, scope: str, row: CustomerData, fold: Fold
) -> None:
    """Stores one complete record fetched from the ERP, unless a newer version is here (SEARCH-9).

    Raises Broken when the record cannot be read."""
    arrived = RowStruct(
        key=str(row.id),
        version=row.version,
        kind="customer",
        state=row.state,
        editors=None if row.editors is None else list(row.editors),
        words=list(row.words),
        record=msgspec.Raw((row.record or "").encode()),
    )
    for one in apply_customers(connection, scope, [arrived], fold):
        raise Broken(one.reason)


def split_editors(editors: str | None) -> tuple[str, ...] | None:
    """Centres as they stand in the table. None: every centre; no centre at all is an empty text."""
    if editors is None:
        return None
    return tuple(editors.split(",")) if editors else ()


def _show_record(connection: sqlite3.Connection, row: int, words: str | None, record: str) -> None:
    """The ERP's record again. One that this version cannot read is found by the words it has: it must not stop the
    feed."""
    try:
        customer = Customer.model_validate_json(record)
    except ValidationError:
        connection.execute(_SQL["show_record"], (row,))
        return
    _show(connection, row, words, customer, None)


def _show(
    connection: sqlite3.Connection,
    row: int,
    old_words: str | None,
    customer: Customer,
    shown: str | None,
) -> None:
    words = "\n".join(words_of(customer))
    if words != old_words:
        change_words(connection, [WordsChange(row, old_words, words)])
    keys = code_key(customer.code), tax_key(customer.tax_number)
    connection.execute(_SQL["show"], (shown, words, *keys, row))
