"""Logging in and out, alike at both nodes."""

import math
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from web.docs import problems
from web.passwords import LONGEST
from web.problems import Problem
from web.sessions import Account, Gate, Sessions, SignedIn

LogIn = Callable[[str, str], Awaitable[Account]]
"""Checks a name and a password. Raises `wrong_password` or `locked`."""


LONGEST_NAME = 60


class Credentials(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    password: Annotated[
        str, Field(min_length=1, max_length=LONGEST, json_schema_extra={"format": "password"})
    ]


class Person(BaseModel):
    """Who is logged in, and what they may do."""

    name: str
    rights: list[str]


class NewSession(Person):
    """Send `token` as `Authorization: Bearer <token>`; it is told this once."""

    token: str
    expires_at: datetime


def wrong_password() -> Problem:
    """The same for an unknown name, so that names cannot be found out."""
    return Problem(401, "session.wrong_password", headers={"WWW-Authenticate": "Bearer"})


def locked(remaining: timedelta) -> Problem:
    """Too many wrong passwords: 429, with the time until the next attempt is read."""
    seconds = max(1, math.ceil(remaining.total_seconds()))
    minutes = str(math.ceil(seconds / 60))
    return Problem(
        429, "session.locked", {"minutes": minutes}, headers={"Retry-After": str(seconds)}
    )


def session_router(sessions: Sessions, gate: Gate, log_in: LogIn) -> APIRouter:
    """POST /session to log in, GET to see who one is, DELETE to log out."""
    router = APIRouter(prefix="/session", tags=["session"])

    @router.post("", status_code=201, responses=problems(401, 429))
    async def open_session(credentials: Credentials) -> NewSession:
        """Logs in. A token lasts a shift; rights are looked up at every request."""
        account = await log_in(credentials.name, credentials.password)
        opened = sessions.open(account.name)
        return NewSession(
            name=account.name,
            rights=sorted(account.rights),
            token=opened.token,
            expires_at=opened.expires_at,
        )

    @router.get("", responses=problems(401))
    async def who_am_i(person: Annotated[SignedIn, Depends(gate)]) -> Person:
        """The name and rights of this session."""
        return Person(name=person.name, rights=sorted(person.account.rights))

    @router.delete("", status_code=204, responses=problems(401))
    async def close_session(person: Annotated[SignedIn, Depends(gate)]) -> None:
        """Logs out: the token is worth nothing from now on."""
        sessions.close(person.token)

    return router
