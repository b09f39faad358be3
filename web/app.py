"""The application of one node's HTTP API: the same errors, limits, log and pages at both ends."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from web.access import AccessLog
from web.docs import PAGES, add_docs, problems
from web.headers import SafeHeaders
from web.health import Checks, health_router
from web.language import language_of
from web.limits import MAX_BODY, Limits
from web.problems import Problem, answer_problem, problem_response
from web.validation import answer_invalid

PREFIX = "/api/v1"

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_NO_CHECKS: Checks = MappingProxyType({})
_NO_LARGER: Mapping[str, int] = MappingProxyType({})


def create_app(
    *,
    title: str,
    version: str,
    routers: Sequence[APIRouter],
    description: str = "",
    checks: Checks = _NO_CHECKS,
    lifespan: Lifespan | None = None,
    max_body: int = MAX_BODY,
    larger_bodies: Mapping[str, int] = _NO_LARGER,
) -> FastAPI:
    """Makes the application with `routers` under /api/v1, /healthz, /readyz, /docs (where / leads) and /redoc.

    Every error is a ProblemShown. `checks` decide /readyz; `larger_bodies` are limits in bytes of
    paths (by their beginning) that take more than `max_body`.
    """
    app = FastAPI(
        title=title,
        version=version,
        description=description,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        middleware=[
            Middleware(SafeHeaders, pages=PAGES),
            Middleware(AccessLog),
            Middleware(Limits, max_body=max_body, larger=larger_bodies),
        ],
        exception_handlers={
            Problem: answer_problem,
            RequestValidationError: answer_invalid,
            HTTPException: answer_http_error,
        },
        generate_unique_id_function=lambda route: route.name,
        # The framework's own traces and logs quote what was wrong with a request: people's data.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    for router in routers:
        app.include_router(router, prefix=PREFIX, responses=problems(400, 413, 415, 422, 500))
    app.include_router(health_router(checks))
    add_docs(app)
    return app


async def answer_http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself: no such path, wrong method, a body that cannot be read."""
    assert isinstance(error, HTTPException)
    return problem_response(_of_http_error(error), language_of(request))


def _of_http_error(error: HTTPException) -> Problem:
    match error.__cause__:
        case Problem() as problem:
            return problem
        case UnicodeDecodeError():
            return Problem(400, "request.not_utf8")
    codes = {404: "request.no_such_path", 405: "request.no_such_method", 400: "request.not_json"}
    code = codes.get(error.status_code, "request.refused")
    return Problem(error.status_code, code, headers=error.headers or {})
