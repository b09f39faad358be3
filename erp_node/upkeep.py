"""Keeping searches fast while customers change."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from erp_node.store.faults import is_transient
from erp_node.store.pool import Pool
from erp_node.store.search import clean_index
from messaging.failures import describe

EVERY_S = 2.0

log = structlog.get_logger()


async def keep_index_clean(
    pool: Pool, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Runs until cancelled. New words of customers first stand in a list that every search reads from
    end to end; PostgreSQL moves them into the index only when it is long, and then a writer waits."""
    while True:
        try:
            await clean_index(pool)
        except Exception as error:
            if not is_transient(error):
                raise
            log.info("index not cleaned", action="search.upkeep", error=describe(error))
        await pause(EVERY_S)
