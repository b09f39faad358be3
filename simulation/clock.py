"""Wall time in a simulation: what the loop says, and how wrong a node's own clock is."""

import asyncio
from datetime import UTC, datetime, timedelta

BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""When every simulation begins."""


class SimulatedClock:
    """messaging.clock.Clock of one node; `wrong_by` may be changed at any moment."""

    def __init__(self, wrong_by: timedelta = timedelta()) -> None:
        self.wrong_by = wrong_by

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=asyncio.get_running_loop().time()) + self.wrong_by
