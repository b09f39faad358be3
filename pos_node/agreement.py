"""Proving that till and ERP hold the same, and mending a difference (SYNC-6, I2).

Every few minutes each scope's hashes are compared, when the till stands at the ERP's head. A bucket
that differs twice in a row is pulled whole: its rows are written again, and what the ERP does not
have in it is taken out.
"""

import asyncio
import random
import sqlite3
from collections.abc import Collection, Sequence

import structlog

from contracts import envelope
from contracts.envelope import Malformed, MessageError
from contracts.feed import BUCKETS, Digest, DigestAsk, PageStruct, Pull, RowStruct, bucket_of
from messaging.channel import MessagingError
from pos_node.feed import JournalSide, apply_rows, report
from pos_node.pages import Page, read_data
from pos_node.pulling import PULL_TIMEOUT_S, Asks
from pos_node.store.arrivals import Trouble, withdraw_customers
from pos_node.store.cursors import seq_by_scope
from pos_node.store.database import Priority, Store, StoreError
from pos_node.store.digests import digest, forget_reference, held_rows, lower_versions

EVERY_S = 300.0
"""Seconds between comparisons: a difference is seen twice, and mended, well within fifteen minutes."""

AGAIN_S = 2.0
"""A difference is looked at again after this long: a change may just have been under way."""

IDS_AT_ONCE = 500

_log = structlog.get_logger("agreement")


class Agreement:
    """Compares and mends, one scope after the other."""

    def __init__(
        self,
        store: Store,
        questions: Asks,
        side: JournalSide,
        scopes: Collection[str],
        *,
        rng: random.Random,
        again_s: float = AGAIN_S,
    ) -> None:
        self._store = store
        self._questions = questions
        self._side = side
        self._scopes = scopes
        self._rng = rng
        self._again_s = again_s

    async def run(self) -> None:
        """Sweeps until cancelled; a scope that cannot be compared now is compared next time."""
        while True:
            await asyncio.sleep(EVERY_S * self._rng.uniform(0.5, 1.0))
            for scope in self._scopes:
                try:
                    await self.sweep(scope)
                except (MessagingError, MessageError, StoreError) as error:
                    _log.info("not compared", action="sweep", scope=scope, reason=str(error))

    async def sweep(self, scope: str) -> int:
        """Compares a scope and mends what differs; how many buckets were pulled.

        Raises MessagingError, MessageError or StoreError.
        """
        suspects = await self.compare(scope)
        if not suspects:
            return 0
        await asyncio.sleep(self._again_s)
        wrong = suspects & await self.compare(scope)
        for bucket in sorted(wrong):
            _log.warning("bucket differs", action="digest_differs", scope=scope, bucket=bucket)
            rows, rule = await self._pull(scope, bucket)
            trouble = await self._store.write(
                mend_bucket, scope, bucket, rows, rule, self._side, priority=Priority.FEED
            )
            report(trouble)
        return len(wrong)

    async def compare(self, scope: str) -> frozenset[int]:
        """The buckets that differ; none when till and ERP do not stand at the same place of the feed."""
        answer = await self._questions.ask(DigestAsk(scope=scope), PULL_TIMEOUT_S)
        theirs = envelope.read_data(Digest, answer.raw)
        if (len(theirs.counts), len(theirs.sums)) != (BUCKETS, BUCKETS):
            raise Malformed("counts: not as many as there are buckets")
        ours = await self._store.read(digest, scope)
        return differing(ours, theirs) if ours else frozenset()

    async def _pull(self, scope: str, bucket: int) -> tuple[list[RowStruct], int]:
        """All rows the ERP has in a bucket, and the rule of their words."""
        rows: list[RowStruct] = []
        seq = 0
        while True:
            question = Pull(scope=scope, from_seq=seq, bucket=bucket)
            page, trouble = read_data((await self._questions.ask(question, PULL_TIMEOUT_S)).raw)
            report(trouble)
            rows += page.rows
            if page.to_seq <= seq or page.to_seq >= page.head:
                return rows, page.rule
            seq = page.to_seq


def differing(ours: Digest, theirs: Digest) -> frozenset[int]:
    """The buckets in which two digests differ; none when they are of different places of the feed."""
    if (ours.epoch, ours.head) != (theirs.epoch, theirs.head):
        return frozenset()
    mine = zip(ours.counts, ours.sums, strict=True)
    other = zip(theirs.counts, theirs.sums, strict=True)
    pairs = enumerate(zip(mine, other, strict=True))
    return frozenset(bucket for bucket, (one, two) in pairs if one != two)


def mend_bucket(
    connection: sqlite3.Connection,
    scope: str,
    bucket: int,
    rows: Sequence[RowStruct],
    rule: int,
    side: JournalSide,
) -> list[Trouble]:
    """Makes one bucket what the ERP sent of it; returns rows left out."""
    sent = {row.key: row.version for row in rows if row.state == "active"}
    held = [one for one in held_rows(connection, scope) if bucket_of(one.key) == bucket]
    extra = [one.customer_id for one in held if one.customer_id and one.key not in sent]
    for start in range(0, len(extra), IDS_AT_ONCE):
        withdraw_customers(connection, scope, extra[start : start + IDS_AT_ONCE])
    lower_versions(
        connection,
        [one.customer_id for one in held if one.customer_id and sent.get(one.key) == one.version],
    )
    forget_reference(connection, scope, [one.key for one in held if not one.customer_id])
    trouble = apply_rows(connection, _page(scope, rows, rule), side)
    side.settle(connection, seq_by_scope(connection))
    return trouble


def _page(scope: str, rows: Sequence[RowStruct], rule: int) -> Page:
    return PageStruct(
        scope=scope, epoch="", prev_seq=0, to_seq=0, head=0, rule=rule, rows=list(rows)
    )
