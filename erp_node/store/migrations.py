"""Brings a database to the schema of this code: numbered SQL files, each applied once, in order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

import asyncpg

from erp_node.store.pool import SERVER_SETTINGS, Connection

# One process at a time; the number means nothing but must not change.
LOCK = 7_305_001

_APPLIED = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number      integer PRIMARY KEY,
    name        text NOT NULL,
    checksum    text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)
"""


class WrongDatabase(Exception):
    """The database cannot be used by this version of the code; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return sha256(self.sql.encode()).hexdigest()


def known_migrations() -> tuple[Migration, ...]:
    """The files of this version, in order."""
    folder = files(__package__) / "migrations"
    named = (re.fullmatch(r"(\d{4})_(\w+)\.sql", one.name) for one in folder.iterdir())
    found = [
        Migration(int(name[1]), name[2], (folder / name[0]).read_text("utf-8"))
        for name in named
        if name
    ]
    return tuple(sorted(found, key=lambda one: one.number))


async def migrate(
    database: str | Connection, known: Sequence[Migration] | None = None
) -> tuple[int, ...]:
    """Applies what is missing; returns the numbers it applied.

    `database` is an address or a connection. Each file is one transaction; processes that start
    together take turns. Raises WrongDatabase when the database is not UTF-8, is newer than this
    code, or was migrated with a file that reads differently now.
    """
    if isinstance(database, str):
        connection = await asyncpg.connect(database, server_settings=SERVER_SETTINGS)
        try:
            return await migrate(connection, known)
        finally:
            await connection.close()
    await database.execute("SELECT pg_advisory_lock($1)", LOCK)
    try:
        return await _apply_missing(database, known_migrations() if known is None else known)
    finally:
        await database.execute("SELECT pg_advisory_unlock($1)", LOCK)


async def _apply_missing(connection: Connection, known: Sequence[Migration]) -> tuple[int, ...]:
    encoding = await connection.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        raise WrongDatabase(f"the database's encoding is {encoding}; it must be UTF8")
    await connection.execute(_APPLIED)
    rows = await connection.fetch("SELECT number, checksum FROM schema_migration")
    missing = missing_migrations(known, {row["number"]: row["checksum"] for row in rows})
    for one in missing:
        async with connection.transaction():
            await connection.execute(one.sql)
            await connection.execute(
                "INSERT INTO schema_migration (number, name, checksum) VALUES ($1, $2, $3)",
                one.number,
                one.name,
                one.checksum,
            )
    return tuple(one.number for one in missing)


def missing_migrations(
    known: Sequence[Migration], applied: dict[int, str]
) -> tuple[Migration, ...]:
    """What is to be applied, by number. Raises WrongDatabase when the two do not fit together."""
    newest = max((one.number for one in known), default=0)
    if applied and max(applied) > newest:
        raise WrongDatabase(
            f"the database has schema {max(applied)}, this version knows {newest}: "
            "start a newer version of Comptoir"
        )
    for one in known:
        if applied.get(one.number, one.checksum) != one.checksum:
            raise WrongDatabase(
                f"schema file {one.number:04}_{one.name}.sql is not the one this database was made with"
            )
    return tuple(one for one in known if one.number not in applied)
