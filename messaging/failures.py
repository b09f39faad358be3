"""What may be said of an unexpected exception: its texts may hold personal data, so where and what
kind it was, never its words."""

import asyncio
import traceback
from typing import Any


def describe(error: BaseException) -> str:
    """For logs and reasons: `KeyError at feed.py:81 in apply`."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    last = frames[-1]
    file = last.filename.rpartition("/")[2]
    return f"{type(error).__name__} at {file}:{last.lineno} in {last.name}"


def fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    """Ends a future with an error. Whoever waited may be gone by then, and nobody has to be told of that."""
    future.set_exception(error)
    future.exception()
