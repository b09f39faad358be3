"""How the node is: feeds and their digests, what waits, the connections (SYNC-6, SYNC-7)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from contracts.feed import Digest
from erp_node import tills
from erp_node.api.services import ErpServices
from erp_node.backlog import read_backlog
from erp_node.store import feed as store
from erp_node.store.feed import Trouble
from erp_node.tills import TillStanding
from messaging.connection import LinkState
from web.docs import problems
from web.forms import SCOPE
from web.sessions import SignedIn

COUNTED_MARKS = 100_000
"""More changes than this are not counted one by one."""

Scope = Annotated[
    str,
    Path(
        max_length=120,
        pattern=SCOPE,
        examples=["all.customers", "centre.lyon.customers"],
    ),
]


class FeedShown(BaseModel):
    """One numbered feed and its newest number."""

    scope: str
    head: int


class RoleShown(BaseModel):
    """Something that works over a connection."""

    name: str
    attached: bool
    reason: str


class LinkShown(BaseModel):
    """One connection to the broker: whether it is up, since when, and why not."""

    name: str
    up: bool
    since: datetime
    reason: str
    roles: list[RoleShown]


class TillsShown(BaseModel):
    """All tills together; GET /tills shows each."""

    enrolled: int
    online: int
    behind: Annotated[int, Field(description="rows, over all tills and feeds")]
    waiting: Annotated[int, Field(description="changes made at tills that are not here yet")]


class JournalShown(BaseModel):
    """Entries that came from tills and are not applied yet, in one partition."""

    partition: int
    waiting: Annotated[int | None, Field(description="null: nobody counts them")]


class TroubleShown(BaseModel):
    """A customer that cannot be sent to tills until somebody mends it."""

    customer_id: UUID
    version: int
    reason: str
    at: datetime | None


class StatusShown(BaseModel):
    """`marks_waiting`: changes that are not numbered yet, `words_waiting`: those whose words are not made yet, both
    counted up to 100,000. `journals` and `dead_letters` are the broker's counts: null without its management API."""

    now: datetime
    epoch: str | None
    feeds: list[FeedShown]
    marks_waiting: int
    words_waiting: int
    journals: list[JournalShown]
    dead_letters: int | None
    tills: TillsShown
    links: list[LinkShown]
    troubles: list[TroubleShown]


def status_router(services: ErpServices) -> APIRouter:
    """GET /status and GET /scopes/{scope}/digest."""
    router = APIRouter(tags=["status"])
    pool, gate = services.pool, services.gate
    reader = Annotated[SignedIn, Depends(gate.needs("erp.read"))]

    @router.get("/status", responses=problems(401, 403))
    async def read_status(who: reader) -> StatusShown:
        """The feeds' heads, changes still to be numbered, how far the tills are, the connections."""
        heads = await store.read_heads(pool)
        async with pool.acquire() as connection:
            marks = await store.count_marks(connection, COUNTED_MARKS)
            words = await store.count_unworded(connection, COUNTED_MARKS)
        backlog = await read_backlog(services.broker.admin)
        return StatusShown(
            now=services.clock.now(),
            epoch=next((one.epoch for one in heads.values()), None),
            feeds=[FeedShown(scope=scope, head=heads[scope].head) for scope in sorted(heads)],
            marks_waiting=marks,
            words_waiting=words,
            journals=[
                JournalShown(partition=number, waiting=one.messages)
                for number, one in enumerate(backlog.journals)
            ],
            dead_letters=backlog.dead.messages,
            tills=_tills(await tills.list_standings(pool)),
            links=[_link(name, one) for name, one in services.broker.links().items()],
            troubles=[_trouble(one) for one in await store.list_troubles(pool)],
        )

    @router.get("/scopes/{scope}/digest", responses=problems(401, 403))
    async def read_digest(scope: Scope, who: reader) -> Digest:
        """The hashes of a feed's rows, per bucket; equal to the till's when both hold the same (SYNC-6)."""
        return await services.feed.digest(scope)

    return router


def _tills(standings: list[TillStanding]) -> TillsShown:
    return TillsShown(
        enrolled=len(standings),
        online=sum(one.online for one in standings),
        behind=sum(one.behind for one in standings),
        waiting=sum(one.waiting for one in standings),
    )


def _link(name: str, state: LinkState) -> LinkShown:
    roles = [
        RoleShown(name=one.name, attached=one.attached, reason=one.reason) for one in state.roles
    ]
    return LinkShown(name=name, up=state.up, since=state.since, reason=state.reason, roles=roles)


def _trouble(trouble: Trouble) -> TroubleShown:
    return TroubleShown(
        customer_id=trouble.customer_id,
        version=trouble.version,
        reason=trouble.reason,
        at=trouble.at,
    )
