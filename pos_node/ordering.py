"""Lines of the list in the order of whole names (LIST-1): places know only the first signs of a name.

Customers whose names begin with the same signs are a group. Groups come out of the index in order; inside a group the
names decide, unless it is too large to be looked at while somebody is typing: then who came first stands first.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

from pos_node.bookmark import Bookmark
from pos_node.store.places import LONGEST_NAME, ROW_BITS, ROW_MASK, group_of, order_of, row_at
from pos_node.store.words import Match, Table

NAMESAKES = 100
"""Larger groups keep the order of arrival: reading all their names would be felt while typing."""

_NAME = f"substr(words, 1, min(instr(words, char(10)) - 1, {LONGEST_NAME}))"
_LINE = f"{_NAME}, id, version, editors, shown IS NOT NULL, CAST(coalesce(shown, record) AS BLOB)"
LINES: dict[Table, str] = {
    table: f"""
        SELECT {table}.rowid, {_LINE}
        FROM {table} CROSS JOIN customer ON customer.row = {table}.rowid & {ROW_MASK}
        WHERE {table} MATCH ? AND {table}.rowid > ?
        ORDER BY {table}.rowid
        """
    for table in ("word", "detail")
}
"""Places come out of the index in the order of groups: only these are sorted, and reading ends when a page is full."""


class Line(NamedTuple):
    """What is stored of a customer that the list shows."""

    place: int
    name: str
    id: bytes
    version: int
    editors: str | None
    local: int
    record: bytes


class Found(NamedTuple):
    """Lines in order, and the groups among them that are crowds: those stand as they came."""

    lines: list[Line]
    crowds: set[int]

    def mark(self, line: Line) -> Bookmark:
        """Where a page ends whose last line this is."""
        return Bookmark(line.place, None if group_of(line.place) in self.crowds else line.name)


def find_lines(
    connection: sqlite3.Connection, match: Match, after: Bookmark | None, limit: int
) -> Found:
    """The next lines behind a bookmark, at most so many, in order.

    A group that became a crowd or ceased to be one since then begins anew: better some twice than one never.
    """
    crowds = set[int]()
    if after is None:
        return Found(list(islice(_in_order(_read(connection, match, -1), crowds), limit)), crowds)
    lines = _read(connection, match, (after.group << ROW_BITS) - 1)
    begun = list(islice(lines, NAMESAKES + 1))
    crowded = len(begun) > NAMESAKES and group_of(begun[-1].place) == after.group
    if crowded and after.name is None:
        crowds.add(after.group)
        rest = _read(connection, match, after.place)
        return Found(list(islice(_in_order(rest, crowds), limit)), crowds)
    ordered = _in_order(chain(begun, lines), crowds)
    if not crowded:
        passed = after.order
        ordered = (one for one in ordered if order_of(one.place, one.name) > passed)
    return Found(list(islice(ordered, limit)), crowds)


def read_line(connection: sqlite3.Connection, place: int) -> Line:
    """The line of the customer at a place, which must be there."""
    found = connection.execute(f"SELECT {_LINE} FROM customer WHERE row = ?", (row_at(place),))
    return Line(place, *found.fetchone())


def _read(connection: sqlite3.Connection, match: Match, start: int) -> Iterator[Line]:
    """Lines behind a place as the index has them."""
    return map(Line._make, connection.execute(LINES[match.table], (match.text, start)))


def _in_order(lines: Iterable[Line], crowds: set[int]) -> Iterator[Line]:
    """The lines of each group by their names; those of a crowd, which every too large group becomes, as they come."""
    group, large, members = None, False, list[Line]()
    for line in lines:
        own = group_of(line.place)
        if own != group:
            yield from _by_name(members)
            group, large, members = own, own in crowds, []
        if large:
            yield line
            continue
        members.append(line)
        if len(members) > NAMESAKES:
            crowds.add(own)
            yield from members
            large, members = True, []
    yield from _by_name(members)


def _by_name(members: list[Line]) -> list[Line]:
    if len(members) > 1:
        members.sort(key=_name_and_place)
    return members


def _name_and_place(line: Line) -> tuple[str, int]:
    return line.name, line.place
