"""Lines of the list in the order of whole names (LIST-1): places know only the first signs of a name.

Customers whose names begin with the same signs are a group. Groups come out of the index in order; inside a group the
names decide, unless it is too large to be looked at while somebody is typing: then who came first stands first.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from pos_node.store.places import ROW_BITS, ROW_MASK, group_of, order_of, row_at
from pos_node.store.words import Match, Table

NAMESAKES = 1_000
"""Larger groups keep the order of arrival: a few milliseconds' worth of names."""

_NAME = "substr(words, 1, instr(words, char(10)) - 1)"
_LINE = f"{_NAME}, id, version, editors, shown IS NOT NULL, CAST(coalesce(shown, record) AS BLOB)"


def _statement(table: Table, columns: str) -> str:
    return f"""
        SELECT {table}.rowid, {columns}
        FROM {table} CROSS JOIN customer ON customer.row = {table}.rowid & {ROW_MASK}
        WHERE {table} MATCH ? AND {table}.rowid > ? AND {table}.rowid < ?
        ORDER BY {table}.rowid LIMIT ?
        """


LINES: dict[Table, str] = {table: _statement(table, _LINE) for table in ("word", "detail")}
"""Places come out of the index in the order of names: nothing is sorted, nothing beyond the limit is read."""

_NAMES: dict[Table, str] = {table: _statement(table, _NAME) for table in ("word", "detail")}
_ONE_LINE = f"SELECT {_LINE} FROM customer WHERE row = ?"
_BEYOND = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Line:
    """What is stored of a customer that the list shows."""

    place: int
    name: str
    id: bytes
    version: int
    editors: str | None
    local: int
    record: bytes


@dataclass(frozen=True, slots=True)
class _Member:
    """A customer of a group that is cut by a page's end: its line is read if the page has room for it."""

    place: int
    name: str


def find_lines(
    connection: sqlite3.Connection, match: Match, after: int | None, limit: int
) -> list[Line]:
    """The next lines behind a place, at most so many, in order."""
    unsorted: set[int] = set()
    found: list[Line | _Member] = []
    start = -1
    if after is not None:
        found += _behind(connection, match, after, unsorted)
        begun = group_of(after)
        start = after if begun in unsorted else _bounds(begun)[1] - 1
    if len(found) < limit:
        lines = _lines(connection, match, start, limit - len(found))
        found += lines
        if len(found) == limit:
            found += _cut_off(connection, match, lines, unsorted)
    found.sort(key=lambda one: order_of(one.place, _deciding(one, unsorted)))
    return [
        one if isinstance(one, Line) else read_line(connection, one.place) for one in found[:limit]
    ]


def _behind(
    connection: sqlite3.Connection, match: Match, after: int, unsorted: set[int]
) -> list[_Member]:
    """The rest of the group in which the page before ended; nothing of one that is too large."""
    members = _members(connection, match, *_bounds(group_of(after)))
    if len(members) > NAMESAKES:
        unsorted.add(group_of(after))
        return []
    passed = (name_at(connection, after), after)
    return [one for one in members if (one.name, one.place) > passed]


def _cut_off(
    connection: sqlite3.Connection, match: Match, lines: Sequence[Line], unsorted: set[int]
) -> list[_Member]:
    """The rest of the group in which these lines end; nothing of one that is too large."""
    last = lines[-1].place
    group = group_of(last)
    if group in unsorted:
        return []
    rest = _members(connection, match, last, _bounds(group)[1])
    if len(rest) + sum(group_of(one.place) == group for one in lines) > NAMESAKES:
        unsorted.add(group)
        return []
    return rest


def read_line(connection: sqlite3.Connection, place: int) -> Line:
    """The line of the customer at a place, which must be there."""
    return Line(place, *connection.execute(_ONE_LINE, (row_at(place),)).fetchone())


def name_at(connection: sqlite3.Connection, place: int) -> str:
    """The words of the name of the customer at a place; empty when it has left the list."""
    found = connection.execute(
        f"SELECT {_NAME} FROM customer WHERE row = ?", (row_at(place),)
    ).fetchone()
    return (found and found[0]) or ""


def _lines(connection: sqlite3.Connection, match: Match, start: int, limit: int) -> list[Line]:
    found = connection.execute(LINES[match.table], (match.text, start, _BEYOND, limit))
    return [Line(*one) for one in found]


def _members(connection: sqlite3.Connection, match: Match, start: int, end: int) -> list[_Member]:
    found = connection.execute(_NAMES[match.table], (match.text, start, end, NAMESAKES + 1))
    return [_Member(*one) for one in found]


def _deciding(one: Line | _Member, unsorted: set[int]) -> str:
    return "" if group_of(one.place) in unsorted else one.name


def _bounds(group: int) -> tuple[int, int]:
    """The places before and behind a group's."""
    return (group << ROW_BITS) - 1, (group + 1) << ROW_BITS
