"""The switches of all tills, of a centre's, of one till."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path
from pydantic import BaseModel

from contracts.settings import Settings
from erp_node import reference
from erp_node.api.services import ErpServices
from erp_node.store.tills import find as find_till
from web.docs import problems
from web.problems import Problem
from web.sessions import SignedIn

Value = bool | int | float | str | list[str]
Level = Annotated[
    str,
    Path(max_length=120, description="all, centre.<centre> or pos.<till>", examples=["all"]),
]
Values = Annotated[
    dict[str, Value | None],
    Body(
        description="names are those of GET /tills/{pos_id}/settings; null takes the level's own value away",
        examples=[{"search_online": True, "search_deadline_s": 10}],
    ),
]


class LevelShown(BaseModel):
    """The values set at a level itself; what is not named comes from the level above."""

    level: str
    values: dict[str, Value]


def settings_router(services: ErpServices) -> APIRouter:
    """/settings/{level}, and what holds at one till."""
    router = APIRouter(tags=["settings"])
    pool, gate = services.pool, services.gate
    reader = Annotated[SignedIn, Depends(gate.needs("erp.read"))]
    writer = Annotated[SignedIn, Depends(gate.needs("erp.settings"))]

    async def shown(level: str) -> LevelShown:
        return LevelShown.model_validate(
            {"level": level, "values": await reference.settings_at(pool, level)}
        )

    @router.get("/settings/{level}", responses=problems(401, 403))
    async def get_settings(level: Level, who: reader) -> LevelShown:
        """What is set at a level."""
        return await shown(level)

    @router.put("/settings/{level}", responses=problems(401, 403))
    async def put_settings(level: Level, values: Values, who: writer) -> LevelShown:
        """Sets the switches that are named; the tills follow in a moment. All values are checked first."""
        await reference.put_settings(pool, level, values)
        services.feed.desk.callers.forget()
        return await shown(level)

    @router.get("/tills/{pos_id}/settings", responses=problems(401, 403, 404))
    async def get_till_settings(pos_id: str, who: reader) -> Settings:
        """The switches that hold at one till: its own over its centre's over everybody's."""
        till = await find_till(pool, pos_id)
        if till is None:
            raise Problem(404, "till.unknown")
        return await reference.settings_for(pool, till.centre, till.pos_id)

    return router
