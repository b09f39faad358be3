"""Tills that greet (SYNC-7): what they say of themselves is kept, and they learn where they stand."""

from datetime import datetime, timedelta

import structlog

from contracts.presence import Hello, Welcome
from contracts.topology import TillAddress
from erp_node.questions import Desk, Question, read_question, reply
from erp_node.store import tills as store
from messaging.channel import Delivery
from messaging.responder import Reply

CLOCKS_AGREE = timedelta(seconds=5)
"""A greeting that is on its way so long is nothing to speak of."""

log = structlog.get_logger()


async def answer_hello(desk: Desk, delivery: Delivery) -> Reply | None:
    """Notes a till's sign of life; tells its centre, feeds, how far its journal is, and the time."""
    question = await read_question(desk, delivery, Hello)
    if question is None:
        return None
    pos_id = question.till.pos_id
    hello = on_our_clock(question.data, question.headers.occurred_at, desk.clock.now())
    if await store.hear(desk.pool, pos_id, hello):
        log.error("two tills run under one enrolment", action="till_twice", pos=pos_id)
    return reply(desk, question.headers, await _welcome(desk, question))


def on_our_clock(hello: Hello, said_at: datetime, now: datetime) -> Hello:
    """The same with its times on the ERP's clock: a till's may be a day off, and so would be what seems to wait."""
    oldest = hello.oldest_waiting_at
    if oldest is None or abs(now - said_at) < CLOCKS_AGREE:
        return hello
    return hello.model_copy(update={"oldest_waiting_at": now - (said_at - oldest)})


async def _welcome(desk: Desk, question: Question[Hello]) -> Welcome:
    till, hello = question.till, question.data
    address = TillAddress(till.pos_id, till.centre, full=not till.local_only)
    progress = await store.read_progress(desk.pool, till.pos_id, hello.epoch)
    return Welcome(
        pos_id=till.pos_id,
        centre=till.centre,
        full=address.full,
        scopes=list(address.scopes),
        epoch=hello.epoch,
        applied_seq=progress.seq,
        content=progress.content_of(progress.seq),
        now=desk.clock.now(),
    )
