"""How far this till has applied each feed it follows."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cursor:
    """`seq`: applied up to here. `head`: the newest number heard of. `complete`: the head was reached once
    since the feed was begun (SYNC-5)."""

    scope: str
    epoch: str = ""
    seq: int = 0
    head: int = 0
    complete: bool = False

    @property
    def behind(self) -> int:
        return max(0, self.head - self.seq)


def read_cursors(connection: sqlite3.Connection) -> tuple[Cursor, ...]:
    """The cursors of all scopes this till follows, by scope."""
    rows = connection.execute("SELECT scope, epoch, seq, head, complete FROM feed_cursor")
    return tuple(
        Cursor(scope, epoch, seq, head, bool(done)) for scope, epoch, seq, head, done in rows
    )


def read_cursor(connection: sqlite3.Connection, scope: str) -> Cursor | None:
    """None: this till does not follow the scope."""
    row = connection.execute(
        "SELECT scope, epoch, seq, head, complete FROM feed_cursor WHERE scope = ?", (scope,)
    ).fetchone()
    return row and Cursor(*row[:4], bool(row[4]))


def write_cursor(connection: sqlite3.Connection, cursor: Cursor) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO feed_cursor (scope, epoch, seq, head, complete) VALUES (?, ?, ?, ?, ?)",
        (cursor.scope, cursor.epoch, cursor.seq, cursor.head, int(cursor.complete)),
    )


def follow_scopes(connection: sqlite3.Connection, scopes: Iterable[str]) -> None:
    """Begins cursors for scopes that are new."""
    connection.executemany(
        "INSERT OR IGNORE INTO feed_cursor (scope) VALUES (?)", [(scope,) for scope in scopes]
    )
