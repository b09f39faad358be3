"""Whose file it is: the till that began it, told from another that is started on it by mistake."""

import sqlite3
from contextlib import suppress

from pos_node.store.database import Priority, Store, StoreError


async def claim(store: Store, pos_id: str) -> str:
    """The till the file belongs to: a file that does not say so yet belongs to `pos_id` from now on.

    Raises StoreError when it cannot be read. One that cannot be written says so at a later start.
    """
    owner = await store.read(read_owner)
    if owner is None:
        with suppress(StoreError):
            await store.write(write_owner, pos_id, priority=Priority.JOURNAL)
    return owner or pos_id


def read_owner(connection: sqlite3.Connection) -> str | None:
    """The till that began the file; None when that was before tills noted it."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'pos_id'").fetchone()
    return row[0] if row else None


def write_owner(connection: sqlite3.Connection, pos_id: str) -> None:
    connection.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('pos_id', ?)", (pos_id,))
