"""One direction of a connection: things arrive in order, later, or not at all."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

Act: TypeAlias = Callable[[], None]
Delay: TypeAlias = Callable[[], float]


def no_delay() -> float:
    return 0.0


class Pipe:
    """Carries acts to their other end, each after `delay` seconds of the loop's time."""

    def __init__(self, delay: Delay) -> None:
        self._delay = delay
        self._waiting: deque[tuple[float, Act]] = deque()
        self._last = 0.0
        self._held = False
        self._open = True

    def send(self, act: Act) -> None:
        if not self._open:
            return
        loop = asyncio.get_running_loop()
        self._last = max(self._last, loop.time() + self._delay())
        self._waiting.append((self._last, act))
        self._wake(self._last)

    def hold(self, first: Act) -> None:
        """Nothing arrives any more until `release`; `first` is what arrives first then."""
        self._held = True
        self._waiting.appendleft((0.0, first))

    def release(self) -> None:
        self._held = False
        for due, _ in self._waiting:
            self._wake(due)

    def cut(self) -> None:
        """What is on its way is lost."""
        self._open = False
        self._waiting.clear()

    def _wake(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        if due <= loop.time():
            loop.call_soon(self._arrive)
        else:
            loop.call_at(due, self._arrive)

    def _arrive(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._waiting and not self._held and self._waiting[0][0] <= now:
            self._waiting.popleft()[1]()
