"""Which process a task belongs to: what a task starts belongs to the same, and a killed process takes all along."""

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import ContextVar
from typing import Any

_OWNER: ContextVar["Owner | None"] = ContextVar("simulated_process", default=None)


class Owner:
    """The tasks of one run of one process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended = False
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task of this process."""
        token = _OWNER.set(self)
        try:
            return asyncio.get_running_loop().create_task(work)
        finally:
            _OWNER.reset(token)

    def kill(self) -> None:
        """Every task ends at its next step, but for the one that is running: that one must raise by itself."""
        self.ended = True
        running = asyncio.current_task()
        for task in tuple(self._tasks):
            if task is not running:
                task.cancel()

    def took(self, task: asyncio.Task[Any]) -> None:
        self._tasks[task] = None
        task.add_done_callback(self._let_go)

    def _let_go(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled():
            task.exception()


def make_task(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    **options: Any,
) -> asyncio.Task[Any]:
    """The loop's task factory."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    if (owner := _OWNER.get()) is not None:
        owner.took(task)
        if owner.ended:
            task.cancel()
    return task
