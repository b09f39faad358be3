"""A feed begun anew, pulled over what is here: what it brings is marked, and what is left unmarked goes at the end."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from contracts.feed import RowStruct
from pos_node.store.arrivals import Broken, id_of, withdraw_customers
from pos_node.store.cursors import (
    Cursor,
    note_left_scopes,
    read_cursor,
    read_left_scopes,
    write_cursor,
)
from pos_node.store.queries import load_sql

_SQL = load_sql("sweeping.sql")


def begin_anew(connection: sqlite3.Connection, scope: str, epoch: str, head: int) -> Cursor:
    """The cursor of a scope whose numbers mean nothing any more; what is here stays until the end."""
    connection.execute("DELETE FROM feed_seen WHERE scope = ?", (scope,))
    connection.execute("DELETE FROM feed_gone WHERE scope = ?", (scope,))
    cursor = Cursor(scope, epoch, 0, head, complete=False, sweeping=True)
    write_cursor(connection, cursor)
    return cursor


def mark_seen(connection: sqlite3.Connection, scope: str, rows: Iterable[RowStruct]) -> None:
    """Notes what a feed begun anew holds."""
    seen: list[tuple[str, str | bytes]] = []
    for row in rows:
        with suppress(Broken):
            if row.state == "active":
                seen.append((scope, id_of(row.key) if row.kind == "customer" else row.key))
    connection.executemany(_SQL["mark"], seen)


def find_stale(connection: sqlite3.Connection, scope: str) -> list[bytes]:
    """Customers of a scope that were not marked. Reads every customer."""
    return [id_ for (id_,) in connection.execute(_SQL["stale"], (scope, scope))]


def remove_stale(connection: sqlite3.Connection, scope: str, ids: Sequence[bytes]) -> int:
    """Takes those customers out that are still not marked; returns how many that were."""
    marks = ", ".join("?" * len(ids))
    seen = connection.execute(
        f"SELECT key FROM feed_seen WHERE scope = ? AND key IN ({marks})", (scope, *ids)
    )
    marked = {key for (key,) in seen}
    return withdraw_customers(connection, scope, [one for one in ids if one not in marked])


def end_sweep(connection: sqlite3.Connection, scope: str) -> None:
    """The scope holds what the feed holds."""
    connection.execute(_SQL["withdraw_reference"], (scope, scope))
    cursor = read_cursor(connection, scope)
    if cursor is not None:
        complete = cursor.seq >= cursor.head
        write_cursor(connection, replace(cursor, sweeping=False, complete=complete))


def forget_seen(connection: sqlite3.Connection, scope: str, limit: int) -> bool:
    """Removes marks that have served; whether there are more."""
    return connection.execute(_SQL["forget_seen"], (scope, scope, limit)).rowcount == limit


def forget_scope(connection: sqlite3.Connection, scope: str) -> None:
    """What is left of a scope that is followed no more, its customers apart."""
    end_sweep(connection, scope)
    connection.execute("DELETE FROM feed_gone WHERE scope = ?", (scope,))
    note_left_scopes(connection, [one for one in read_left_scopes(connection) if one != scope])
