"""The ERP's signs of life: a beat to every till, and where each feed stands (SYNC-7, I11)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias
from uuid import UUID
from zlib import crc32

import structlog

from contracts import envelope
from contracts.envelope import Headers
from contracts.presence import Beat
from contracts.topology import ALL
from erp_node.pages import PageBuilder
from erp_node.sequencer import PublishPage
from erp_node.store import feed as store
from erp_node.store.faults import is_transient
from erp_node.store.feed import FeedState
from erp_node.store.pool import Pool
from messaging.channel import MessagingError
from messaging.clock import Clock
from messaging.failures import describe

log = structlog.get_logger()

PublishBeat: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Sends an envelope `erp.beat` to every till's urgent queue. Raises MessagingError."""

HEADS_S = 15.0
"""Every scope's head is told at least this often: a lost last page is noticed by it."""


class Heart:
    """Sends beats. Several ERP processes may: two beats are as good as one."""

    def __init__(
        self,
        pool: Pool,
        pages: PageBuilder,
        publish_page: PublishPage,
        publish_beat: PublishBeat,
        *,
        clock: Clock,
        new_id: Callable[[], UUID],
        interval_s: float = 3.0,
    ) -> None:
        self._pool = pool
        self._pages = pages
        self._publish_page = publish_page
        self._publish_beat = publish_beat
        self._clock = clock
        self._new_id = new_id
        self._interval_s = interval_s

    async def run(self) -> None:
        """Beats until cancelled; a broker or database that does not answer is no reason to stop."""
        turn = 0
        while True:
            try:
                await self.beat(turn)
            except MessagingError as error:
                log.info("beat not sent", action="beat", reason=str(error))
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("heads not told", action="beat", reason=describe(error))
            turn += 1
            await asyncio.sleep(self._interval_s)

    async def beat(self, turn: int) -> None:
        """One beat, and the heads that are due in this turn. Raises MessagingError."""
        now = self._clock.now()
        headers = Headers(id=self._new_id(), type="erp.beat", occurred_at=now, origin="erp")
        beat = Beat(now=now, interval_s=self._interval_s)
        await self._publish_beat(envelope.encode(headers, beat))
        heads = due_heads(await store.read_heads(self._pool), turn, turns_of(self._interval_s))
        await asyncio.gather(
            *(
                self._publish_page(self._pages.announce(scope, state))
                for scope, state in heads.items()
            )
        )


def turns_of(interval_s: float) -> int:
    """In how many beats every head is told once."""
    return max(1, int(HEADS_S // interval_s))


def due_heads(heads: Mapping[str, FeedState], turn: int, turns: int) -> dict[str, FeedState]:
    """The heads told in one beat: `all` in each, the others spread evenly."""
    return {
        scope: state
        for scope, state in heads.items()
        if scope == ALL or crc32(scope.encode()) % turns == turn % turns
    }
