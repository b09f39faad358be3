"""Proving that both ends hold the same, and mending what differs (SYNC-6, I2).

Now and then, and on demand, the till adds up the hashes of what it has stored and compares them with the ERP's. Only
buckets that differ twice are pulled, and what the ERP did not send of them goes.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from contracts import envelope
from contracts.envelope import Malformed
from contracts.feed import BUCKETS, Digest, DigestAsk, Pull
from pos_node.feed import JournalSide, apply_rows, report
from pos_node.pages import read_data
from pos_node.pulling import PULL_TIMEOUT_S, Asks
from pos_node.reasons import reason_of
from pos_node.store.arrivals import holds_newer
from pos_node.store.cursors import read_cursor
from pos_node.store.database import Priority, Store
from pos_node.store.digests import digest, keys_in_buckets, remove_rows
from pos_node.store.sweeping import begin_all_anew

EVERY_S = 15 * 60.0
DIGEST_TIMEOUT_S = 30.0
LOOKS = 5
"""Digests of different places prove nothing: one is asked for again, so often."""

AGAIN_S = 1.0
BREATH_S = 0.001
REMOVED_AT_ONCE = 200

_log = structlog.get_logger("sweep")


def differing(ours: Digest, theirs: Digest) -> frozenset[int] | None:
    """Buckets that are not the same; None when the two are of different places of the feed."""
    if (ours.epoch, ours.head) != (theirs.epoch, theirs.head):
        return None
    return frozenset(
        bucket
        for bucket in range(BUCKETS)
        if (ours.counts[bucket], ours.sums[bucket]) != (theirs.counts[bucket], theirs.sums[bucket])
    )


@dataclass(frozen=True, slots=True)
class Bucket:
    """What the ERP had in a bucket: the keys that count, and whether something of it is newer here."""

    keys: set[str]
    older: bool


class Sweep:
    """Compares scope by scope. `pull` is told a scope whose cursor turns out to be behind."""

    def __init__(
        self,
        store: Store,
        questions: Asks,
        side: JournalSide,
        scopes: Iterable[str],
        *,
        pull: Callable[[str], None],
        rng: random.Random,
    ) -> None:
        self._store = store
        self._questions = questions
        self._side = side
        self._scopes = tuple(scopes)
        self._pull = pull
        self._rng = rng

    async def run(self) -> None:
        """Sweeps for ever, every quarter of an hour at the latest; tills that started together drift apart."""
        while True:
            await asyncio.sleep(EVERY_S * self._rng.uniform(0.5, 0.9))
            await self.sweep()

    async def sweep(self) -> dict[str, int]:
        """Compares every scope once and mends what differs. Buckets pulled, by scope; a scope that could not be
        compared now is missing."""
        mended = {}
        for scope in self._scopes:
            try:
                found = await self.compare(scope)
                if found is not None:
                    mended[scope] = len(found)
                if found and await self._mend(scope, found):
                    await self._look_back(scope, found)
                if found is None and await self._is_ahead(scope):
                    await self._begin_anew(scope)
            except Exception as error:  # the next sweep tries again
                reason = reason_of(error)
                _log.info("not compared", action="sweep_failed", scope=scope, reason=reason)
        return mended

    async def compare(self, scope: str) -> frozenset[int] | None:
        """Buckets of a scope that differ, looked at twice; None while till and ERP do not stand at one place.

        Raises MessagingError, MessageError, StoreError.
        """
        first = await self._look(scope)
        if not first:
            return first
        second = await self._look(scope)
        return None if second is None else first & second

    async def _look(self, scope: str) -> frozenset[int] | None:
        for look in range(LOOKS):
            if look:
                await asyncio.sleep(AGAIN_S * self._rng.uniform(0.5, 1.5))
            theirs = await self._ask(scope)
            cursor = await self._store.read(read_cursor, scope)
            if cursor is None or not cursor.complete:
                return None
            if cursor.epoch != theirs.epoch or cursor.seq != theirs.head:
                # Ahead of the ERP as well: it then hears that its database is older than it was.
                self._pull(scope)
            else:
                ours = await self._store.read(digest, scope, _breathe)
                found = differing(ours, theirs) if ours else None
                if found is not None:
                    return found
        return None

    async def _ask(self, scope: str) -> Digest:
        answer = await self._questions.ask(DigestAsk(scope=scope), DIGEST_TIMEOUT_S)
        theirs = envelope.read_data(Digest, answer.raw)
        if len(theirs.counts) != BUCKETS or len(theirs.sums) != BUCKETS:
            raise Malformed("counts: not as many as there are buckets")
        return theirs

    async def _mend(self, scope: str, buckets: frozenset[int]) -> bool:
        """Rows that were here before the pull and are not in it are removed; what came meanwhile stays. Whether
        the ERP had older versions than are here: those were left."""
        _log.warning("contents differ", action="sweep_mends", scope=scope, buckets=sorted(buckets))
        here = await self._store.read(keys_in_buckets, scope, buckets)
        older = False
        for bucket in sorted(buckets):
            pulled = await self._pull_bucket(scope, bucket)
            older = older or pulled.older
            for key in pulled.keys:
                here.pop(key, None)
        stale = list(here.items())
        for start in range(0, len(stale), REMOVED_AT_ONCE):
            some = dict(stale[start : start + REMOVED_AT_ONCE])
            await self._store.write(remove_rows, scope, some, priority=Priority.FEED)
        return older

    async def _look_back(self, scope: str, buckets: frozenset[int]) -> None:
        """A database put back without anybody having said so has older versions under the same numbers: when that
        is still so at one place of the feed, everything is pulled over what is here."""
        left = await self.compare(scope)
        if left and left & buckets:
            await self._begin_anew(scope)

    async def _is_ahead(self, scope: str) -> bool:
        """Whether the ERP still does not know a number that it gave: it was told, and believes no till alone."""
        before = await self._store.read(read_cursor, scope)
        theirs = await self._ask(scope)
        if before is None or not before.complete:
            return False
        return before.epoch == theirs.epoch and theirs.head < before.seq

    async def _begin_anew(self, scope: str) -> None:
        _log.warning("the ERP is older: feeds begin anew", action="sweep_anew", scope=scope)
        await self._store.write(begin_all_anew, priority=Priority.FEED)
        for one in self._scopes:
            self._pull(one)

    async def _pull_bucket(self, scope: str, bucket: int) -> Bucket:
        """Applies what the ERP has in a bucket, without moving the cursor."""
        sent: set[str] = set()
        older = False
        epoch, place = "", 0
        while True:
            question = Pull(scope=scope, epoch=epoch or None, from_seq=place, bucket=bucket)
            answer = await self._questions.ask(question, PULL_TIMEOUT_S)
            page, trouble = read_data(answer.raw)
            if page.scope != scope or (epoch and page.epoch != epoch):
                raise Malformed(f"scope: {page.scope} of {page.epoch} was not asked for")
            older = older or await self._store.read(holds_newer, page.rows)
            left_out = await self._store.write(apply_rows, page, self._side, priority=Priority.FEED)
            report([*trouble, *left_out])
            sent |= {row.key for row in page.rows if row.state != "withdrawn"}
            sent |= {one.key for one in trouble}
            if page.to_seq >= page.head or page.to_seq <= place:
                return Bucket(sent, older)
            epoch, place = page.epoch, page.to_seq


def _breathe() -> None:
    """In a reader's thread: lets the cashier have the processor."""
    time.sleep(BREATH_S)
