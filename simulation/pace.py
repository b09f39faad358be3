"""What the product does again and again with nobody waiting for it, done more seldom: an idle second costs less.

These are its own constants, set from outside. What they are for is still met: each is well under the time that
healing is given.
"""

import gc
import logging
import os
from contextlib import suppress
from pathlib import Path

import structlog

from erp_node import declarations, sequencer, upkeep


def keep_to(number: int) -> None:
    """Of several jobs each keeps to a processor of its own, as far as there are enough."""
    with suppress(AttributeError, OSError):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[number % len(allowed)]})


def keep_beside(pid: int) -> None:
    """A server's process that works for this one alone, on the same processor: of the two one always waits for the
    other, and waking up another processor takes as long as a statement. A server elsewhere is left alone."""
    with suppress(AttributeError, OSError):
        if len(here := os.sched_getaffinity(0)) == 1 and _is_server(pid):
            os.sched_setaffinity(pid, here)


def _is_server(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text("ascii").startswith("postgres")


def set_pace() -> None:
    """For a process that does nothing but simulate."""
    sequencer.LOOK_AGAIN_S = 4.0
    declarations.LOOK_AGAIN = 4.0
    upkeep.EVERY_S = 20.0
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
