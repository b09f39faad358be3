"""Messages that could not be handled: what they are, and putting them back or away."""

from contextlib import suppress
from typing import Annotated

import structlog
import zstandard
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from erp_node.api.services import ErpServices
from erp_node.dead import is_used_up
from messaging import dead
from messaging.channel import Channel, NotAllowed, Returned
from messaging.dead import DeadLetter
from web.docs import problems
from web.problems import Problem
from web.sessions import SignedIn

log = structlog.get_logger("erp.api")

_PAGE = 500
_BODY_BYTES = 1024 * 1024


class DeadShown(BaseModel):
    """One dead letter. `code` and `reason` say why; `queue` where it was read, `sender` who sent it."""

    id: str
    code: str
    reason: str
    queue: str
    exchange: str
    key: str
    sender: str | None
    at: str
    size: int
    complete: Annotated[bool, Field(description="false: too large to be kept whole")]


class DeadWhole(DeadShown):
    """A dead letter with its body as text; what is not UTF-8 is replaced."""

    body: str


class DeadPage(BaseModel):
    """The oldest first. They stay where they are."""

    rows: list[DeadShown]


def dead_router(services: ErpServices) -> APIRouter:
    """All below /dead."""
    router = APIRouter(prefix="/dead", tags=["dead"])
    gate, broker = services.gate, services.broker
    person = Annotated[SignedIn, Depends(gate.needs("erp.dead"))]

    @router.get("", responses=problems(401, 403, 503))
    async def list_dead(
        who: person, limit: Annotated[int, Query(ge=1, le=_PAGE)] = 100
    ) -> DeadPage:
        """Why each could not be handled, where, from whom and when. Bodies name people: one at a time."""
        async with broker.channel() as channel:
            letters = await dead.peek(channel, limit)
        return DeadPage(rows=[DeadShown(**_fields(one)) for one in letters])

    @router.get("/{dead_id}", responses=problems(401, 403, 404, 503))
    async def get_dead(dead_id: str, who: person) -> DeadWhole:
        """One dead letter with its body."""
        async with broker.channel() as channel:
            letter = await _find(channel, dead_id)
        return DeadWhole(**_fields(letter), body=_text(letter))

    @router.delete("/{dead_id}", status_code=204, responses=problems(401, 403, 404, 503))
    async def remove_dead(dead_id: str, who: person) -> None:
        """Puts a dead letter away for good."""
        async with broker.channel() as channel:
            if not await dead.remove(channel, dead_id):
                raise Problem(404, "dead.unknown")
        log.warning("dead letter removed", action="dead.removed", id=dead_id, user=who.name)

    @router.post(
        "/{dead_id}/reinject", status_code=204, responses=problems(401, 403, 404, 409, 503)
    )
    async def reinject_dead(dead_id: str, who: person) -> None:
        """Publishes it once more where it came from, as its sender's, and takes it away from here.

        A journal entry whose number is used up stays (409): the ERP would take it for a repetition.
        """
        await _reinject(services, dead_id)

    return router


async def _reinject(services: ErpServices, dead_id: str) -> None:
    broker = services.broker
    try:
        async with broker.channel() as channel:
            if await is_used_up(services.pool, await _find(channel, dead_id)):
                raise Problem(409, "dead.number_used")
            done = await dead.reinject(channel, broker.publisher, dead_id)
    except ValueError:
        raise Problem(409, "dead.incomplete") from None
    except Returned:
        raise Problem(409, "dead.no_queue") from None
    except NotAllowed:
        raise Problem(409, "dead.not_allowed") from None
    if not done:
        raise Problem(404, "dead.unknown")


async def _find(channel: Channel, dead_id: str) -> DeadLetter:
    letter = await dead.find(channel, dead_id)
    if letter is None:
        raise Problem(404, "dead.unknown")
    return letter


def _fields(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "code": letter.code,
        "reason": letter.text,
        "queue": letter.queue,
        "exchange": letter.exchange,
        "key": letter.key,
        "sender": letter.user_id,
        "at": letter.time,
        "size": letter.size,
        "complete": letter.complete,
    }


def _text(letter: DeadLetter) -> str:
    body = letter.body
    if letter.content_encoding == "zstd":
        with suppress(zstandard.ZstdError):
            body = zstandard.ZstdDecompressor().decompress(body, max_output_size=_BODY_BYTES)
    return body.decode(errors="replace")
