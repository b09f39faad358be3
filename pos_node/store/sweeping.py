"""Feeds begun anew, pulled over what is here: what they bring is marked, and what is left unmarked goes at the end.

All feeds have one epoch: with the first that turns out to be numbered anew the others are begun anew as well, so that
no late page of the old numbers is applied, and a row that moved between feeds ends right whichever comes first.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from contracts.feed import RowStruct
from pos_node.store.arrivals import KEYED, Broken, id_of, withdraw_customers
from pos_node.store.cursors import (
    Cursor,
    note_left_scopes,
    read_cursor,
    read_cursors,
    read_left_scopes,
    write_cursor,
)
from pos_node.store.marks import is_anew
from pos_node.store.queries import load_sql

_SQL = load_sql("sweeping.sql")


def begin_anew(connection: sqlite3.Connection, scope: str, epoch: str, head: int) -> Cursor:
    """The cursor of a scope whose numbers mean nothing any more, as those of no other scope do; what is here stays
    until the end. A scope that has not begun yet needs nothing."""
    for other in read_cursors(connection):
        if other.epoch and other.epoch != epoch:
            _void(connection, Cursor(other.scope, epoch, sweeping=True))
    cursor = Cursor(scope, epoch, 0, head, complete=False, sweeping=True)
    write_cursor(connection, cursor)
    return cursor


def begin_all_anew(connection: sqlite3.Connection) -> None:
    """Every scope is to come once more, and what it brings counts whatever its version (SYNC-6)."""
    for cursor in read_cursors(connection):
        if cursor.epoch:
            _void(connection, Cursor(cursor.scope, cursor.epoch, sweeping=True))


def _void(connection: sqlite3.Connection, cursor: Cursor) -> None:
    connection.execute("DELETE FROM feed_seen WHERE scope = ?", (cursor.scope,))
    connection.execute("DELETE FROM feed_gone WHERE scope = ?", (cursor.scope,))
    write_cursor(connection, cursor)


def mark_seen(connection: sqlite3.Connection, scope: str, rows: Iterable[RowStruct]) -> None:
    """Notes what came while feeds are begun anew, after it was applied. What is withdrawn counts only where it
    was heard: to who came by another scope it says nothing."""
    if not is_anew(connection):
        return
    for row in rows:
        with suppress(Broken):
            key = id_of(row.key) if row.kind == "customer" else row.key
            if row.state == "active":
                connection.execute(_SQL["mark"], (scope, key))
            elif row.state == "withdrawn" and row.kind == "customer":
                connection.execute(_SQL["mark_withdrawn_customer"], (scope, key))
            elif row.state == "withdrawn" and row.kind in KEYED:
                mark = _SQL["mark_withdrawn_keyed"].format(table=row.kind)
                connection.execute(mark, (scope, key))


def find_stale(connection: sqlite3.Connection, scope: str) -> list[bytes]:
    """Customers of a scope that were not marked, those withdrawn long ago too. Reads every customer."""
    return [id_ for (id_,) in connection.execute(_SQL["stale"], (scope, scope))]


def is_pulled_to(connection: sqlite3.Connection, reached: Cursor) -> bool:
    """Whether the scope has everything that came until `reached`: not once it was begun anew again since."""
    cursor = read_cursor(connection, reached.scope)
    return cursor is not None and cursor.epoch == reached.epoch and cursor.seq >= reached.seq


def remove_stale(
    connection: sqlite3.Connection, scope: str, ids: Sequence[bytes], reached: Cursor | None
) -> int:
    """Takes those customers out that are still not marked; returns how many that were.

    `reached`: the feed was pulled up to there; None for a scope that is followed no more.
    """
    if reached is not None and not is_pulled_to(connection, reached):
        return 0
    marks = ", ".join("?" * len(ids))
    seen = connection.execute(
        f"SELECT key FROM feed_seen WHERE scope = ? AND key IN ({marks})", (scope, *ids)
    )
    marked = {key for (key,) in seen}
    stale = [one for one in ids if one not in marked]
    removed = withdraw_customers(connection, scope, stale)
    if is_anew(connection):
        connection.executemany(_SQL["forget_version"], [(one, scope) for one in stale])
    return removed


def end_sweep(connection: sqlite3.Connection, reached: Cursor) -> None:
    """The scope holds what its feed holds. If it was begun anew once more meanwhile nothing ends."""
    scope = reached.scope
    cursor = read_cursor(connection, scope)
    if cursor is None or not is_pulled_to(connection, reached):
        return
    _withdraw_keyed(connection, scope)
    complete = cursor.seq >= cursor.head
    write_cursor(connection, replace(cursor, sweeping=False, complete=complete))


def forget_seen(connection: sqlite3.Connection, limit: int) -> bool:
    """Removes marks when the last scope has no more need of them; whether there are more."""
    if is_anew(connection):
        return False
    return connection.execute(_SQL["forget_seen"], (limit,)).rowcount == limit


def forget_scope(connection: sqlite3.Connection, scope: str) -> None:
    """What is left of a scope that is followed no more, its customers apart."""
    _withdraw_keyed(connection, scope)
    connection.execute("DELETE FROM feed_gone WHERE scope = ?", (scope,))
    note_left_scopes(connection, [one for one in read_left_scopes(connection) if one != scope])


def _withdraw_keyed(connection: sqlite3.Connection, scope: str) -> None:
    """What was not marked of a scope, customers apart."""
    for table in KEYED:
        connection.execute(_SQL["withdraw_keyed"].format(table=table), (scope, scope))
