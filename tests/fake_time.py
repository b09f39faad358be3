"""An event loop whose time jumps to the next timer when nothing else is to be done: minutes cost nothing."""

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec

P = ParamSpec("P")


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """For code without sockets and threads of its own: only timers pass."""

    def __init__(self) -> None:
        self._now = 1_000.0
        super().__init__(_Passing(self))

    def time(self) -> float:
        return self._now

    def pass_by(self, seconds: float) -> None:
        self._now += seconds

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> "asyncio.Future[Any]":
        """At once: time must not pass while a thread works."""
        done: asyncio.Future[Any] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


class _Passing(selectors.DefaultSelector):
    """Where a loop would wait for its next timer, time passes instead."""

    def __init__(self, loop: FakeTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            return super().select(None)
        self._loop.pass_by(max(0.0, timeout))
        return super().select(0)


def on_fake_time(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Runs an asynchronous test on a loop of its own whose time is not the world's."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def main() -> None:
            async with asyncio.timeout(100_000):
                await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
            runner.run(main())

    return run


async def until(true: Callable[[], bool]) -> None:
    """Lets time pass until something is so; a time-out around it ends a vain wait."""
    while not true():  # noqa: ASYNC110 - what is waited for has no event of its own
        await asyncio.sleep(0.05)
