"""Running a command's work until it ends, or until somebody tells it to stop."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any


async def until_told(
    work: Coroutine[Any, Any, int], on_told: Callable[[], None] = lambda: None, *, stopped: int = 0
) -> int:
    """The work's exit code. SIGTERM and SIGINT cancel it, so that it removes what it made, which may take seconds:
    `on_told` is called at once. The code then is `stopped`."""
    task = asyncio.create_task(work)
    told = False

    def stop() -> None:
        nonlocal told
        if not told:
            on_told()
        told = True
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not told:
            raise
        return stopped
