"""One log line per request, without personal data; and the last catch of what nobody expected."""

import re
import traceback
from collections.abc import Callable
from time import perf_counter
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.language import language_of
from web.problems import Problem, problem_response

REQUEST_ID = "X-Request-Id"

_log = structlog.get_logger("web")
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


class AccessLog:
    """Gives each request an id (the client's, if it has one), logs method, route, status and milliseconds.

    The route is the pattern (`/customers/{id}`), never the path or query: those name people. An
    exception that no handler took becomes 500 server.failed; the log names its type and place, not
    its text, which may quote a row.
    """

    def __init__(self, app: ASGIApp, new_id: Callable[[], str] = lambda: uuid4().hex) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = asked if _ID.fullmatch(asked) else self._new_id()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._answer(scope, receive, _Answer(send, request_id))

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        started = perf_counter()
        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            _log.error("request failed", action="request_failed", error=place_of(error))
            if answer.status is not None:
                raise
            response = problem_response(
                Problem(500, "server.failed"), language_of(HTTPConnection(scope))
            )
            await response(scope, receive, answer)
        finally:
            _log.info(
                "request",
                action="request",
                method=scope["method"],
                route=getattr(scope.get("route"), "path", None),
                status=answer.status,
                ms=round((perf_counter() - started) * 1000, 1),
            )


class _Answer:
    """The way back to the client, remembering the status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID] = self._request_id
        await self._send(message)


def place_of(error: BaseException) -> str:
    """An exception's type and the lines it came through, without any value."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    lines = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return " | ".join([type(error).__qualname__, *lines])
