"""The way down as the ERP answers for it: pages that tills pull, and digests to compare (SYNC-5, SYNC-6).

Each `answer_…` is a messaging.responder.Answer once it is bound to a Feed, and raises BadRequest as
questions.read_question does. What is sent without being asked is in sequencer.py and beat.py.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from contracts.feed import BUCKETS, PAGE_ROWS, Digest, DigestAsk, Pull
from contracts.search import Refused
from contracts.topology import TillAddress
from erp_node.callers import Till
from erp_node.claims import Claims
from erp_node.pages import BuiltPage, PageBuilder, PageShelf
from erp_node.questions import Desk, read_question, reply
from erp_node.store import feed as store
from erp_node.store.feed import FeedState, Reading, Sums
from erp_node.store.identity import renewed_before
from messaging.channel import Delivery
from messaging.responder import Reply

log = structlog.get_logger()

MOST_ROWS = 2 * PAGE_ROWS
"""More rows than this are not put into one page, whatever is asked for."""

ALONE_S = 24 * 3600.0
"""A till that alone says feeds are older than they were is believed this often at most."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is read for a pull. `ahead`: the till claims to know a number that was never given."""

    reading: Reading
    ahead: bool = False


class Feed:
    """What answering pulls and digests needs."""

    def __init__(self, desk: Desk, builder: PageBuilder, monotonic: Callable[[], float]) -> None:
        """`monotonic`: seconds that only grow."""
        self.desk = desk
        self._shelf = PageShelf(builder, monotonic)
        self._claims = Claims(monotonic)
        self._digests: dict[str, Digest] = {}
        self._adding_up = asyncio.Lock()

    async def pull(self, pull: Pull, pos_id: str) -> BuiltPage:
        """The page till `pos_id` asks for. A place of another epoch, or one never reached, means from the start."""
        state = await store.read_state(self.desk.pool, pull.scope)
        start = decide_start(pull, state)
        if start.ahead and await self._believes(pull, pos_id, state):
            state = await self._renew(pull, state)
        return await self._shelf.get(start.reading, state)

    async def digest(self, scope: str) -> Digest:
        """A scope's hashes; added up once for all who ask while nothing changes."""
        state = await store.read_state(self.desk.pool, scope)
        async with self._adding_up:
            known = self._digests.get(scope)
            if known is None or known.epoch != state.epoch or known.head < state.head:
                known = digest_of(scope, await store.add_up(self.desk.pool, scope))
                self._digests[scope] = known
        return known

    async def _believes(self, pull: Pull, pos_id: str, state: FeedState) -> bool:
        """Whether the database is older than it was: two tills say so, or one again, once a day."""
        match self._claims.hear(state.epoch, pos_id):
            case "first":
                log.error("a till is ahead of the feed", action="feed.ahead", pos=pos_id,
                          scope=pull.scope, cursor=pull.from_seq, head=state.head)  # fmt: skip
                return False
            case "again":
                return await renewed_before(self.desk.pool, ALONE_S)
            case "another":
                return True

    async def _renew(self, pull: Pull, state: FeedState) -> FeedState:
        """The database is older than what tills were sent: numbers would be given twice."""
        renewed = await store.renew_epoch(self.desk.pool, state.epoch)
        if renewed:
            log.error("tills are ahead of the feed: feeds begin anew", action="feed.epoch",
                      scope=pull.scope, cursor=pull.from_seq, head=state.head)  # fmt: skip
        return await store.read_state(self.desk.pool, pull.scope)


async def answer_pull(feed: Feed, delivery: Delivery) -> Reply | None:
    """The next page of a scope the till follows; `feed.not_yours` of any other."""
    question = await read_question(feed.desk, delivery, Pull)
    if question is None:
        return None
    if not follows(question.till, question.data.scope):
        return reply(feed.desk, question.headers, not_yours(question.data.scope))
    page = await feed.pull(question.data, question.till.pos_id)
    return Reply(page.body, content_encoding=page.content_encoding, type="feed.page")


async def answer_digest(feed: Feed, delivery: Delivery) -> Reply | None:
    """The hashes of a scope the till follows, at the scope's head; `feed.not_yours` of any other."""
    question = await read_question(feed.desk, delivery, DigestAsk)
    if question is None:
        return None
    if not follows(question.till, question.data.scope):
        return reply(feed.desk, question.headers, not_yours(question.data.scope))
    return reply(feed.desk, question.headers, await feed.digest(question.data.scope))


def follows(till: Till, scope: str) -> bool:
    """Whether a scope's rows are for a till (SYNC-1, SYNC-2)."""
    return scope in TillAddress(till.pos_id, till.centre, full=not till.local_only).scopes


def not_yours(scope: str) -> Refused:
    return Refused(code="feed.not_yours", params={"scope": scope})


def decide_start(pull: Pull, state: FeedState) -> Start:
    """Which rows a pull is given.

    Who starts with nothing, and so knows no epoch, is spared what is merely withdrawn. Who held rows under
    other numbers, reads the same feed once more from its beginning, or looks through one bucket for a
    difference, must hear of those too.
    """
    same_epoch = pull.epoch in (None, "", state.epoch)
    ahead = same_epoch and pull.from_seq > state.head
    after = pull.from_seq if same_epoch and not ahead else 0
    present = pull.epoch in (None, "") and not ahead and after == 0 and pull.bucket is None
    limit = min(pull.limit, MOST_ROWS)
    reading = Reading(pull.scope, after, limit, pull.bucket, only_present=present)
    return Start(reading, ahead=ahead and pull.epoch == state.epoch)


def digest_of(scope: str, sums: Sums) -> Digest:
    """Sums per bucket as they travel: unsigned, modulo 2**64."""
    counts, totals = [0] * BUCKETS, [0] * BUCKETS
    for bucket, rows, total in sums.buckets:
        counts[bucket], totals[bucket] = rows, total % 2**64
    return Digest(scope=scope, epoch=sums.epoch, head=sums.head, counts=counts, sums=totals)
