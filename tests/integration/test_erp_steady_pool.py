"""The pool for questions: connections stay lent, and none is lost."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from erp_node.store.pool import Pool
from erp_node.store.search import open_question_pool
from tests.databases import Database

BACKEND = "SELECT pg_backend_pid()"


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with await open_question_pool(database.dsn, max_size=3) as opened:
        yield opened


async def test_statements_one_after_the_other_use_one_connection(pool: Pool) -> None:
    assert len({await pool.fetchval(BACKEND) for _ in range(5)}) == 1
    row = await pool.fetchrow("SELECT $1::int AS one", 1)
    assert row is not None
    assert (row["one"], [tuple(one) for one in await pool.fetch("SELECT 2")]) == (1, [(2,)])


async def test_more_statements_than_connections_wait_for_their_turn(pool: Pool) -> None:
    backends = await asyncio.gather(*(pool.fetchval(BACKEND) for _ in range(50)))
    assert 1 <= len(set(backends)) <= 2
    async with pool.acquire() as one:
        assert await one.fetchval("SELECT 1") == 1


async def test_statements_that_fail_or_are_given_up_leave_the_pool_whole(pool: Pool) -> None:
    for _ in range(4):
        with pytest.raises(asyncpg.PostgresError):
            await pool.fetch("SELECT nothing")
        with pytest.raises(TimeoutError):
            await pool.fetch("SELECT pg_sleep(60)", timeout=0.05)
        given_up = [asyncio.create_task(pool.fetch("SELECT pg_sleep(60)")) for _ in range(5)]
        await asyncio.wait(given_up, timeout=0.05)
        for one in given_up:
            one.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
    assert await asyncio.gather(*(pool.fetchval("SELECT 1") for _ in range(9))) == [1] * 9


async def test_a_lost_connection_is_replaced(pool: Pool, database: Database) -> None:
    before = await pool.fetchval(BACKEND)
    other = await asyncpg.connect(database.dsn)
    await other.execute("SELECT pg_terminate_backend($1)", before)
    await other.close()
    async with asyncio.timeout(10):
        while await _backend(pool) in (None, before):
            pass


async def _backend(pool: Pool) -> int | None:
    """Who answers; None when the statement met the loss of its connection."""
    try:
        found: int = await pool.fetchval(BACKEND)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        return None
    return found


async def test_the_pool_closes_with_connections_kept_and_statements_under_way(
    database: Database,
) -> None:
    pool = await open_question_pool(database.dsn)
    await pool.fetchval("SELECT 1")
    slow = asyncio.create_task(pool.fetchval("SELECT 1 FROM pg_sleep(0.1)"))
    await asyncio.wait([slow], timeout=0.02)
    async with asyncio.timeout(10):
        await pool.close()
    assert await slow == 1
