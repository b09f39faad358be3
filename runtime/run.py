"""Running a node's main coroutine until it ends or the process is told to stop."""

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

COLLECT_AFTER = (50_000, 20, 50)
"""Messages are many small objects that live briefly and hardly ever in circles: Python looks for circles less often
(measured: half of the time of applying journal entries went into looking)."""


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs `main` on uvloop. SIGINT and SIGTERM cancel it, so that it closes what it opened."""
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_told(main))


async def _until_told(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    task = asyncio.ensure_future(main())
    told = False

    def stop() -> None:
        nonlocal told
        told = True
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise
