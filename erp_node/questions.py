"""Tills' questions and the answers to them: who asks, whether there is still time, the envelope around."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel

from contracts import envelope, registry
from contracts.envelope import Headers, MessageError
from contracts.search import Refused
from contracts.topology import pos_of
from erp_node.callers import Callers, Till
from erp_node.store.pool import Pool
from messaging.channel import Delivery
from messaging.clock import Clock
from messaging.responder import BadRequest, Reply

LONGEST_S = 10.0
"""A question without a deadline is given up after this long."""

Q = TypeVar("Q", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Desk:
    """What every answer needs."""

    pool: Pool
    callers: Callers
    clock: Clock
    new_id: Callable[[], UUID]


@dataclass(frozen=True, slots=True)
class Question(Generic[Q]):
    """A question that may be answered: who asks, what, and how many seconds are left."""

    till: Till
    headers: Headers
    data: Q
    left_s: float


async def read_question(desk: Desk, delivery: Delivery, model: type[Q]) -> Question[Q] | None:
    """Checks who asks; None when the time to answer has passed (SEARCH-12).

    Raises BadRequest, so that the question is parked: `forged` (origin is not the sender), `sender`
    (not an active till), `malformed` and the other codes of contracts.envelope, `wrong_type`.
    """
    try:
        asked = registry.decode(delivery.body)
    except MessageError as error:
        raise BadRequest(error.code, str(error)) from None
    headers = asked.headers
    pos_id = pos_of(delivery.user_id or "")
    if pos_id is None or headers.origin != delivery.user_id:
        raise BadRequest("forged", f"origin: {headers.origin} was sent by {delivery.user_id}")
    if not isinstance(asked.data, model):
        raise BadRequest("wrong_type", f"type: {headers.type} is not asked here")
    left_s = decide_left(headers.expires_at, desk.clock.now())
    if left_s <= 0:
        return None
    till = await desk.callers.find(desk.pool, pos_id)
    if till is None:
        raise BadRequest("sender", f"user_id: {delivery.user_id} is not an active till")
    return Question(till, headers, asked.data, left_s)


def decide_left(expires_at: datetime | None, now: datetime) -> float:
    """The seconds left to answer, on the ERP's clock."""
    return LONGEST_S if expires_at is None else (expires_at - now).total_seconds()


def reply(desk: Desk, asked: Headers, data: BaseModel) -> Reply:
    """An answer in its envelope."""
    return reply_json(desk, asked, type(data), envelope.dump(data))


def reply_json(desk: Desk, asked: Headers, model: type[BaseModel], data: bytes) -> Reply:
    """An answer whose data is JSON already."""
    headers = Headers(
        id=desk.new_id(),
        type=registry.TYPE_OF[model].name,
        occurred_at=desk.clock.now(),
        origin="erp",
        causation=asked.id,
    )
    return Reply(envelope.encode(headers, data), type=headers.type)


def refuse(desk: Desk, delivery: Delivery, error: Exception) -> Reply | None:
    """What an asker is told whose question could not be answered: the code, if it can be read at all."""
    try:
        headers, _ = envelope.split(delivery.body)
    except MessageError:
        return None
    reason = error.code if isinstance(error, BadRequest) else "failed"
    return reply(desk, headers, Refused(code="question.refused", params={"reason": reason}))
