"""Pages of the feed: put together from text that PostgreSQL made, packed, and kept for the next who asks."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog
import zstandard

from contracts import envelope
from contracts.envelope import MAX_BYTES, Headers
from contracts.feed import BUCKETS, UNPACKED_BYTES, Page
from contracts.limits import RECORD_BYTES
from contracts.matching import RULE
from erp_node.store import feed as store
from erp_node.store.feed import FeedState, Reading, Stretch
from erp_node.store.pool import Pool
from messaging.clock import Clock

log = structlog.get_logger()

PAGE_BYTES = 2 * 1024 * 1024
"""A page ends after the row that passes this; far below contracts.feed.UNPACKED_BYTES."""

PACKED_FROM = 1024
"""Smaller messages travel as they are."""

PACK_LEVEL = 1
"""A quarter less work than the next levels, for pages one twenty-fifth longer."""

IN_THREAD_FROM = 64 * 1024
"""Packing less than this is done before another thread could have begun."""

KEPT_S = 5.0
"""A page is given to others who ask for the same for this long: a hundred tills that come back together."""

KEPT_BYTES = 64 * 1024 * 1024

_END = b"]}}"
"""Closes rows, page and envelope: rows are the last field of a page, and data of an envelope."""


@dataclass(frozen=True, slots=True)
class BuiltPage:
    """A page as it is sent, and the moment of the database it shows."""

    scope: str
    body: bytes
    content_encoding: str | None
    to_seq: int
    complete: bool
    state: FeedState


@dataclass(frozen=True, slots=True)
class _Kept:
    building: asyncio.Task[BuiltPage]
    until: float


class PageBuilder:
    """Builds pages from the database."""

    def __init__(self, pool: Pool, clock: Clock, new_id: Callable[[], UUID]) -> None:
        self._pool = pool
        self._clock = clock
        self._new_id = new_id

    async def build(self, readings: Sequence[Reading]) -> list[BuiltPage]:
        """One page for each reading, of one moment; they must agree on everything but scope and place."""
        stretches = await store.read_rows(self._pool, readings, PAGE_BYTES, RECORD_BYTES)
        return [
            await self._finish(reading, stretch)
            for reading, stretch in zip(readings, stretches, strict=True)
        ]

    def announce(self, scope: str, state: FeedState) -> BuiltPage:
        """A page without rows that tells the head."""
        page = Page(
            scope=scope, epoch=state.epoch, rule=RULE,
            prev_seq=state.head, to_seq=state.head, head=state.head,
        )  # fmt: skip
        body = b"".join(self._enclose(envelope.dump(page), b""))
        return BuiltPage(scope, body, None, state.head, True, state)

    async def _finish(self, reading: Reading, stretch: Stretch) -> BuiltPage:
        """Packs a page; one that turns out too long is read again with fewer rows."""
        parts = self._enclose(page_frame(reading, stretch), stretch.rows)
        size = sum(map(len, parts))
        body, encoding = b"".join(parts) if size < PACKED_FROM else b"", None
        if size >= PACKED_FROM:
            packing = asyncio.to_thread(pack, parts) if size >= IN_THREAD_FROM else None
            body, encoding = await packing if packing else pack(parts), "zstd"
        if len(body) > MAX_BYTES or size > UNPACKED_BYTES:
            return await self._shorten(reading, stretch)
        to_seq = to_seq_of(stretch)
        return BuiltPage(stretch.scope, body, encoding, to_seq, stretch.complete, stretch.state)

    async def _shorten(self, reading: Reading, stretch: Stretch) -> BuiltPage:
        if reading.limit > 1:
            return (await self.build([replace(reading, limit=reading.limit // 2)]))[0]
        log.error(
            "row is too large for a message",
            action="feed.skip",
            scope=reading.scope,
            seq=stretch.last,
        )
        return await self._finish(reading, replace(stretch, rows=b""))

    def _enclose(self, frame: bytes, rows: bytes) -> tuple[bytes, bytes, bytes]:
        """The message around rows, in parts: a megabyte is not copied to be put together."""
        headers = Headers(
            id=self._new_id(), type="feed.page", occurred_at=self._clock.now(), origin="erp"
        )
        message = envelope.encode(headers, frame)
        assert message.endswith(_END)
        return message[: -len(_END)], rows, _END


def pack(parts: Iterable[bytes]) -> bytes:
    """Parts of a message, compressed into one body."""
    parts = tuple(parts)
    packing = zstandard.ZstdCompressor(PACK_LEVEL).compressobj(size=sum(map(len, parts)))
    return b"".join([*map(packing.compress, parts), packing.flush()])


class PageShelf:
    """Built pages, kept for a few seconds; never served when a customer was erased since."""

    def __init__(self, builder: PageBuilder, monotonic: Callable[[], float]) -> None:
        """`monotonic`: seconds that only grow."""
        self._builder = builder
        self._monotonic = monotonic
        self._kept: OrderedDict[Reading, _Kept] = OrderedDict()

    async def get(self, reading: Reading, state: FeedState) -> BuiltPage:
        """The page for a reading that is right for a state just read; built at most once for all who ask."""
        kept = self._kept.get(reading)
        if kept is not None and kept.until > self._monotonic():
            page = await asyncio.shield(kept.building)
            if is_right(page, state):
                return page
        present = self._kept.get(reading)
        if present is None or present is kept:  # let go of, or wrong, while it was waited for
            present = self._begin(reading)
        return await asyncio.shield(present.building)

    def _begin(self, reading: Reading) -> _Kept:
        building = asyncio.create_task(self._build(reading))
        self._kept[reading] = begun = _Kept(building, self._monotonic() + KEPT_S)
        self._kept.move_to_end(reading)
        return begun

    async def _build(self, reading: Reading) -> BuiltPage:
        try:
            page = (await self._builder.build([reading]))[0]
        except BaseException:
            kept = self._kept.get(reading)
            if kept is not None and kept.building is asyncio.current_task():
                del self._kept[reading]
            raise
        self._tidy()
        return page

    def _tidy(self) -> None:
        """Lets go of pages that are old or too many."""
        now, size = self._monotonic(), 0
        for reading, kept in reversed(list(self._kept.items())):
            done = kept.building.done() and not kept.building.cancelled()
            size += len(kept.building.result().body) if done else 0
            if done and (kept.until <= now or size > KEPT_BYTES):
                del self._kept[reading]


def is_right(page: BuiltPage, state: FeedState) -> bool:
    """Whether a page built earlier may still be sent when the database is in a state.

    Rows that changed since come again further on, so an inner page stays right; the last one is
    right while it is the last. No page outlives an erasure.
    """
    newest = page.state.head >= state.head or not page.complete
    return page.state.epoch == state.epoch and page.state.erasures >= state.erasures and newest


def to_seq_of(stretch: Stretch) -> int:
    """Where a reader stands after these rows: at the head when there are no more."""
    return max(stretch.state.head, stretch.after) if stretch.complete else stretch.last


def remaining_after(reading: Reading, stretch: Stretch) -> int:
    """About how many rows come after these, at least 1 unless there are none.

    Exact for a feed whose entries were never changed; otherwise somewhat high, since the places
    that changed rows left behind count until they are passed.
    """
    if stretch.complete:
        return 0
    share = BUCKETS if reading.bucket is not None else 1
    return max(1, min(stretch.state.head - stretch.last, stretch.entries // share))


def page_frame(reading: Reading, stretch: Stretch) -> bytes:
    """The data of a page message, a contracts.feed.Page, without its rows."""
    return envelope.dump(
        Page(
            scope=stretch.scope,
            epoch=stretch.state.epoch,
            prev_seq=stretch.after,
            to_seq=to_seq_of(stretch),
            head=stretch.state.head,
            remaining=remaining_after(reading, stretch),
            rule=RULE,
        )
    )
