"""Who is logged in: bearer tokens, of which only the hash is kept, in memory."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from web.problems import Problem

LIFETIME = timedelta(hours=12)
"""A shift. A session does not grow with use: a forgotten one ends."""

AT_MOST = 10_000
"""Sessions kept; one more and the oldest ends."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who somebody is and what they may do now: an operator of a till, a user of the ERP."""

    name: str
    rights: frozenset[str]


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session: the token is told once and kept nowhere."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Session:
    name: str
    expires_at: datetime


class Sessions:
    """The open sessions of one node. They end with the process."""

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        lifetime: timedelta = LIFETIME,
        at_most: int = AT_MOST,
        new_token: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self._now = now
        self._lifetime = lifetime
        self._at_most = at_most
        self._new_token = new_token
        self._open: dict[bytes, _Session] = {}

    def open(self, name: str) -> Opened:
        """Begins a session of a person whose password was right."""
        now = self._now()
        self._open = {
            key: one for key, one in self._open.items() if _lasts(one, now, self._lifetime)
        }
        while len(self._open) >= self._at_most:
            del self._open[next(iter(self._open))]
        token, expires_at = self._new_token(), now + self._lifetime
        self._open[_key(token)] = _Session(name, expires_at)
        return Opened(token, expires_at)

    def name_of(self, token: str) -> str | None:
        """Whose session this is, or None when there is none (any more)."""
        session = self._open.get(_key(token))
        if session is None or not _lasts(session, self._now(), self._lifetime):
            return None
        return session.name

    def close(self, token: str) -> None:
        """Ends a session; one that is not there is ended already."""
        self._open.pop(_key(token), None)


FindAccount = Callable[[str], Awaitable[Account | None]]
"""The account of this name as it is now; None when it is gone or not active."""

_bearer = HTTPBearer(auto_error=False, description="the token of POST /api/v1/session")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The person behind a request, with the rights they have at this moment."""

    account: Account
    token: str

    @property
    def name(self) -> str:
        return self.account.name

    def may(self, right: str) -> bool:
        return right in self.account.rights


class Gate:
    """FastAPI dependencies: `Depends(gate)` for anybody logged in, `Depends(gate.needs(right))`."""

    def __init__(self, sessions: Sessions, find: FindAccount) -> None:
        self._sessions = sessions
        self._find = find

    async def __call__(
        self, credentials: HTTPAuthorizationCredentials | None = Security(_bearer)
    ) -> SignedIn:
        """Raises Problem 401 session.required. Rights are read anew: a right taken away is gone at once."""
        name = self._sessions.name_of(credentials.credentials) if credentials else None
        account = await self._find(name) if name is not None else None
        if credentials is None or account is None:
            raise Problem(401, "session.required", headers={"WWW-Authenticate": "Bearer"})
        return SignedIn(account, credentials.credentials)

    def needs(self, right: str) -> Callable[..., Awaitable[SignedIn]]:
        """A dependency that also raises Problem 403 right.missing without this right."""

        async def gate_with_right(
            credentials: HTTPAuthorizationCredentials | None = Security(_bearer),
        ) -> SignedIn:
            person = await self(credentials)
            if not person.may(right):
                raise Problem(403, "right.missing", {"right": right})
            return person

        return gate_with_right


def _lasts(session: _Session, now: datetime, lifetime: timedelta) -> bool:
    """A clock set back must not make a session longer than its lifetime."""
    return now < session.expires_at <= now + lifetime


def _key(token: str) -> bytes:
    return sha256(token.encode(errors="replace")).digest()
