"""An event loop whose time is told, not measured: it jumps to whatever is due next, and nothing runs beside it.

Coroutines, timers and time-outs of the product run on it unchanged. What would go to a thread runs at once, in
its turn; there is no network. The same program with the same random numbers takes the same course.
"""

import asyncio
import contextvars
import heapq
import math
from collections import deque
from collections.abc import Callable
from itertools import count
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
    """`time()` begins at 0 and moves only when everything that was ready has run.

    It asks no selector and measures nothing: its turn is a third of what asyncio's takes, and a schedule has thousands.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self.turns = 0
        """How often everything that was ready has run: what a program that goes in circles is caught by."""
        self._due: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = count()
        super().__init__()

    # Of asyncio's own loop, whose turn this one replaces.
    _ready: deque[asyncio.Handle]
    _stopping: bool

    def time(self) -> float:
        return self._now

    def pass_by(self, seconds: float) -> None:
        """Moves the time on."""
        self._now += seconds

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Of what is due at one moment, what was asked for first comes first."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._due, (when, next(self._numbers), timer))
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over once it is due."""

    def _run_once(self) -> None:
        """Whatever is due is made ready, and what is ready runs; what that makes ready runs in the next turn."""
        due, ready = self._due, self._ready
        self.turns += 1
        if self.turns > MOST_TURNS:
            self.turns = 0
            raise Stuck("it goes in circles")
        while due and due[0][2].cancelled():
            heapq.heappop(due)
        if not (ready or self._stopping):
            if not due:
                raise Stuck("nothing is due")
            # Always a little: who sleeps for less than can be told at this hour would wait for ever.
            self._now = math.nextafter(max(self._now, due[0][0]), math.inf)
        while due and due[0][0] <= self._now:
            ready.append(heapq.heappop(due)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()
