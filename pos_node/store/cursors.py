"""How far this till has applied each feed it follows."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

_READ = "SELECT scope, epoch, seq, head, complete, sweeping FROM feed_cursor"


@dataclass(frozen=True, slots=True)
class Cursor:
    """`seq`: applied up to here. `head`: the newest number heard of. `complete`: the head was reached once
    since the feed was begun (SYNC-5). `sweeping`: a feed begun anew is being pulled over what is here."""

    scope: str
    epoch: str = ""
    seq: int = 0
    head: int = 0
    complete: bool = False
    sweeping: bool = False

    @property
    def behind(self) -> int:
        return max(0, self.head - self.seq)


def read_cursors(connection: sqlite3.Connection) -> tuple[Cursor, ...]:
    """The cursors of all scopes this till follows, by scope."""
    return tuple(_cursor(row) for row in connection.execute(f"{_READ} ORDER BY scope"))


def read_cursor(connection: sqlite3.Connection, scope: str) -> Cursor | None:
    """None: this till does not follow the scope."""
    row = connection.execute(f"{_READ} WHERE scope = ?", (scope,)).fetchone()
    return _cursor(row) if row else None


def write_cursor(connection: sqlite3.Connection, cursor: Cursor) -> None:
    """The cursor of a scope the till follows; of another, nothing happens."""
    connection.execute(
        "UPDATE feed_cursor SET epoch = ?, seq = ?, head = ?, complete = ?, sweeping = ? WHERE scope = ?",
        (
            cursor.epoch,
            cursor.seq,
            cursor.head,
            int(cursor.complete),
            int(cursor.sweeping),
            cursor.scope,
        ),
    )


def begin_again(connection: sqlite3.Connection, scope: str) -> None:
    """The whole feed of a scope is to come once more, over what is here."""
    if (cursor := read_cursor(connection, scope)) is not None:
        write_cursor(connection, replace(cursor, seq=0))


def begin_cursor(connection: sqlite3.Connection, cursor: Cursor) -> None:
    """Follows a scope from where another file was."""
    connection.execute("INSERT OR IGNORE INTO feed_cursor (scope) VALUES (?)", (cursor.scope,))
    write_cursor(connection, cursor)


def follows(connection: sqlite3.Connection, scopes: Iterable[str]) -> bool:
    """Whether these are the scopes followed already: then `follow_scopes` has nothing to write."""
    wanted = set(scopes)
    known = {cursor.scope for cursor in read_cursors(connection)}
    return known == wanted and wanted.isdisjoint(read_left_scopes(connection))


def follow_scopes(connection: sqlite3.Connection, scopes: Iterable[str]) -> None:
    """Begins cursors for scopes that are new. Scopes followed until now and no more lose theirs; what came by
    them is removed later (SYNC-1, SYNC-2): see `read_left_scopes`."""
    wanted = set(scopes)
    known = {cursor.scope for cursor in read_cursors(connection)}
    connection.executemany(
        "INSERT INTO feed_cursor (scope) VALUES (?)", [(scope,) for scope in sorted(wanted - known)]
    )
    left = known - wanted
    for table in ("feed_cursor", "feed_seen"):
        connection.executemany(
            f"DELETE FROM {table} WHERE scope = ?", [(scope,) for scope in sorted(left)]
        )
    note_left_scopes(connection, (set(read_left_scopes(connection)) | left) - wanted)


def read_left_scopes(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Scopes this till follows no more and of which rows may still be here."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'left_scopes'").fetchone()
    return tuple(row[0].split()) if row else ()


def note_left_scopes(connection: sqlite3.Connection, scopes: Iterable[str]) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO meta (name, value) VALUES ('left_scopes', ?)",
        (" ".join(sorted(scopes)),),
    )


def seq_by_scope(connection: sqlite3.Connection) -> Mapping[str, int]:
    """How far each scope is applied, as the journal's `settle` takes it."""
    return {cursor.scope: cursor.seq for cursor in read_cursors(connection)}


def _cursor(row: tuple[str, str, int, int, int, int]) -> Cursor:
    scope, epoch, seq, head, complete, sweeping = row
    return Cursor(scope, epoch, seq, head, bool(complete), bool(sweeping))
