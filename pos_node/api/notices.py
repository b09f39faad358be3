"""What became of changes made here: renamed codes, values that did not stand, refusals (CUST-4, CUST-13)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from contracts.texts import Language
from pos_node.api.models import NoticeShown
from pos_node.api.till import Till
from pos_node.refusal import Refusal
from pos_node.store.database import Priority
from pos_node.store.notices import Notice, mark_seen, read_notices
from web.docs import problems
from web.language import language_of
from web.problems import show
from web.sessions import SignedIn


def notices_router(till: Till) -> APIRouter:
    """GET /notices and POST /notices/{id}/seen."""
    router = APIRouter(prefix="/notices", tags=["notices"])
    person = Annotated[SignedIn, Depends(till.gate)]

    @router.get("", responses=problems(401))
    async def list_notices(
        who: person,
        request: Request,
        unseen_only: bool = True,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[NoticeShown]:
        """The newest first; those marked as seen only when asked for."""
        notices = await till.store.read(read_notices, unseen_only, limit)
        return [_shown(one, language_of(request)) for one in notices]

    @router.post("/{notice_id}/seen", status_code=204, responses=problems(401, 404))
    async def mark_notice_seen(
        notice_id: Annotated[int, Path(ge=0, lt=2**63)], who: person
    ) -> None:
        """The operator has read it."""
        if not await till.store.write(mark_seen, notice_id, priority=Priority.CASHIER):
            raise Refusal("notice.unknown")

    return router


def _shown(notice: Notice, language: Language) -> NoticeShown:
    return NoticeShown(
        **show(notice.code, notice.params, language).model_dump(),
        id=notice.id,
        at=notice.at,
        customer_id=notice.customer_id,
        lost=list(notice.lost),
        seen=notice.seen,
    )
