"""Connections to PostgreSQL, all of them set up alike."""

from typing import TYPE_CHECKING, TypeAlias

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Row: TypeAlias = asyncpg.Record
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Database: TypeAlias = Pool | Connection
else:
    Row = asyncpg.Record
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection
    Database = Pool | Connection

# Custom plans: a generic one, made for no phrase in particular, took seconds where eight milliseconds
# do. No just-in-time compiling: it takes longer than any statement here.
SERVER_SETTINGS = {
    "application_name": "comptoir-erp",
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "60s",  # of a process that hangs: others wait for its locks
}


async def open_pool(
    dsn: str, *, min_size: int = 1, max_size: int = 10, command_timeout: float | None = 60.0
) -> Pool:
    """Opens the connections of one process.

    jsonb values travel as text, both ways: `$1::jsonb` takes a str, a selected one is a str.
    Whoever needs a model decodes it there, so that nobody pays for decoding who does not.
    Arrays are lists, uuid is uuid.UUID, timestamptz an aware datetime in UTC.
    Raises OSError or asyncpg.PostgresError when the server cannot be reached.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        command_timeout=command_timeout,
        server_settings=SERVER_SETTINGS,
    )
