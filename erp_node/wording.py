"""Words of customers that were changed without them, as by SQL: made for the marks that come next, and written into
the search when nobody waits (SEARCH-13)."""

import asyncio
from collections.abc import Sequence

import structlog
from pydantic import ValidationError

from contracts.matching import RULE, renewed_words, words_of
from contracts.stored import read_stored
from erp_node.store import feed as store
from erp_node.store.feed import Trouble, Unworded, Worded
from erp_node.store.pool import Connection, Pool
from messaging.failures import describe

log = structlog.get_logger()

LEISURE_ROWS = 500
"""Words written into the search between two looks for marks."""


async def word_next(pool: Pool, marks: int, behind: int) -> None:
    """Makes missing words of so many marks `behind` those that a pass takes."""
    async with pool.acquire() as connection, connection.transaction():
        await word_marked(connection, marks, behind)


async def word_marked(connection: Connection, marks: int, behind: int = 0) -> None:
    """Makes missing words of the next marks, `behind` so many others."""
    await _word(connection, await store.read_unworded(connection, marks, RULE, behind))


async def word_at_leisure(pool: Pool) -> int:
    """Writes some words into the search, or makes some that no feed waits for, such as suppliers'; how many."""
    async with pool.acquire() as connection, connection.transaction():
        if indexed := await store.index_words(connection, LEISURE_ROWS):
            return indexed
        await store.clear_troubles(connection)
        unworded = await store.read_any_unworded(connection, LEISURE_ROWS)
        await _word(connection, unworded)
        return len(unworded)


async def _word(connection: Connection, unworded: Sequence[Unworded]) -> None:
    """Makes missing words; a record that is no customer is reported, and nothing waits for it."""
    if not unworded:
        return
    made = await asyncio.to_thread(lambda: [make_words(one) for one in unworded])
    if words := [one for one in made if isinstance(one, Worded)]:
        await store.put_words(connection, words, RULE)
    if troubles := [one for one in made if isinstance(one, Trouble)]:
        for one in troubles:
            log.error(
                "not a valid customer",
                action="feed.trouble",
                id=str(one.customer_id),
                reason=one.reason,
            )
        await store.put_troubles(connection, troubles)


def make_words(unworded: Unworded) -> Worded | Trouble:
    """The words of a record, or the first field that is wrong. Never a value: reasons are shown and logged."""
    try:
        customer = read_stored(unworded.record)
        if unworded.words is None:
            words = words_of(customer)
        else:
            words = renewed_words(customer, unworded.words, unworded.changed)
        return Worded(unworded.id, unworded.version, words)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "record"
        return Trouble(unworded.id, unworded.version, f"{where}: {first['msg']}")
    except Exception as error:
        return Trouble(unworded.id, unworded.version, f"words: {describe(error)}")
