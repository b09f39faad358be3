"""What the product does again and again with nobody waiting for it, done more seldom: an idle second costs less.

These are its own constants, set from outside. What they are for is still met: each is well under the time that
healing is given.
"""

import gc
import logging

import structlog

from erp_node import declarations, sequencer, upkeep


def set_pace() -> None:
    """For a process that does nothing but simulate."""
    sequencer.LOOK_AGAIN_S = 4.0
    declarations.LOOK_AGAIN = 4.0
    upkeep.EVERY_S = 20.0
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
