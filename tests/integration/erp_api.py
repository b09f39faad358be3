"""The ERP's API over a database of its own, as one logged-in person sees it."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx
from argon2 import PasswordHasher, profiles

from erp_node.api.app import make_api
from erp_node.api.services import Broker, ErpServices
from erp_node.callers import Callers
from erp_node.feed import Feed
from erp_node.operators import Operators, set_user
from erp_node.pages import PageBuilder
from erp_node.questions import Desk
from erp_node.store.migrations import migrate
from erp_node.store.pool import Pool, open_pool
from messaging.channel import Channel, LinkDown
from messaging.publisher import Publisher
from web.passwords import Passwords
from web.sessions import Gate, Sessions

CHEAP = Passwords(PasswordHasher.from_parameters(profiles.CHEAPEST))
NAME, PASSWORD = "anna", "secret word"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def migrate_erp(dsn: str) -> None:
    """Brings an empty database to the newest schema (tests.databases.Migrate)."""
    await migrate(dsn)


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def pass_by(self, time: timedelta) -> None:
        self.at += time


class Api:
    """The API and what is under it."""

    def __init__(self, http: httpx.AsyncClient, pool: Pool, time: Time) -> None:
        self.http = http
        self.pool = pool
        self.time = time

    async def send(
        self, method: str, path: str, body: object = None, *, status: int = 200, **headers: str
    ) -> Any:
        """One request whose status is as expected; its JSON."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = {} if body is None else {"json": body}
        answer = await self.http.request(method, path, headers=named, **content)  # type: ignore[arg-type]
        assert answer.status_code == status, f"{answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def get(self, path: str, *, status: int = 200, **params: object) -> Any:
        answer = await self.http.get(path, params=params)  # type: ignore[arg-type]
        assert answer.status_code == status, f"{answer.status_code} {answer.text}"
        return answer.json()

    async def log_in(self, rights: Iterable[str] | None = None) -> None:
        """Becomes somebody with these rights; None: all of them."""
        await set_user(self.pool, CHEAP, NAME, PASSWORD, rights)
        self.http.headers.pop("Authorization", None)
        body = {"name": NAME, "password": PASSWORD}
        session = await self.send("POST", "/session", body, status=201)
        self.http.headers["Authorization"] = f"Bearer {session['token']}"


class _NoChannel(AbstractAsyncContextManager[Channel]):
    async def __aenter__(self) -> Channel:
        raise LinkDown("no broker in this test")

    async def __aexit__(self, *error: object) -> None:
        return None


def till_url(user: str, password: str) -> str:
    """An address no till connects to."""
    return f"amqp://{user}:{password}@broker/comptoir"


def no_broker() -> Broker:
    """A broker that is away and has no administration."""
    return Broker(channel=_NoChannel, publisher=Publisher(), links=dict, till_url=till_url)


@asynccontextmanager
async def erp_api(dsn: str, broker: Broker | None = None) -> AsyncIterator[Api]:
    """The API over a migrated database; somebody with every right is logged in."""
    time = Time()
    pool = await open_pool(dsn, max_size=6)
    operators = Operators(pool, CHEAP, time.now)
    sessions = Sessions(time.now)
    desk = Desk(pool, Callers(monotonic), time, uuid4)
    services = ErpServices(
        pool=pool,
        feed=Feed(desk, PageBuilder(pool, time, uuid4), monotonic),
        clock=time,
        operators=operators,
        passwords=CHEAP,
        sessions=sessions,
        gate=Gate(sessions, operators.find),
        broker=broker or no_broker(),
        new_id=uuid4,
    )
    transport = httpx.ASGITransport(make_api(services, "1"))
    async with httpx.AsyncClient(transport=transport, base_url="http://erp/api/v1") as http:
        api = Api(http, pool, time)
        await api.log_in()
        yield api
    await pool.close()
