"""Both HTTP APIs as the story, the measurements and the tests use them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

import httpx

Json = dict[str, Any]
T = TypeVar("T")

POLL_S = 0.02
_LIMITS = httpx.Limits(keepalive_expiry=2.0)
"""A connection that is idle is given up here before the node gives it up, which it may do while a request is sent."""


class Refused(Exception):
    """The API answered with a problem."""

    def __init__(self, status: int, problem: Json) -> None:
        self.status = status
        self.code: str = problem.get("code", "")
        self.problem = problem
        super().__init__(
            f"{status} {self.code} {problem.get('text', '')} {problem.get('fields', '')}"
        )


class NotSeen(Exception):
    """What was waited for did not come in time; the text says what was seen last."""


class Client:
    """One logged-in person at one node."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=30, limits=_LIMITS)

    async def log_in(self, name: str, password: str) -> Self:
        answer = await self.send("POST", "/session", json={"name": name, "password": password})
        self.http.headers["Authorization"] = f"Bearer {answer['token']}"
        return self

    async def send(self, method: str, path: str, **given: Any) -> Any:
        """One request; its JSON. Raises Refused."""
        answer = await self.http.request(method, path, **given)
        if answer.status_code >= 400:
            raise Refused(answer.status_code, _problem(answer))
        return answer.json() if answer.content else None

    async def get(self, path: str, **params: Any) -> Any:
        return await self.send(
            "GET", path, params={k: v for k, v in params.items() if v is not None}
        )

    async def status(self) -> Json:
        """How a till is; needs no log-in."""
        found: Json = await self.get("/status")
        return found

    async def close(self) -> None:
        await self.http.aclose()


async def until(
    look: Callable[[], Awaitable[T]],
    enough: Callable[[T], object],
    what: str,
    timeout: float = 30.0,
    *,
    every: float = POLL_S,
) -> T:
    """Looks again and again until it is enough, with `every` seconds between two looks.

    Raises NotSeen, saying what was there last.
    """
    seen: T | None = None
    try:
        async with asyncio.timeout(timeout):
            while True:
                seen = await look()
                if enough(seen):
                    return seen
                await asyncio.sleep(every)
    except TimeoutError:
        raise NotSeen(f"{what}: not within {timeout:g} s; last seen: {str(seen)[:600]}") from None


def _problem(answer: httpx.Response) -> Json:
    try:
        found: Json = answer.json()
    except ValueError:
        return {"text": answer.text[:200]}
    return found
