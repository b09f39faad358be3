"""Putting the word index in order when the till has time: what a first load left for later, and what changes left in
many small parts. Searches find everything before as well, a little slower."""

import asyncio

import structlog

from pos_node.pulling import PAUSES
from pos_node.reasons import reason_of
from pos_node.store.database import Priority, Store
from pos_node.store.words import fill_gap, merge_words, read_gap

DETAILS_AT_ONCE = 300
PAGES_AT_ONCE = 100

RESTS = 3
"""It waits so many times as long as it worked: a cashier is typing meanwhile."""

LEISURE_S = 1.0
"""Parts are joined when no row came for so long: while more are coming it would be done again and again. When there
is never so much time, the index joins them by itself, many at once."""

_log = structlog.get_logger("tidying")


class Tidying:
    """Tidies once at the start, and whenever rows were applied."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted = asyncio.Event()
        self._noted.set()
        self._noted_at = float("-inf")
        self._left = True

    def note(self) -> None:
        """Rows were applied."""
        self._noted_at = asyncio.get_running_loop().time()
        self._noted.set()

    def pending(self) -> bool:
        """Whether something is left to do."""
        return self._left or self._noted.is_set()

    async def run(self) -> None:
        """Works until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._noted.wait()
            self._noted.clear()
            self._left = True
            while self._left:
                began = loop.time()
                try:
                    self._left = await self._step(began - self._noted_at)
                except Exception as error:
                    _log.warning("words not written", action="failed", reason=reason_of(error))
                    await asyncio.sleep(PAUSES.longest)
                await asyncio.sleep(RESTS * (loop.time() - began))

    async def _step(self, quiet_s: float) -> bool:
        """Does a little: words of columns searched only when chosen, then fewer parts; whether there is more to do."""
        gap = await self._store.read(read_gap)
        if gap.open:
            await self._store.write(fill_gap, DETAILS_AT_ONCE, priority=Priority.FEED)
            return True
        if quiet_s < LEISURE_S:
            await asyncio.sleep((LEISURE_S - quiet_s) / (1 + RESTS))
            return True
        return await self._store.write(merge_words, PAGES_AT_ONCE, priority=Priority.FEED)
