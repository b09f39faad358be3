"""Whether a node runs, and whether it can do its work: for process supervisors and load balancers."""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse

Checks = Mapping[str, Callable[[], Awaitable[bool]]]
"""What must be there for the node to work, by name. A check answers quickly and raises nothing."""


class Health(BaseModel):
    status: str


class Readiness(BaseModel):
    """`ready` when every part is."""

    ready: bool
    parts: dict[str, bool]


def health_router(checks: Checks) -> APIRouter:
    """/healthz: the process answers. /readyz: 200 when every part is there, else 503."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def is_alive() -> Health:
        return Health(status="ok")

    @router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
    async def is_ready() -> JSONResponse:
        parts = {name: await check() for name, check in checks.items()}
        found = Readiness(ready=all(parts.values()), parts=parts)
        return JSONResponse(found.model_dump(), 200 if found.ready else 503)

    return router
