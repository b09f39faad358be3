"""Inserting many rows by few statements: other threads of Python run meanwhile, undisturbed."""

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

ROWS = 100
"""Rows in a statement; with ten columns far below the 32,766 values SQLite takes in one."""


def insert_many(
    connection: sqlite3.Connection, insert: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    """As `executemany` with a statement that ends in `VALUES (?, …)`. Not for a word index, which would be written to
    the file after each statement."""
    whole = len(rows) - len(rows) % ROWS
    for start in range(0, whole, ROWS):
        some = rows[start : start + ROWS]
        connection.execute(_repeated(insert), list(chain.from_iterable(some)))
    connection.executemany(insert, rows[whole:])


@cache
def _repeated(insert: str) -> str:
    head, values, marks = insert.rpartition("VALUES")
    return f"{head}{values}{','.join([marks] * ROWS)}"
