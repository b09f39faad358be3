"""An event loop whose time is told, not measured: it jumps to whatever is due next, and nothing runs beside it.

Coroutines, timers and time-outs of the product run on it unchanged. What would go to a thread runs at once, in
its turn; there is no network. The same program with the same random numbers takes the same course.
"""

import asyncio
import math
import selectors
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


MOST_TURNS = 400_000
"""Of one loop: more means that something goes in circles."""


class Stuck(Exception):
    """Nothing is ready and nothing will ever be due, or what is ready is never done: whoever waits, waits for ever."""


class UnthreadedLoop(asyncio.SelectorEventLoop):
    """A loop of real time and real connections; what would go to a thread runs at once, in its turn."""

    def run_in_executor(
        self, executor: Any, function: Callable[[*Ts], T], *arguments: *Ts
    ) -> asyncio.Future[T]:
        """Runs the function here and now; who asked gets the outcome in its turn."""
        outcome: asyncio.Future[T] = self.create_future()
        try:
            outcome.set_result(function(*arguments))
        except Exception as error:
            outcome.set_exception(error)
        return outcome


class SimulatedLoop(UnthreadedLoop):
    """`time()` begins at 0 and moves only when everything that was ready has run."""

    def __init__(self) -> None:
        self._now = 0.0
        self.turns = 0
        """How often everything that was ready has run: what a program that goes in circles is caught by."""
        super().__init__(_NoWaiting(self))
        self._clock_resolution = math.ulp(0.0)

    def time(self) -> float:
        return self._now

    def pass_by(self, seconds: float) -> None:
        """Moves the time on; called by the selector when nothing is ready before then."""
        # What is due then is due, whatever rounding says: never a moment too early, nor for ever a moment too late.
        self._now = math.nextafter(self._now + seconds, math.inf)
        self._clock_resolution = math.ulp(self._now)


class _NoWaiting(selectors.SelectSelector):
    """Where a loop would wait for the network, time passes."""

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck("nothing is due")
        self._loop.turns += 1
        if self._loop.turns > MOST_TURNS:
            self._loop.turns = 0
            raise Stuck("it goes in circles")
        if timeout > 0:
            self._loop.pass_by(timeout)
        return []
