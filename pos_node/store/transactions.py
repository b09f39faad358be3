"""Running a function of a connection whole: in one transaction, or not at all."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeAlias

from pos_node.store.connection import connect
from pos_node.store.errors import translated
from pos_node.store.migrations import migrate

Work: TypeAlias = Callable[[sqlite3.Connection], Any]
Outcome: TypeAlias = tuple[Any, BaseException | None]


class Priority(IntEnum):
    """Whose write goes first. What is not FEED is on the disk when `write` returns; a FEED write may be
    lost with the power, together with the cursor that says it was made."""

    CASHIER = 0
    URGENT = 1
    JOURNAL = 2
    FEED = 3


class Writer:
    """Runs write transactions on one connection, waiting for the disk only where it matters."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._path = path
        self._synchronous = ""

    def run(self, work: Work, priority: Priority) -> Outcome:
        """What the work returned, or what it raised; then nothing was changed."""
        try:
            self._set_synchronous("NORMAL" if priority is Priority.FEED else "FULL")
            self.connection.execute("BEGIN IMMEDIATE")
            result = work(self.connection)
            self.connection.execute("COMMIT")
        except BaseException as error:  # whoever waits gets it; the thread lives on
            self._roll_back()
            return None, named(error, self._path)
        return result, None

    def _set_synchronous(self, wanted: str) -> None:
        if wanted != self._synchronous:
            self.connection.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted

    def _roll_back(self) -> None:
        if self.connection.in_transaction:
            with suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")


def run_read(connection: sqlite3.Connection, path: Path, work: Work) -> Outcome:
    """What the work returned, or what it raised, having seen one moment of the database."""
    try:
        connection.execute("BEGIN")
        try:
            result = work(connection)
        finally:
            # Not when SQLite has rolled back itself: that would hide why.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    except BaseException as error:  # whoever waits gets it; the thread lives on
        return None, named(error, path)
    return result, None


def open_writer(path: Path) -> Writer:
    """The writing connection to a file of this version's schema, made if there is none. Raises StoreError."""
    try:
        connection = connect(path, "writer")
        try:
            migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise named(error, path) from error
    return Writer(path, connection)


def unwrap(outcome: Outcome) -> Any:
    """Returns what there is to return, or raises what there is to raise."""
    result, error = outcome
    if error is not None:
        raise error
    return result


def named(error: BaseException, path: Path) -> BaseException:
    """The StoreError behind an SQLite error, or the error itself."""
    if isinstance(error, sqlite3.Error) and (found := translated(error, path)) is not None:
        found.__cause__ = error
        return found
    return error
