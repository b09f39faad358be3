"""Rows met since the feeds were numbered anew: until all are pulled, what is not among them is of a database that is
no more (SYNC-6)."""

import sqlite3
from collections.abc import Collection, Sequence

Key = bytes | str
"""The 16 bytes of a customer, the text of another row."""


def is_anew(connection: sqlite3.Connection) -> bool:
    """Whether some feed begun anew is still being pulled over what is here."""
    found = connection.execute("SELECT 1 FROM feed_cursor WHERE sweeping LIMIT 1").fetchone()
    return found is not None


def read_unmet(connection: sqlite3.Connection, keys: Sequence[Key]) -> Collection[Key]:
    """Those of the keys that no feed begun anew has brought yet; none when there is no such feed."""
    if not is_anew(connection):
        return ()
    marks = ", ".join("?" * len(keys))
    met = connection.execute(
        "SELECT key FROM feed_seen "
        f"WHERE scope IN (SELECT scope FROM feed_cursor) AND key IN ({marks})",
        keys,
    )
    return set(keys) - {key for (key,) in met}
