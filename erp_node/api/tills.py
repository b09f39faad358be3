"""The tills: who is enrolled, who is there, how far each is."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from contracts.customers import Code
from contracts.topology import POS_ID
from erp_node import tills
from erp_node.api.services import ErpServices
from erp_node.tills import TillStanding
from messaging.admin import Administers
from web.docs import problems
from web.problems import Problem
from web.sessions import SignedIn

Mode = Literal["full", "local_only"]


class ScopeShown(BaseModel):
    """One feed of a till: how far it has applied it, how far there is to go."""

    scope: str
    cursor: int
    head: int
    behind: int


class TillShown(BaseModel):
    """A till as it was last heard (SYNC-7). `waiting`: its changes that are not applied here yet."""

    pos_id: str
    centre: str
    mode: Mode
    online: bool
    seen_at: datetime | None
    software: str | None
    waiting: int
    oldest_waiting_at: datetime | None
    oldest_waiting_s: float | None
    behind: Annotated[int, Field(description="rows, over all its feeds")]
    scopes: list[ScopeShown]
    twice: Annotated[bool, Field(description="two tills run under this one enrolment")]


class Tills(BaseModel):
    rows: list[TillShown]


class NewTill(BaseModel):
    """A till to be enrolled, or enrolled again: it then has a new password, centre and mode."""

    model_config = ConfigDict(extra="forbid")

    pos_id: Annotated[str, Field(pattern=POS_ID, examples=["lyon-2"])]
    centre: Annotated[Code, Field(examples=["lyon"])]
    mode: Mode = "full"


class EnrolmentShown(BaseModel):
    """What the till starts from. `amqp_url` and `file` hold its password, which is told this once."""

    pos_id: str
    centre: str
    mode: Mode
    amqp_url: str
    file: Annotated[str, Field(description="the text of its enrolment file (TOML)")]


def tills_router(services: ErpServices) -> APIRouter:
    """All below /tills."""
    router = APIRouter(prefix="/tills", tags=["tills"])
    pool, gate, broker = services.pool, services.gate, services.broker
    reader = Annotated[SignedIn, Depends(gate.needs("erp.read"))]
    writer = Annotated[SignedIn, Depends(gate.needs("erp.tills"))]

    @router.get("", responses=problems(401, 403))
    async def list_tills(who: reader) -> Tills:
        """Every enrolled till: whether it is there, how far behind, what waits in its journal."""
        now = services.clock.now()
        return Tills(rows=[_shown(one, now) for one in await tills.list_standings(pool)])

    @router.get("/{pos_id}", responses=problems(401, 403, 404))
    async def get_till(pos_id: str, who: reader) -> TillShown:
        """One till."""
        for one in await tills.list_standings(pool):
            if one.pos_id == pos_id:
                return _shown(one, services.clock.now())
        raise Problem(404, "till.unknown")

    @router.post("", status_code=201, responses=problems(401, 403, 409, 503))
    async def enrol_till(new: NewTill, who: writer) -> EnrolmentShown:
        """Enrols a till: its own broker user, rights and queues. 409 without the broker's administration.

        A till that is enrolled already has a new password then: it is let in no more until it starts from the new file.
        """
        admin = _administration(broker.admin)
        async with broker.channel() as channel:
            made = await tills.enrol_till(pool, admin, channel, new.pos_id, new.centre, new.mode)
        url = broker.till_url(made.user, made.password)
        return EnrolmentShown(
            pos_id=made.pos_id,
            centre=made.centre,
            mode=made.mode,
            amqp_url=url,
            file=made.file(url),
        )

    @router.delete("/{pos_id}", status_code=204, responses=problems(401, 403, 404, 409, 503))
    async def retire_till(pos_id: str, who: writer) -> None:
        """Takes a till's broker user and queues away; what it held stays with it."""
        admin = _administration(broker.admin)
        async with broker.channel() as channel:
            await tills.retire_till(pool, admin, channel, pos_id)
        services.feed.desk.callers.forget()

    return router


def _administration(admin: Administers | None) -> Administers:
    if admin is None:
        raise Problem(409, "till.no_administration")
    return admin


def _shown(till: TillStanding, now: datetime) -> TillShown:
    oldest = till.oldest_waiting_at
    return TillShown(
        pos_id=till.pos_id,
        centre=till.centre,
        mode=till.mode,
        online=till.online,
        seen_at=till.seen_at,
        software=till.software,
        waiting=till.waiting,
        oldest_waiting_at=oldest,
        oldest_waiting_s=max(0.0, (now - oldest).total_seconds()) if oldest else None,
        behind=till.behind,
        scopes=[
            ScopeShown(scope=one.scope, cursor=one.cursor, head=one.head, behind=one.behind)
            for one in till.scopes
        ],
        twice=till.twice,
    )
