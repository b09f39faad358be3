"""Numbering what changed: committed marks become places in the feeds, and pages of them are sent (SYNC-1, SYNC-2).

Several ERP processes may run this; the database lets one number at a time. A pass that ends
half-way leaves nothing behind: the marks are still there.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import structlog

from contracts.cards import CardStopped
from contracts.feed import PAGE_ROWS
from contracts.limits import RECORD_BYTES
from contracts.topology import ALL
from erp_node.pages import BuiltPage, PageBuilder
from erp_node.pressure import Pressure
from erp_node.store import feed as store
from erp_node.store.faults import is_transient
from erp_node.store.feed import Numbered, Pass, Reading
from erp_node.store.pool import Connection, Pool
from erp_node.wording import word_at_leisure, word_marked, word_next
from messaging.channel import MessagingError
from messaging.failures import describe

log = structlog.get_logger()

PublishPage: TypeAlias = Callable[[BuiltPage], Awaitable[None]]
"""Sends a page to the tills that follow its scope. Raises MessagingError."""

PublishStop: TypeAlias = Callable[[CardStopped], Awaitable[None]]
"""Tells every till, past the feeds, that a card is blocked. Raises MessagingError."""

STOPS = 200
"""Blocks told in one go; more at once are an import's, and come down the feed."""

MARKS = 2_000
"""Marks taken in one pass: as many as are numbered in about a tenth of a second."""

FIRST_MARKS = 250
"""Marks of the first pass when there is something to number again, and twice as many in each that follows: tills
begin with the first of a large lot while the others are numbered."""

LEISURE_AFTER_S = 1.0
"""When nothing was numbered for so long: tills are still pulling what was."""

LEISURE_EVERY_S = 5.0
"""While something is always numbered: whoever was changed is found again in the ERP's search before long."""

BACKLOG_ROWS = 10_000
"""With more than this still to be numbered, pages are not sent: tills are told the head and pull."""

LOOK_AGAIN_S = 0.5
LONGEST_PAUSE_S = 5.0

RESTS = 2
LONGEST_REST_S = 0.5
"""It rests twice as long as it worked, at most so long: what comes meanwhile is numbered in one go."""

RESTS_UNDER_PRESSURE = 10
LONGEST_REST_UNDER_PRESSURE_S = 1.0
"""Changes that tills wait to get rid of go first: until they are applied the broker alone has them."""

ANALYSE_ROWS = 5_000
"""After this many new entries, or a fifth of all, the planner looks at the feeds again."""


class Sequencer:
    """Numbers marks as they come, and sends pages of what it numbered."""

    def __init__(
        self,
        pool: Pool,
        pages: PageBuilder,
        publish: PublishPage,
        stop: PublishStop,
        pressure: Pressure,
        *,
        rng: random.Random,
    ) -> None:
        self._pool = pool
        self._pressure = pressure
        self._pages = pages
        self._publish = publish
        self._stop = stop
        self._stops: list[CardStopped] = []
        """Blocks that could not be told yet."""
        self._rng = rng
        self._added = self._analysed = 0
        self._numbered_at = -LEISURE_AFTER_S
        self._leisure_at = -LEISURE_EVERY_S

    async def run(self) -> None:
        """Works until cancelled: woken by PostgreSQL, and looking twice a second by itself."""
        failures, loop = 0, asyncio.get_running_loop()
        while True:
            try:
                async with _listening(self._pool) as bell:
                    while True:
                        began = loop.time()
                        await self.catch_up()
                        failures = 0
                        await self._rest(loop.time() - began)
                        await bell.wait()
            except Exception as error:
                _report(error)
                failures += 1
                pause = min(LONGEST_PAUSE_S, 0.1 * 2**failures)
                await asyncio.sleep(pause * self._rng.uniform(0.5, 1.0))

    async def catch_up(self) -> None:
        """Numbers and sends until no mark is left, then writes the words nobody waits for."""
        loop, marks, more = asyncio.get_running_loop(), min(FIRST_MARKS, MARKS), False
        if self._stops:
            await self._send_stops()
        while True:
            began = loop.time()
            async with _wording_ahead(self._pool, marks, wanted=more):
                done = await sequence_once(self._pool, marks)
            more = done.marks == marks
            if done.numbered:
                self._numbered_at = loop.time()
                await self._tell(done, more=more)
                await self._analyse(done)
            if more:
                marks = _after(marks)
                if self._pressure.high:
                    await self._rest(loop.time() - began)
                continue
            if not self._has_leisure() or not await word_at_leisure(self._pool):
                return

    def _has_leisure(self) -> bool:
        now = asyncio.get_running_loop().time()
        quiet = now - self._numbered_at >= LEISURE_AFTER_S
        if not quiet and (self._pressure.high or now - self._leisure_at < LEISURE_EVERY_S):
            return False
        self._leisure_at = now
        return True

    async def _rest(self, worked: float) -> None:
        """Leaves the database to others, longer while tills' changes wait to be applied."""
        if self._pressure.high:
            await asyncio.sleep(min(LONGEST_REST_UNDER_PRESSURE_S, RESTS_UNDER_PRESSURE * worked))
        else:
            await asyncio.sleep(min(LONGEST_REST_S, RESTS * worked))

    async def _tell(self, done: Pass, *, more: bool) -> None:
        """Sends what was numbered, or only the heads when much more is coming; blocks of cards first (CARD-12)."""
        await self._tell_stops(done.numbered)
        if more and await self._is_backlog():
            await self._announce(done.numbered)
            return
        ranges: Sequence[Numbered] = done.numbered
        readings = [Reading(one.scope, one.after, PAGE_ROWS) for one in ranges]
        while readings:
            pages = await self._pages.build(readings)
            await self._send(pages)
            readings = [
                Reading(page.scope, page.to_seq, PAGE_ROWS) for page in pages if not page.complete
            ]

    async def _tell_stops(self, numbered: Sequence[Numbered]) -> None:
        for one in numbered:
            if one.scope == ALL:
                self._stops += await store.read_stops(self._pool, one.after, one.head, STOPS)
        await self._send_stops()

    async def _send_stops(self) -> None:
        """Those that cannot be told now are told at the next look, the newest of them at least."""
        stops, self._stops = self._stops[-STOPS:], []
        for stop in stops:
            try:
                await self._stop(stop)
            except MessagingError as error:
                log.info("block not told yet", action="card.stop", reason=str(error))
                self._stops.append(stop)

    async def _announce(self, numbered: Sequence[Numbered]) -> None:
        heads = await store.read_heads(self._pool)
        scopes = [one.scope for one in numbered if one.scope in heads]
        await self._send([self._pages.announce(scope, heads[scope]) for scope in scopes])

    async def _send(self, pages: Sequence[BuiltPage]) -> None:
        """Sends pages of different scopes; one that cannot be sent now will be pulled."""
        await self._send_each([self._publish(page) for page in pages])

    async def _send_each(self, sending: Sequence[Awaitable[None]]) -> None:
        results = await asyncio.gather(*sending, return_exceptions=True)
        for failure in results:
            if isinstance(failure, MessagingError):
                log.info("page not sent", action="feed.publish", reason=str(failure))
            elif failure is not None:
                raise failure

    async def _is_backlog(self) -> bool:
        async with self._pool.acquire() as connection:
            return await store.count_marks(connection, BACKLOG_ROWS) >= BACKLOG_ROWS

    async def _analyse(self, done: Pass) -> None:
        """A first import outruns the server's own statistics, and plans made without them are slow."""
        self._added += sum(one.added for one in done.numbered)
        if self._added - self._analysed > max(ANALYSE_ROWS, self._analysed // 5):
            self._analysed = self._added
            async with self._pool.acquire() as connection:
                await store.analyse(connection)


async def sequence_once(pool: Pool, marks: int | None = None) -> Pass:
    """Numbers what the next marks (MARKS of them) stand for, in one transaction: words, then places, then progress.

    Numbers never repeat, and a mark committed late is only numbered later: it is its presence that
    counts, not its id.
    """
    limit = MARKS if marks is None else marks
    async with pool.acquire() as connection, connection.transaction():
        renewed = await store.begin_pass(connection)
        if renewed:
            log.warning("another server: feeds begin anew", action="feed.epoch", epoch=renewed)
        await word_marked(connection, limit)
        done = await store.number_marks(connection, limit, RECORD_BYTES)
        if done.told:
            await store.put_progress(connection, done.told)
        return done


@asynccontextmanager
async def _wording_ahead(pool: Pool, marks: int, *, wanted: bool) -> AsyncIterator[None]:
    """While a pass numbers so many marks, which is PostgreSQL's work, Python makes words of the marks behind them."""
    if not wanted:
        yield
        return
    ahead = asyncio.create_task(word_next(pool, _after(marks), behind=marks))
    try:
        yield
        await asyncio.wait([ahead])
        if error := ahead.exception():  # the next pass makes them itself
            log.info("words not made ahead", action="feed.words", reason=describe(error))
    finally:
        ahead.cancel()
        await asyncio.wait([ahead])


def _after(marks: int) -> int:
    """How many marks the pass after one takes."""
    return min(2 * marks, MARKS)


class _Bell:
    """Rings when PostgreSQL says that something was marked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rung = asyncio.Event()

    def ring(self, *_: object) -> None:
        self._rung.set()

    async def wait(self) -> None:
        """Returns at the next ring, or half a second later. Raises ConnectionResetError when no ring can come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self._rung.wait()
        self._rung.clear()
        if self._connection.is_closed():
            raise ConnectionResetError("the connection to PostgreSQL was lost")


@asynccontextmanager
async def _listening(pool: Pool) -> AsyncIterator[_Bell]:
    async with pool.acquire() as connection:
        bell = _Bell(connection)
        await connection.add_listener("comptoir_feed", bell.ring)
        try:
            yield bell
        finally:
            if not connection.is_closed():
                await connection.remove_listener("comptoir_feed", bell.ring)


def _report(error: Exception) -> None:
    if is_transient(error):
        log.warning("numbering pauses", action="feed.pause", reason=describe(error))
    else:
        log.error("numbering failed", action="feed.failed", error=describe(error))
