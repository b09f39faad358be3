"""PostgreSQL from within simulated time: a call lasts as long as it lasts, and no simulated moment passes meanwhile.

asyncpg needs a loop with a network. It has one of its own here, which runs only while the simulated loop stands
still in the middle of a step: in the same thread, so that nothing happens beside it.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Bridge:
    """Runs coroutines of real connections to their end."""

    def __init__(self) -> None:
        self._loop: Any = asyncio.SelectorEventLoop()
        self.calls = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns, or raises."""
        outside = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            return self._loop.run_until_complete(work)  # type: ignore[no-any-return]
        finally:
            asyncio._set_running_loop(outside)

    def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """As `run`, for a single statement: it waits for nothing but its answer, so that it needs no task, which
        would take longer than the statement itself."""
        self.calls += 1
        outside = asyncio._get_running_loop()
        asyncio._set_running_loop(self._loop)
        try:
            while True:
                waits_for = work.send(None)
                while waits_for is not None and not waits_for.done():
                    self._loop._run_once()
                while self._loop._ready:  # what the server said beside the answer
                    self._loop._ready.popleft()._run()
        except StopIteration as returned:
            return returned.value  # type: ignore[no-any-return]
        finally:
            asyncio._set_running_loop(outside)

    def close(self) -> None:
        self._loop.close()
