"""What nobody waits for: keeping searches fast while customers change, and forgetting what was told long ago."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import structlog

from erp_node.store.cards import tidy as tidy_cards
from erp_node.store.faults import is_transient
from erp_node.store.journal import forget_verdicts
from erp_node.store.pool import Pool
from erp_node.store.search import clean_index
from messaging.failures import describe

EVERY_S = 2.0

VERDICT_DAYS = 180
"""A till may be away for weeks; a verdict it has not asked for in half a year is nobody's news."""

VERDICTS_AT_ONCE = 1_000

CARDS_EVERY = 300
"""Rounds between two at which locks that are long over are looked for, which reads all of them."""

ASKED_DAYS = 90
"""Who asked for a card's lock, and whether they got it, is looked for no longer than this; who was given the card, for
ever."""

log = structlog.get_logger()


async def keep_tidy(pool: Pool, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Runs until cancelled. New words of customers first stand in a list that every search reads from
    end to end; PostgreSQL moves them into the index only when it is long, and then a writer waits."""
    for turn in count():
        try:
            await clean_index(pool)
            await forget_verdicts(pool, VERDICT_DAYS, VERDICTS_AT_ONCE)
            if turn % CARDS_EVERY == 0:
                await tidy_cards(pool, ASKED_DAYS, VERDICTS_AT_ONCE)
        except Exception as error:
            if not is_transient(error):
                raise
            log.info("not tidied", action="upkeep", error=describe(error))
        await pause(EVERY_S)
