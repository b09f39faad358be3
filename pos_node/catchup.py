"""Becoming complete, and staying so (SYNC-5): a puller per scope, and what a first load leaves for later."""

import asyncio
import random
import sqlite3
from collections.abc import Iterable

import structlog

from pos_node.feed import JournalSide
from pos_node.loads import Loads
from pos_node.pulling import PAUSES, Asks, Loading, Puller, remove_unmarked
from pos_node.reasons import reason_of
from pos_node.store.cursors import follow_scopes, follows, read_left_scopes
from pos_node.store.database import Priority, Store, StoreError
from pos_node.store.sweeping import forget_scope
from pos_node.store.words import fill_gap, merge_words, read_gap

DETAILS_AT_ONCE = 300
PAGES_AT_ONCE = 100

_log = structlog.get_logger("catchup")

RESTS = 3
"""Tidying waits so many times as long as it worked: a cashier is typing meanwhile."""


class CatchUp:
    """The pullers of all scopes. `want_all` when the connection is there; `want` when something is missing."""

    def __init__(
        self,
        store: Store,
        questions: Asks,
        loads: Loads,
        side: JournalSide,
        scopes: Iterable[str],
        *,
        rng: random.Random,
    ) -> None:
        self._store = store
        self._untidy = asyncio.Event()
        self._untidy.set()
        self._tidying = True
        self._pullers = {
            scope: Puller(
                scope, store, questions, loads, side, rng, self._untidy.set, self.want_all
            )
            for scope in scopes
        }

    def want(self, scope: str) -> None:
        """Something of this scope is missing; of a scope not followed nothing is."""
        if scope in self._pullers:
            self._pullers[scope].want()

    def want_all(self) -> None:
        """The connection is there again: whoever waits tries at once, and all look whether they are behind."""
        for puller in self._pullers.values():
            puller.want()

    def loading(self) -> Loading | None:
        """How far the till is while whole pages are still missing; None otherwise."""
        missing = [one.progress for one in self._pullers.values() if one.progress is not None]
        if not missing:
            return None
        done = sum(one.rows_done for one in missing)
        return Loading(done, done + sum(one.rows_to_do for one in missing))

    def tidying(self) -> bool:
        """Whether the word index is still being put in order, as after a first load: the list answers, but slower."""
        return self._tidying or self._untidy.is_set()

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            for puller in self._pullers.values():
                group.create_task(puller.run())
            group.create_task(self._tidy_words())
            group.create_task(self._change_scopes())

    async def _change_scopes(self) -> None:
        """What a full disk did not allow at the start is done once there is room."""
        waited = False
        while True:
            if await try_following(self._store, self._pullers):
                break
            waited = True
            await asyncio.sleep(PAUSES.longest)
        if waited:
            self.want_all()
        await self._leave_scopes()

    async def _leave_scopes(self) -> None:
        """Removes what came by scopes that the till follows no more (SYNC-2)."""
        try:
            for scope in await self._store.read(read_left_scopes):
                await remove_unmarked(self._store, scope)
                await self._store.write(forget_scope, scope, priority=Priority.FEED)
        except Exception as error:  # the next start tries again
            _log.warning("rows not removed", action="leave_failed", reason=reason_of(error))

    async def _tidy_words(self) -> None:
        """What a first load leaves for later, a quarter of the time at most: see `_tidy`."""
        loop = asyncio.get_running_loop()
        while True:
            await self._untidy.wait()
            self._untidy.clear()
            self._tidying, began = True, loop.time()
            try:
                self._tidying = await self._store.write(_tidy, priority=Priority.FEED)
            except Exception as error:
                _log.warning("words not written", action="details_failed", reason=reason_of(error))
                await asyncio.sleep(PAUSES.longest)
            if self._tidying:
                self._untidy.set()
                await asyncio.sleep(RESTS * (loop.time() - began))


async def try_following(store: Store, scopes: Iterable[str]) -> bool:
    """Follows these scopes from now on; writes only when they are others than before. False when the disk does not
    allow it: the till then works with what it has."""
    wanted = tuple(scopes)
    try:
        if not await store.read(follows, wanted):
            await store.write(follow_scopes, wanted, priority=Priority.FEED)
    except StoreError as error:
        _log.warning("scopes not changed", action="follow_failed", reason=reason_of(error))
        return False
    return True


def _tidy(connection: sqlite3.Connection) -> bool:
    """A step of what is left to do: words of columns searched only when chosen, then fewer parts of the index."""
    if read_gap(connection).open:
        fill_gap(connection, DETAILS_AT_ONCE)
        return True
    return merge_words(connection, PAGES_AT_ONCE)
