"""Becoming complete, and staying so (SYNC-5): a puller per scope, and what is left of scopes followed no more."""

import asyncio
import random
from collections.abc import Callable, Iterable

import structlog

from pos_node.feed import JournalSide
from pos_node.loads import Loads
from pos_node.pulling import PAUSES, Asks, Loading, Puller, remove_unmarked
from pos_node.reasons import reason_of
from pos_node.store.cursors import follow_scopes, follows, read_left_scopes
from pos_node.store.database import Priority, Store, StoreError
from pos_node.store.sweeping import forget_scope

_log = structlog.get_logger("catchup")


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
        applied: Callable[[], None],
        rng: random.Random,
    ) -> None:
        """`applied` is called whenever rows were."""
        self._store = store
        self._pullers = {
            scope: Puller(scope, store, questions, loads, side, rng, applied, self.want_all)
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

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            for puller in self._pullers.values():
                group.create_task(puller.run())
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
