"""Triggers in a till's file, put there from outside, that write down every version and journal entry it commits.

They are in the file itself, since other processes commit: what they wrote is there exactly when what they saw is.
The till does not know of them; without them it does the same.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simulation.checkers.history import History, Stored

BUSY_MS = 20_000

_NOW = "(julianday('now') - 2440587.5) * 86400.0"

_TABLES = """
CREATE TABLE IF NOT EXISTS witness_stored (
    place INTEGER PRIMARY KEY, at REAL, kind TEXT, key TEXT, version INTEGER, state TEXT
);
CREATE TABLE IF NOT EXISTS witness_journalled (
    place INTEGER PRIMARY KEY, at REAL, entry TEXT, epoch TEXT, seq INTEGER, body BLOB
);
"""


def _stored(name: str, moment: str, values: str, when: str = "") -> str:
    return (
        f"CREATE TRIGGER IF NOT EXISTS witness_{name} AFTER {moment} {when} BEGIN INSERT INTO"
        f" witness_stored (at, kind, key, version, state) VALUES ({_NOW}, {values}); END"
    )


def _journalled(name: str, moment: str) -> str:
    return (
        f"CREATE TRIGGER IF NOT EXISTS witness_{name} AFTER {moment} BEGIN INSERT INTO"
        " witness_journalled (at, entry, epoch, seq, body)"
        f" VALUES ({_NOW}, NEW.id, NEW.epoch, NEW.seq, NEW.body); END"
    )


_CUSTOMER = "'customer', hex(NEW.id), NEW.version, NEW.state"
_REFERENCE = "'reference', NEW.key, NEW.version, NEW.state"
_TRIGGERS = (
    _stored("customer_in", "INSERT ON customer", _CUSTOMER),
    _stored("customer_up", "UPDATE OF version, state ON customer", _CUSTOMER),
    _stored("reference_in", "INSERT ON reference", _REFERENCE),
    _stored("reference_up", "UPDATE OF version, state ON reference", _REFERENCE),
    _stored(
        "epoch", "UPDATE OF epoch ON feed_cursor", "'epoch', NEW.scope, 0, ''",
        when="WHEN OLD.epoch <> '' AND NEW.epoch <> OLD.epoch",
    ),
    _journalled("journal_in", "INSERT ON journal"),
    _journalled("journal_up", "UPDATE OF epoch, seq ON journal"),
)  # fmt: skip


@contextmanager
def look_into(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the file of a till that may be running."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        yield connection
    finally:
        connection.close()


def install(path: Path) -> None:
    """From now on every commit of this file is witnessed. The till must have made its tables; it may be running."""
    with look_into(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in (*_TABLES.strip().split(";\n"), *_TRIGGERS):
            connection.execute(statement)
        connection.execute("COMMIT")


def read_witness(path: Path, till: str, history: History) -> int:
    """Gives the history all that was witnessed in this file; how many lines those were. Raises sqlite3.Error
    when no witness was there."""
    with look_into(path) as connection:
        stored = connection.execute(
            "SELECT kind, key, version, state FROM witness_stored ORDER BY place"
        ).fetchall()
        journalled = connection.execute(
            "SELECT at, entry, epoch, seq, body FROM witness_journalled ORDER BY place"
        ).fetchall()
    for kind, key, version, state in stored:
        history.stored.append(Stored(till, 0, kind, key, version, state))
    for at, entry, epoch, seq, body in journalled:
        history.journalled(till, entry, (epoch, seq), body, at)
    return len(stored) + len(journalled)
