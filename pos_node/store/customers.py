"""The customers a till holds. `record` is the ERP's word, byte for byte; `shown` what the till shows instead
while its own changes are on their way; words and keys follow what is shown."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from contracts.customers import Customer
from contracts.feed import State

Fold: TypeAlias = Callable[[sqlite3.Connection, UUID, str | None], str | None]
"""`fold(connection, customer_id, record)`: what to show, as JSON, after the changes made here that wait; None
when nothing waits. `record` is the ERP's, or None when the ERP has not answered yet."""


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


def find_customer(connection: sqlite3.Connection, customer_id: UUID) -> StoredCustomer | None:
    """One customer, whatever its state; None: never heard of it."""
    raise NotImplementedError


def show_customer(
    connection: sqlite3.Connection, customer_id: UUID, shown: Customer | None
) -> None:
    """Shows something else than the ERP's record, or with None the record again; a customer made here and
    shown no more is gone. Words, keys and list follow. A customer not known yet is made (version 0)."""
    raise NotImplementedError


def find_by_code(connection: sqlite3.Connection, code: str) -> tuple[UUID, ...]:
    """Active customers whose code is the same (contracts.customers.code_key, CUST-3)."""
    raise NotImplementedError


def find_by_tax_number(connection: sqlite3.Connection, tax_number: str) -> tuple[UUID, ...]:
    """Active customers whose tax number is the same (contracts.customers.tax_key, CUST-5)."""
    raise NotImplementedError


def store_customer(
    connection: sqlite3.Connection, scope: str, row: "CustomerData", fold: Fold
) -> None:
    """Stores one complete record fetched from the ERP, unless a newer version is here (SEARCH-9)."""
    raise NotImplementedError


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


def count_active(connection: sqlite3.Connection) -> int:
    """How many customers the list holds."""
    raise NotImplementedError
