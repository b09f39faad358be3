"""A pool whose connections stay lent: for many short statements, each on its own."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg

from erp_node.store.pool import Pool

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Lent: TypeAlias = PoolConnectionProxy[asyncpg.Record]
else:
    Lent = asyncpg.Connection

T = TypeVar("T")


class SteadyPool(Pool):
    """Keeps the connections its statements used, as they are, for the next ones.

    Lending one anew costs more than a short statement itself. One that failed or was given up goes
    back to the pool, which clears it up or replaces it. One connection is left to `acquire`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._most = options["max_size"] - 1
        self._kept = 0
        self._idle: list[Lent] = []
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def fetch(
        self, query: str, *args: object, timeout: float | None = None, record_class: Any = None
    ) -> Any:
        return await self._on_one(
            lambda one: one.fetch(query, *args, timeout=timeout, record_class=record_class)
        )

    async def fetchrow(
        self, query: str, *args: object, timeout: float | None = None, record_class: Any = None
    ) -> Any:
        return await self._on_one(
            lambda one: one.fetchrow(query, *args, timeout=timeout, record_class=record_class)
        )

    async def fetchval(
        self, query: str, *args: object, column: int = 0, timeout: float | None = None
    ) -> Any:
        return await self._on_one(
            lambda one: one.fetchval(query, *args, column=column, timeout=timeout)
        )

    async def close(self) -> None:
        """Waits for statements under way, then closes every connection."""
        self._most = 0
        await self._let_go(self._idle)
        await super().close()

    async def _on_one(self, work: Callable[[Lent], Awaitable[T]]) -> T:
        connection = await self._take()
        try:
            result = await work(connection)
        except BaseException:
            await self._let_go([connection])
            raise
        if self._kept > self._most:
            await self._let_go([connection])
        else:
            self._idle.append(connection)
            self._call_next()
        return result

    async def _take(self) -> Lent:
        while True:
            while self._idle:
                connection = self._idle.pop()
                if _is_open(connection):
                    return connection
                await self._let_go([connection])
            if self._kept < max(self._most, 1):
                return await self._keep_another()
            await self._turn()

    async def _keep_another(self) -> Lent:
        self._kept += 1
        try:
            return await self.acquire()
        except BaseException:
            self._kept -= 1
            self._call_next()
            raise

    async def _turn(self) -> None:
        """Returns when a connection is idle or may be lent, if nobody is faster."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._call_next()
            raise

    def _call_next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    async def _let_go(self, connections: list[Lent]) -> None:
        while connections:
            self._kept -= 1
            try:
                await self.release(connections.pop())
            finally:
                self._call_next()


def _is_open(connection: Lent) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # it was lost, and the pool took it back
        return False
