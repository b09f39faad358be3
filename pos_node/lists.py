"""The list of customers while typing (LIST-1 to LIST-5)."""

import sqlite3
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from contracts.customers import Address, Customer, CustomerKind, display_name
from contracts.decoders import struct_of
from contracts.search import Criteria
from pos_node.bookmark import Bookmark
from pos_node.ordering import Found, Line, find_lines, read_line
from pos_node.store.customers import split_editors
from pos_node.store.words import found_by_reading, match_of, read_gap

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


class ListRow(msgspec.Struct, frozen=True, gc=False):
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
    """Rows by name. `count`, of those behind the page before, is exact up to what was to be counted, and one more
    when there are more; `next`: where this page ends, when there are more rows behind it."""

    rows: tuple[ListRow, ...]
    count: int
    next: Bookmark | None


def list_customers(
    connection: sqlite3.Connection,
    criteria: Criteria,
    limit: int = 50,
    after: Bookmark | None = None,
    *,
    count_to: int = 0,
) -> ListPage:
    """Active customers that match, in the order of their names, `limit` at most (LIST-5).

    `count_to`: what to count at least, however few are listed, for the banner (SEARCH-2, SEARCH-3).
    """
    query = criteria.query()
    match = match_of(query)
    if match is not None and match.table == "detail" and read_gap(connection).open:
        match = None
    wanted = max(limit, count_to) + 1
    if match is not None:
        return _page(find_lines(connection, match, after, wanted), limit)
    places = found_by_reading(connection, query, after.order if after else None, wanted)
    return _page(Found([read_line(connection, one) for one in places], set()), limit)


def _page(found: Found, limit: int) -> ListPage:
    shown, count = found.lines[:limit], len(found.lines)
    return ListPage(
        tuple([_make_row(one) for one in shown]),
        count,
        found.mark(shown[-1]) if count > limit else None,
    )


def _make_row(line: Line) -> ListRow:
    one = _read(line.record)
    main = _NOWHERE
    for address in one.addresses:
        if address.type == "main":
            main = address
            break
    return ListRow(
        line.place, UUID(bytes=line.id), line.version, split_editors(line.editors), bool(line.local),
        one.kind, one.code, display_name(one.kind, one.name, one.first_name, one.last_name),
        one.tax_number, main.country or one.country_code, main.postal_code, main.town,
        _both(main.street, main.building), one.siret, one.email, one.identity_document, one.phone,
        one.attributes,
    )  # fmt: skip


_NOWHERE = ListedAddress()


def _both(street: str | None, building: str | None) -> str | None:
    return f"{street} {building}" if street and building else street or building


def _read(record: bytes) -> Any:
    """A record that this version cannot read still has a line."""
    try:
        return _read_listed(record)
    except msgspec.DecodeError:
        return ListedCustomer(kind="business", code="?", name="?")
