"""E-mails with the numbers of virtual cards, as the ERP's users see them (CARD-9)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from erp_node.api.services import ErpServices
from erp_node.letters import send_again
from erp_node.store import letters as store
from erp_node.store.letters import LetterStanding, LetterState
from web.docs import problems
from web.problems import Problem
from web.sessions import SignedIn


class LetterShown(BaseModel):
    """A letter and how it is. `unsure`: it may have been sent or not; `given_up`: it was not."""

    request_id: UUID
    number: Annotated[str, Field(description="of the card, in capitals")]
    customer_id: UUID
    state: LetterState
    attempts: int
    wanted_at: Annotated[datetime, Field(description="when it was asked for, or asked for again")]
    due_at: Annotated[
        datetime,
        Field(description="of a waiting one the next try; of the others, since when they are so"),
    ]
    reason: Annotated[str | None, Field(description="of the last failure")]

    @staticmethod
    def of(letter: LetterStanding) -> "LetterShown":
        return LetterShown(
            request_id=letter.request_id,
            number=letter.key,
            customer_id=letter.customer_id,
            state=letter.state,
            attempts=letter.attempts,
            wanted_at=letter.wanted_at,
            due_at=letter.due_at,
            reason=letter.reason,
        )


class LetterPage(BaseModel):
    """The longest wanted first; `next` goes into `after` for the page behind this one."""

    rows: list[LetterShown]
    next: UUID | None = None


def letters_router(services: ErpServices) -> APIRouter:
    """All below /card-letters."""
    router = APIRouter(prefix="/card-letters", tags=["loyalty cards"])
    pool, gate = services.pool, services.gate
    reader = Annotated[SignedIn, Depends(gate.needs("erp.read"))]
    writer = Annotated[SignedIn, Depends(gate.needs("erp.customers"))]

    @router.get("", responses=problems(401, 403))
    async def list_letters(
        who: reader,
        state: LetterState | None = None,
        after: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> LetterPage:
        """How far each e-mail is, and why it is no further."""
        found = await store.list_letters(pool, state, after, limit)
        behind = found[-1].request_id if len(found) == limit else None
        return LetterPage(rows=[LetterShown.of(one) for one in found], next=behind)

    @router.post("/{request_id}/send-again", responses=problems(401, 403, 404, 409))
    async def send_letter_again(request_id: UUID, who: writer) -> LetterShown:
        """Has a letter sent once more, whatever became of it before; 409 while it is being sent."""
        if await send_again(pool, request_id) == "sending":
            raise Problem(409, "letter.being_sent")
        letter = await store.find_letter(pool, request_id)
        if letter is None:
            raise Problem(404, "letter.unknown")
        return LetterShown.of(letter)

    return router
