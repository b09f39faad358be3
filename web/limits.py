"""What a request may not contain, whatever its route: too many bytes, and the sign NUL."""

from collections.abc import Iterable, Mapping

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.language import language_of
from web.nul import fields_with_nul, has_nul, params_with_nul
from web.problems import FieldProblem, Problem, problem_response

MAX_BODY = 1024 * 1024
"""Bytes of a request's body, where no route says otherwise."""

_NAMED_AT_MOST = 50


class Limits:
    """Refuses bodies that are too large (413) and the sign NUL (400): PostgreSQL stores none in a text.

    `larger` gives some paths a limit of their own, by the beginning of the path.
    """

    def __init__(
        self, app: ASGIApp, max_body: int = MAX_BODY, larger: Mapping[str, int] | None = None
    ) -> None:
        self._app = app
        self._max_body = max_body
        self._larger = dict(larger or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            limit = self._limit_of(scope["path"])
            _check_start(scope, limit)
            await self._app(scope, _Checked(receive, limit), send)
        except Problem as problem:
            response = problem_response(problem, language_of(HTTPConnection(scope)))
            await response(scope, receive, send)

    def _limit_of(self, path: str) -> int:
        fitting = [size for start, size in self._larger.items() if path.startswith(start)]
        return max(fitting, default=self._max_body)


class _Checked:
    """A request's body, looked at while it is read."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._seen = 0
        self._read: list[bytes] = []

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._check(message.get("body", b""), more=message.get("more_body", False))
        return message

    def _check(self, chunk: bytes, *, more: bool) -> None:
        """NUL is looked for in the whole body: an escape may lie in two pieces, and its fields are named."""
        self._seen += len(chunk)
        if self._seen > self._limit:
            raise _too_large(self._limit)
        self._read.append(chunk)
        if more:
            return
        body = b"".join(self._read)
        if has_nul(body):
            raise _nul(fields_with_nul(body))


def _check_start(scope: Scope, limit: int) -> None:
    length = Headers(scope=scope).get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise _nul(params_with_nul(scope["query_string"]))


def _nul(names: Iterable[str]) -> Problem:
    fields = [FieldProblem(name, "request.nul") for name in names]
    return Problem(400, "request.nul", fields=fields[:_NAMED_AT_MOST])


def _too_large(limit: int) -> Problem:
    """The connection ends with the answer, as the rest of the body is not read."""
    return Problem(413, "request.too_large", {"limit": str(limit)}, headers={"Connection": "close"})
