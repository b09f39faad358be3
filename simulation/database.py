"""A simulated process's connections to the real database: asyncpg's methods, and what may go wrong with them."""

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from typing import Any, Literal

import asyncpg

from erp_node.store import tills as till_rows
from simulation.clock import BEGAN
from simulation.server import Real, Server, Use

Failure = Literal["before", "after"]
"""When a connection is lost: before the statement took effect, or after, its answer being lost."""

Ring = Callable[..., None]

TOLD_EVERY_S = 5

HEAR = till_rows.SQL["hear"]
"""A till's sign of life: written often, read by nobody but people."""


class Bells:
    """Who listens for NOTIFY. `deaf`: so many rings are lost."""

    def __init__(self) -> None:
        self._listening: list[tuple[SimulatedConnection, Ring]] = []
        self.deaf = 0

    def add(self, connection: "SimulatedConnection", ring: Ring) -> None:
        self._listening.append((connection, ring))

    def remove(self, connection: "SimulatedConnection") -> None:
        self._listening[:] = [one for one in self._listening if one[0] is not connection]

    def ring(self) -> None:
        if self.deaf > 0:
            self.deaf -= 1
            return
        for _, ring in tuple(self._listening):
            ring()


class SimulatedPool:
    """asyncpg.Pool as far as the ERP uses it. `failing`: how its next writing statements fail."""

    def __init__(self, server: Server, bells: Bells, use: Use, rng: random.Random) -> None:
        self.server = server
        self.bells = bells
        self.use = use
        self.rng = rng
        self.lent: list[SimulatedConnection] = []
        self.closed = False
        self.failing: list[Failure] = []
        self.on_statement: Callable[[str], None] = lambda query: None
        """Called before every statement: where a process may be killed."""

    @asynccontextmanager
    async def acquire(self) -> AsyncGenerator["SimulatedConnection", None]:
        self._check()
        connection = SimulatedConnection(self, self.server.take(self.use))
        self.lent.append(connection)
        try:
            yield connection
        finally:
            connection.lose()

    async def fetch(self, query: str, *arguments: object, timeout: float | None = None) -> Any:
        return await self._ask("fetch", query, arguments)

    async def fetchrow(self, query: str, *arguments: object, timeout: float | None = None) -> Any:
        return await self._ask("fetchrow", query, arguments)

    async def fetchval(self, query: str, *arguments: object, timeout: float | None = None) -> Any:
        return await self._ask("fetchval", query, arguments)

    async def execute(self, query: str, *arguments: object) -> Any:
        async with self.acquire() as one:
            return await one.execute(query, *arguments)

    async def _ask(self, method: str, query: str, arguments: tuple[object, ...]) -> Any:
        """A statement by itself. One that only reads is not put again while nothing was written."""
        if writes(query) or "renewed_at" in query:
            async with self.acquire() as one:
                return await getattr(one, method)(query, *arguments)
        key = (self.use, method, query, *map(repr, arguments))
        if key in self.server.known:
            self._check()
            await take_a_moment(self.rng)
            self._check()
            self.on_statement(query)
            if key in self.server.known:
                return self.server.known[key]
        async with self.acquire() as one:
            result = await getattr(one, method)(query, *arguments)
        self.server.known[key] = result
        return result

    def lose_all(self) -> None:
        """Every connection ends, as when the server restarts."""
        for connection in tuple(self.lent):
            connection.lose()

    def end(self) -> None:
        """The process is gone."""
        self.closed = True
        self.lose_all()

    def _check(self) -> None:
        if self.closed:
            raise asyncpg.InterfaceError("pool is closed")


class SimulatedConnection:
    """asyncpg.Connection as far as the ERP uses it."""

    def __init__(self, pool: SimulatedPool, real: Real) -> None:
        self._pool = pool
        self._real: Real | None = real
        self._transacting = False
        self._others_wait = False

    async def fetch(self, query: str, *arguments: object, timeout: float | None = None) -> Any:
        return await self._do(query, lambda one: one.fetch(query, *arguments))

    async def fetchrow(self, query: str, *arguments: object, timeout: float | None = None) -> Any:
        return await self._do(query, lambda one: one.fetchrow(query, *arguments))

    async def fetchval(self, query: str, *arguments: object, timeout: float | None = None) -> Any:
        return await self._do(query, lambda one: one.fetchval(query, *arguments))

    async def execute(self, query: str, *arguments: object) -> Any:
        return await self._do(query, lambda one: one.execute(query, *arguments))

    @asynccontextmanager
    async def transaction(
        self, *, isolation: str | None = None, readonly: bool = False
    ) -> AsyncGenerator[None, None]:
        if self._transacting:
            raise AssertionError("one transaction within another")
        if readonly and isolation:
            async with self._at_one_moment():
                yield
            return
        await self.execute("BEGIN")
        self._transacting = True
        try:
            yield
        except BaseException:
            self._transacting = False
            if self._real is not None:
                self._pool.server.bridge.ask(self._real.connection.execute("ROLLBACK"))
                self._real.forget()
            raise
        self._transacting = False
        await self.execute("COMMIT")

    @asynccontextmanager
    async def _at_one_moment(self) -> AsyncGenerator[None, None]:
        """Who sees nothing but one moment of the database cannot tell whether the others stand still meanwhile: so
        they do, and nothing has to be begun."""
        await take_a_moment(self._pool.rng)
        self._pool.on_statement("BEGIN")
        self._need()
        self._others_wait = True
        try:
            yield
        finally:
            self._others_wait = False

    async def add_listener(self, channel: str, ring: Ring) -> None:
        self._need()
        self._pool.bells.add(self, ring)

    async def remove_listener(self, channel: str, ring: Ring) -> None:
        self._pool.bells.remove(self)

    def is_closed(self) -> bool:
        return self._real is None

    def lose(self) -> None:
        """It ends; what was not committed is rolled back."""
        real, self._real = self._real, None
        if real is not None:
            self._pool.lent.remove(self)
            self._pool.bells.remove(self)
            self._pool.server.give_back(real)

    async def _do(self, query: str, work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        pool = self._pool
        self._need()
        if not self._others_wait:
            await take_a_moment(pool.rng)
        real = self._need()
        pool.on_statement(query)
        fails = pool.failing.pop(0) if pool.failing and writes(query) else None
        if fails == "before":
            raise self._lost()
        _tell_time(pool.server, real, query)
        result = pool.server.bridge.ask(work(real.connection))
        if writes(query) and query != HEAR:
            pool.server.known.clear()
        if real.rang and not self._transacting:
            real.rang = False
            pool.bells.ring()
        if fails == "after":
            raise self._lost()
        return result

    def _need(self) -> Real:
        if self._real is None:
            raise asyncpg.InterfaceError("connection is closed")
        return self._real

    def _lost(self) -> asyncpg.PostgresError:
        self.lose()
        return asyncpg.ConnectionDoesNotExistError(
            "connection was closed in the middle of operation"
        )


async def take_a_moment(rng: random.Random) -> None:
    """Others may act between two statements; sometimes many do."""
    drawn = rng.random()
    if drawn < 0.9:
        await asyncio.sleep(0)
    else:
        await asyncio.sleep((drawn - 0.9) / 2)


_COMMENT = re.compile(r"\A(\s*--[^\n]*\n)+")


@cache
def writes(query: str) -> bool:
    """Whether a statement may change anything. Reading ones begin with SELECT here."""
    text = _COMMENT.sub("", query).lstrip()
    return text == "COMMIT" or not text.startswith(("SELECT", "BEGIN"))


def _tell_time(server: Server, real: Real, query: str) -> None:
    """What is decided by the server's clock is decided by the simulated one, of which it hears now and then: what it
    decides by it is a matter of minutes."""
    if "AS now" in query:  # locks of cards last by this clock
        seconds = round(asyncio.get_running_loop().time(), 3)
    elif "renewed_at" in query:
        seconds = int(asyncio.get_running_loop().time() / TOLD_EVERY_S) * TOLD_EVERY_S
    else:
        return
    if real.told == (told := (server.played, seconds)):
        return
    now = BEGAN + timedelta(seconds=seconds)
    setting = real.connection.execute(
        "SELECT set_config('simulated.now', $1, false)", now.isoformat()
    )
    server.bridge.ask(setting)
    real.told = told
