"""Log-ins that failed, by the name that was tried."""

import sqlite3
from datetime import datetime

from web.lockout import STRANGERS, Attempts


def read_attempts(connection: sqlite3.Connection, name: str) -> Attempts:
    """Failures since the last right password; none for a name that was never tried."""
    row = connection.execute(
        "SELECT failures, locked_until FROM login_failure WHERE operator = ?", (name,)
    ).fetchone()
    if row is None:
        return Attempts()
    return Attempts(row[0], datetime.fromisoformat(row[1]) if row[1] else None)


def write_attempts(connection: sqlite3.Connection, name: str, attempts: Attempts) -> None:
    until = attempts.locked_until.isoformat() if attempts.locked_until else None
    connection.execute(
        "INSERT OR REPLACE INTO login_failure (operator, failures, locked_until) VALUES (?, ?, ?)",
        (name, attempts.failures, until),
    )


def forget_attempts(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("DELETE FROM login_failure WHERE operator = ?", (name,))


def forget_strangers(connection: sqlite3.Connection) -> None:
    """Keeps the table small when somebody tries one name after the other: beyond STRANGERS all are
    forgotten that are no operators of this till."""
    (kept,) = connection.execute("SELECT count(*) FROM login_failure").fetchone()
    if kept > STRANGERS:
        connection.execute(
            "DELETE FROM login_failure WHERE NOT EXISTS "
            "(SELECT 1 FROM reference WHERE key = 'operator/' || login_failure.operator)"
        )
