"""The table of the ERP's own users."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from erp_node.store.pool import Connection, Database
from erp_node.store.queries import load_sql
from web.lockout import Attempts

_SQL: Final = load_sql("operators.sql")


@dataclass(frozen=True, slots=True)
class User:
    """One row of erp_user."""

    name: str
    password_hash: str
    rights: frozenset[str]
    active: bool
    attempts: Attempts


async def find_user(database: Database, name: str) -> User | None:
    """The user of this name, active or not."""
    return await _one(database, "find_user", name)


async def lock_user(connection: Connection, name: str) -> User | None:
    """The same, and nobody else changes it until the transaction ends."""
    return await _one(connection, "lock_user", name)


async def save_attempts(connection: Connection, name: str, attempts: Attempts) -> None:
    """Keeps how often a wrong password was given."""
    await connection.execute(_SQL["save_attempts"], name, attempts.failures, attempts.locked_until)


async def forget_attempts(database: Database, name: str, rehashed: str | None) -> None:
    """The password was right; `rehashed` replaces the kept hash."""
    await database.execute(_SQL["forget_attempts"], name, rehashed)


async def put_user(
    database: Database, name: str, password_hash: str, rights: Iterable[str]
) -> None:
    """Makes a user, or gives one a new password and rights, active and not locked."""
    await database.execute(_SQL["put_user"], name, password_hash, sorted(rights))


async def _one(database: Database, query: str, name: str) -> User | None:
    row = await database.fetchrow(_SQL[query], name)
    if row is None:
        return None
    return User(
        name=row["name"],
        password_hash=row["password_hash"],
        rights=frozenset(row["rights"]),
        active=row["active"],
        attempts=Attempts(row["failures"], row["locked_until"]),
    )
