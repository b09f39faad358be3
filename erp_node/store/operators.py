"""The tables of the ERP's own users, and of log-ins that failed."""

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


@dataclass(frozen=True, slots=True)
class Tried:
    """A name somebody tries to log in with; `is_new`: nobody did since it was last right or forgotten."""

    attempts: Attempts
    is_new: bool


async def find_user(database: Database, name: str) -> User | None:
    """The user of this name, active or not."""
    row = await database.fetchrow(_SQL["find_user"], name)
    if row is None:
        return None
    return User(row["name"], row["password_hash"], frozenset(row["rights"]), row["active"])


async def lock_attempts(connection: Connection, name: str) -> Tried:
    """What is known of attempts with a name, anybody's; nobody else changes it until the transaction ends."""
    row = await connection.fetchrow(_SQL["lock_attempts"], name)
    assert row is not None
    return Tried(Attempts(row["failures"], row["locked_until"]), row["is_new"])


async def save_attempts(connection: Connection, name: str, attempts: Attempts) -> None:
    """Keeps how often a wrong password was given."""
    await connection.execute(_SQL["save_attempts"], name, attempts.failures, attempts.locked_until)


async def forget_strangers(connection: Connection, kept: int) -> None:
    """Keeps the newest attempts with names that are no user's, so many of them."""
    await connection.execute(_SQL["forget_strangers"], kept)


async def forget_attempts(database: Database, name: str, rehashed: str | None) -> None:
    """The password was right; `rehashed` replaces the kept hash."""
    await database.execute(_SQL["forget_attempts"], name)
    if rehashed is not None:
        await database.execute(_SQL["put_hash"], name, rehashed)


async def put_user(
    database: Database, name: str, password_hash: str, rights: Iterable[str]
) -> None:
    """Makes a user, or gives one a new password and rights, active and not locked."""
    await database.execute(_SQL["put_user"], name, password_hash, sorted(rights))
