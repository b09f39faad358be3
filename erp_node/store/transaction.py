"""One piece of work in one transaction, done again when another transaction was in its way."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from erp_node.store.pool import Connection, Pool

T = TypeVar("T")

ATTEMPTS = 3
"""Two may want one new code, or give one customer a card, or want rows in each other's way; the second looks again."""


class Moved(Exception):
    """What was looked at before it was held is otherwise by now: to be looked at again."""


IN_THE_WAY = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    Moved,
)


async def transact(pool: Pool, work: Callable[[Connection], Awaitable[T]]) -> T:
    """What the work gives, committed. Raises what it raises, and IN_THE_WAY after so many attempts."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await _once(pool, work)
        except IN_THE_WAY:
            continue
    return await _once(pool, work)


async def _once(pool: Pool, work: Callable[[Connection], Awaitable[T]]) -> T:
    async with pool.acquire() as connection, connection.transaction():
        return await work(connection)
