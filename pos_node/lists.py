"""The list of customers while typing (LIST-1 to LIST-5)."""

import sqlite3
from dataclasses import dataclass
from uuid import UUID

from contracts.customers import CustomerKind
from contracts.search import Criteria


@dataclass(frozen=True, slots=True)
class ListRow:
    """One line of the list with every column that can be shown. `editors` None: every centre may edit."""

    place: int
    id: UUID
    version: int
    editors: tuple[str, ...] | None
    local: bool
    kind: CustomerKind
    code: str
    name: str
    tax_number: str | None
    country: str | None
    postal_code: str | None
    town: str | None
    street: str | None
    siret: str | None
    email: str | None
    identity_document: str | None
    phone: str | None
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class ListPage:
    """Rows by name. `count` is exact up to `limit` and `limit + 1` when there are more; `more`: ask again
    with `after` = the last row's `place`."""

    rows: tuple[ListRow, ...]
    count: int
    more: bool


def list_customers(
    connection: sqlite3.Connection, criteria: Criteria, limit: int = 50, after: int | None = None
) -> ListPage:
    """Active customers that match, in the order of their names, `limit` at most (LIST-5).

    For the banner (SEARCH-2, SEARCH-3) ask with `limit` 7 or more and look at `count`.
    """
    raise NotImplementedError
