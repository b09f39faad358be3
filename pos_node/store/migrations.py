"""Bringing the till's file to the schema of this version: numbered SQL files, each applied once, in order."""

import sqlite3
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pos_node.store.errors import TooNew


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str


def known_migrations() -> tuple[Migration, ...]:
    """The SQL files of this version, by number."""
    folder = resources.files("pos_node.store") / "migrations"
    files = sorted(one.name for one in folder.iterdir() if one.name.endswith(".sql"))
    return tuple(
        Migration(int(name.split("_")[0]), name, (folder / name).read_text("utf-8"))
        for name in files
    )


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    migrations: tuple[Migration, ...] | None = None,
) -> int:
    """Applies what is missing, all in one transaction; returns how many that were.

    `PRAGMA user_version` holds the number of the last one applied. Raises TooNew, having changed
    nothing, when the file is ahead of this version.
    """
    known = known_migrations() if migrations is None else migrations
    newest = known[-1].number
    (there,) = connection.execute("PRAGMA user_version").fetchone()
    if there > newest:
        raise TooNew(path, f"its schema is {there}, this version knows up to {newest}")
    missing = [one for one in known if one.number > there]
    if not missing:
        return 0
    script = "\n".join(one.sql for one in missing)
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {newest};\nCOMMIT;"
        )
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return len(missing)
