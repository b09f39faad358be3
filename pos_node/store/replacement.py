"""Putting a prepared file in the place of the till's file."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from pos_node.store.errors import LockedElsewhere
from pos_node.store.transactions import Priority, open_writer, unwrap

Carry: TypeAlias = Callable[[sqlite3.Connection, sqlite3.Connection], None]
"""`carry(old, new)`: brings what must survive from one file into another."""


def take_place(old: sqlite3.Connection, prepared: Path, path: Path, carry: Carry) -> None:
    """Completes a prepared file with what must survive and puts it in the place of the one that is open.

    `old` must be the only connection to the file. Whoever raises here leaves the old file as it was, `old` open or
    closed. Raises StoreError, sqlite3.Error, OSError, and what `carry` raises.
    """
    bring(old, prepared, carry)
    empty_log(old, path)
    old.close()
    put_in_place(prepared, path)


def bring(old: sqlite3.Connection, prepared: Path, carry: Carry) -> None:
    """Completes a prepared file with what must survive, and has all of it on the disk."""
    new = open_writer(prepared)
    try:
        unwrap(new.run(lambda connection: carry(old, connection), Priority.URGENT))
        empty_log(new.connection, prepared)
    finally:
        new.connection.close()
    flush(prepared)


def empty_log(connection: sqlite3.Connection, path: Path) -> None:
    """Has everything in the file itself: a log that stayed behind would be read into the file that comes after it.

    Raises sqlite3.Error, and LockedElsewhere when another connection is in the way.
    """
    (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise LockedElsewhere(path, "its log is being read")


def put_in_place(prepared: Path, path: Path) -> None:
    """The one step that a crash cannot divide. No connection may be open to either file."""
    prepared.replace(path)
    flush(path.parent)


def flush(path: Path) -> None:
    """What was written to a file, or the names in a folder, are on the disk when this returns."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
