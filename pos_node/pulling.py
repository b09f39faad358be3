"""Keeping one scope level with the ERP: what is missing is asked for, page by page, the next on its way."""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import structlog
from pydantic import BaseModel

from contracts.envelope import Malformed, MessageError
from contracts.feed import PAGE_ROWS, Pull
from messaging.channel import MessagingError
from messaging.pause import Pauses
from pos_node.ahead import Ahead
from pos_node.feed import JournalSide, apply_page, moved, report
from pos_node.loads import Load, LoadFailed, Loads
from pos_node.pages import Page, read_data
from pos_node.questions import Answer
from pos_node.reasons import reason_of
from pos_node.store.arrivals import Trouble
from pos_node.store.cursors import Cursor, read_cursor, seq_by_scope
from pos_node.store.database import Priority, Store
from pos_node.store.sweeping import (
    begin_anew,
    end_sweep,
    find_stale,
    forget_seen,
    remove_stale,
)

PULL_TIMEOUT_S = 20.0
PAUSES = Pauses(first=0.2, longest=5.0)
STALE_AT_ONCE = 200
SEEN_AT_ONCE = 5_000

_log = structlog.get_logger("catchup")


class Asks(Protocol):
    """What `pos_node.questions.Questions` does."""

    async def ask(self, question: BaseModel, timeout: float) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Loading:
    """How far the first load or a catch-up is, in rows (SYNC-5)."""

    rows_done: int
    rows_to_do: int


class Pulled(NamedTuple):
    """Where the till stands after a pulled page, and the rows left out. Not followed any more: no cursor.
    `anew`: every scope was begun anew."""

    cursor: Cursor | None
    trouble: Sequence[Trouble] = ()
    anew: bool = False


def apply_pulled(connection: sqlite3.Connection, page: Page, side: JournalSide) -> Pulled:
    """Applies the ERP's answer to a pull. Another epoch makes the cursor void: rows that are here stay until the
    whole feed has come, and those it did not bring then go."""
    cursor = read_cursor(connection, page.scope)
    if cursor is None:
        return Pulled(None)
    anew = bool(cursor.epoch) and page.epoch != cursor.epoch
    if anew:
        if page.prev_seq > 0:
            return Pulled(cursor)
        cursor = begin_anew(connection, page.scope, page.epoch, page.head)
    if page.prev_seq > cursor.seq:
        return Pulled(cursor)
    after = moved(cursor, page)
    if page.to_seq < cursor.seq:
        after = replace(cursor, head=max(cursor.head, page.head))
    trouble = apply_page(connection, page, after, side) if page.to_seq >= cursor.seq else []
    side.settle(connection, seq_by_scope(connection))
    return Pulled(after, trouble, anew)


async def remove_unmarked(store: Store, scope: str, reached: Cursor | None = None) -> None:
    """Takes customers out that no page has marked, in steps that a cashier's write need not wait for. `reached`: as
    store.sweeping.remove_stale has it."""
    stale = await store.read(find_stale, scope)
    for start in range(0, len(stale), STALE_AT_ONCE):
        some = stale[start : start + STALE_AT_ONCE]
        await store.write(remove_stale, scope, some, reached, priority=Priority.FEED)


class Puller:
    """Keeps one scope level with the ERP."""

    def __init__(
        self,
        scope: str,
        store: Store,
        questions: Asks,
        loads: Loads,
        side: JournalSide,
        rng: random.Random,
        applied: Callable[[], None],
        renumbered: Callable[[], None],
    ) -> None:
        self._scope = scope
        self._store = store
        self._questions = questions
        self._loads = loads
        self._side = side
        self._rng = rng
        self._applied = applied
        self._renumbered = renumbered
        self._wanted = asyncio.Event()
        self.progress: Loading | None = None

    def want(self) -> None:
        self._wanted.set()

    async def run(self) -> None:
        """Pulls whenever something is wanted; what cannot be done now is tried again, later and later."""
        failures = 0
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._become_level()
                failures = 0
            except Exception as error:  # one scope that fails ends neither the others nor the till
                failures += 1
                reason = str(error) if isinstance(error, LoadFailed) else reason_of(error)
                _log.info("not level", action="pull_failed", scope=self._scope, reason=reason)
                await self._pause(failures)
                self._wanted.set()

    async def _become_level(self) -> None:
        cursor = await self._store.read(read_cursor, self._scope)
        if cursor is None:
            return
        page = await self._ask(cursor.epoch, cursor.seq)
        if not cursor.epoch and await self._load(page):
            self._wanted.set()
            return
        await self._apply_from(page)
        self.progress = None

    async def _apply_from(self, page: Page) -> None:
        """Applies page after page until the head; while one is applied the next is on its way."""
        while True:
            ahead = self._ask_ahead(page, page.head)
            try:
                pulled = await self._store.write(
                    apply_pulled, page, self._side, priority=Priority.FEED
                )
                report(pulled.trouble)
                self._applied()
                self._show(page)
                if pulled.anew:
                    self._renumbered()
                cursor = pulled.cursor
                if cursor is not None and cursor.epoch != page.epoch:
                    raise Malformed(f"scope: {self._scope}: numbered anew since it was asked for")
                if cursor is not None and page.prev_seq > cursor.seq:
                    raise Malformed(f"scope: {self._scope}: begun anew since it was asked for")
                if cursor is None or cursor.seq >= cursor.head:
                    break
                if cursor.seq == page.prev_seq:
                    raise Malformed(f"scope: {self._scope}: a page that leads nowhere")
                own = cursor.seq == page.to_seq and ahead is not None
                page = await (ahead if ahead and own else self._ask(cursor.epoch, cursor.seq))
            finally:
                if ahead is not None:
                    ahead.cancel()
        if cursor is not None and cursor.sweeping:
            await self._sweep(cursor)

    async def _load(self, page: Page) -> bool:
        """Takes part in a first load, up to the head of its beginning; False when there is none.

        What changed since has a place behind that head and comes the ordinary way, so no customer comes twice.
        """
        load = await self._loads.enter(self._scope, len(page.rows) + page.remaining)
        if load is None:
            return False
        try:
            last = await self._load_from(load, page)
            cursor = Cursor(
                self._scope, page.epoch, last.to_seq, page.head, last.to_seq >= page.head
            )
            await load.leave(cursor)
        except BaseException as error:
            load.fail(error)
            raise
        self._applied()
        return True

    async def _load_from(self, load: Load, page: Page) -> Page:
        """Loads page after page; returns the last one."""
        head = page.head
        ahead = Ahead(self._ask, head)
        try:
            while True:
                ahead.expect(page)
                await load.add(page)
                self._show(page)
                if not page.prev_seq < page.to_seq < head:
                    return page
                following = await self._patiently(ahead, page)
                if following.epoch != page.epoch or following.prev_seq != page.to_seq:
                    raise LoadFailed("the feed was numbered anew")
                if following.to_seq > head:
                    return page
                page = following
        finally:
            ahead.cancel()

    async def _patiently(self, ahead: Ahead, page: Page) -> Page:
        """The page that follows, however often it has to be asked for: the load is kept meanwhile."""
        failures = 0
        while True:
            try:
                return await ahead.take(page)
            except (MessagingError, MessageError):
                failures += 1
                await self._pause(failures)
                self._wanted.clear()

    async def _sweep(self, reached: Cursor) -> None:
        """Removes what a feed begun anew did not bring, little by little."""
        await remove_unmarked(self._store, self._scope, reached)
        await self._store.write(end_sweep, reached, priority=Priority.FEED)
        while await self._store.write(forget_seen, SEEN_AT_ONCE, priority=Priority.FEED):
            pass

    def _ask_ahead(self, page: Page, head: int) -> "asyncio.Task[Page] | None":
        if not page.prev_seq < page.to_seq < head:
            return None
        return asyncio.create_task(self._ask(page.epoch, page.to_seq))

    async def _ask(self, epoch: str, seq: int) -> Page:
        question = Pull(scope=self._scope, epoch=epoch or None, from_seq=seq, limit=PAGE_ROWS)
        answer = await self._questions.ask(question, PULL_TIMEOUT_S)
        page, trouble = read_data(answer.raw)
        if page.scope != self._scope:
            raise Malformed(f"scope: {page.scope} was not asked for")
        report(trouble)
        return page

    async def _pause(self, failures: int) -> None:
        """Waits before trying again, or until there is a reason to try at once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PAUSES.before(failures, self._rng)):
                await self._wanted.wait()

    def _show(self, page: Page) -> None:
        done = (self.progress.rows_done if self.progress else 0) + len(page.rows)
        self.progress = Loading(done, page.remaining)
