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
        self._loop = asyncio.SelectorEventLoop()
        self.calls = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns, or raises."""
        self.calls += 1
        outside = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            return self._loop.run_until_complete(work)
        finally:
            asyncio._set_running_loop(outside)

    def close(self) -> None:
        self._loop.close()
