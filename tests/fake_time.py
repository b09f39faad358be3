"""An event loop whose time jumps to the next timer when nothing else is to be done: minutes cost nothing."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec

P = ParamSpec("P")


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """For code without sockets and threads of its own: only timers pass."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1_000.0

    def time(self) -> float:
        return self._now

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

    def _run_once(self) -> None:
        waiting: Any = self
        if not waiting._ready and waiting._scheduled:
            self._now = max(self._now, waiting._scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


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
