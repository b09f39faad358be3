"""The list of customers while typing (LIST-1 to LIST-5)."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from contracts.customers import Address, Customer, CustomerKind, display_name
from contracts.decoders import struct_of
from contracts.search import Criteria
from pos_node.store.customers import split_editors
from pos_node.store.words import (
    found_by_reading,
    found_in_index,
    match_of,
    read_gap,
)

_SHOWN_ADDRESS = frozenset({"type", "country", "postal_code", "town", "street", "building"})
_SHOWN = frozenset(
    {
        "kind", "code", "first_name", "last_name", "name", "tax_number", "country_code", "siret",
        "email", "identity_document", "phone", "attributes",
    }
)  # fmt: skip
ListedAddress: Any = struct_of(Address, only=_SHOWN_ADDRESS, limits=False)
ListedCustomer: Any = msgspec.defstruct(
    "ListedCustomer",
    [("addresses", list[ListedAddress], msgspec.field(default_factory=list))],
    bases=(struct_of(Customer, only=_SHOWN, limits=False),),
    kw_only=True,
    gc=False,
)
_read_listed = msgspec.json.Decoder(ListedCustomer).decode


class ListRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of the list with every column that can be shown. `editors` None: every centre may edit.

    `place` orders the list; `local`: shows changes made here that are still on their way."""

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
    places = _find_places(connection, criteria, -1 if after is None else after, limit + 1)
    rows = tuple(_read_rows(connection, places[:limit]))
    return ListPage(rows, len(places), len(places) > limit)


def _find_places(
    connection: sqlite3.Connection, criteria: Criteria, after: int, limit: int
) -> list[int]:
    query = criteria.query()
    match = match_of(query)
    if match is not None and match.table == "detail" and read_gap(connection).open:
        match = None
    if match is None:
        return found_by_reading(connection, query, after, limit)
    return found_in_index(connection, match, after, limit)


_READ_ROW = """
SELECT id, version, editors, shown IS NOT NULL, coalesce(shown, record), words
FROM customer WHERE row = ? & 8388607
"""


def _read_rows(connection: sqlite3.Connection, places: Iterable[int]) -> Iterable[ListRow]:
    for place in places:
        found = connection.execute(_READ_ROW, (place,)).fetchone()
        yield _make_row(place, *found)


def _make_row(
    place: int,
    id_: bytes,
    version: int,
    editors: str | None,
    local: int,
    record: str,
    words: str,
) -> ListRow:
    one = _read(record, words)
    main = next((address for address in one.addresses if address.type == "main"), None)
    street = " ".join(part for part in (main.street, main.building) if part) if main else None
    return ListRow(
        place=place,
        id=UUID(bytes=id_),
        version=version,
        editors=split_editors(editors),
        local=bool(local),
        kind=one.kind,
        code=one.code,
        name=display_name(one.kind, one.name, one.first_name, one.last_name),
        tax_number=one.tax_number,
        country=(main and main.country) or one.country_code,
        postal_code=main.postal_code if main else None,
        town=main.town if main else None,
        street=street or None,
        siret=one.siret,
        email=one.email,
        identity_document=one.identity_document,
        phone=one.phone,
        attributes=one.attributes,
    )


def _read(record: str, words: str) -> Any:
    """A record this version cannot read still has a line: by the words it is found with."""
    try:
        return _read_listed(record)
    except msgspec.DecodeError:
        name = words.split("\n", 1)[0]
        return ListedCustomer(kind="business", code="", name=name, addresses=[])
