"""A schedule played once more with everything written down: a trace that `./comptoir trace show` opens."""

import asyncio
from datetime import timedelta
from pathlib import Path

from messaging.observer import Event, Observer
from simulation.clock import BEGAN
from simulation.schedule import Schedule, write_schedule
from traces.lines import line_of
from traces.record import Head
from traces.writer import TraceWriter

SCHEDULE = "schedule.json"
VIOLATIONS = "violations.txt"


class Recording:
    """Writes what each node of a simulation tells, on simulated time. The people in it were generated: names stay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: dict[str, TraceWriter] = {}
        self._told = 0
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.jsonl"):
            old.unlink()

    def observer_of(self, node: str) -> Observer:
        """What one node observes with."""
        head = Head(node=node, names="plain", began=BEGAN)
        writer = self._writers.setdefault(node, TraceWriter(self.folder, lambda: head))

        def write(event: Event) -> None:
            self._told += 1
            at = BEGAN + timedelta(seconds=asyncio.get_running_loop().time())
            writer.write(line_of(event, n=self._told, at=at, node=node, names=None))

        return write

    def end(self, schedule: Schedule, violations: str) -> None:
        """Closes the files; the schedule and what it led to stand beside them."""
        for writer in self._writers.values():
            writer.close()
        write_schedule(schedule, self.folder / SCHEDULE)
        (self.folder / VIOLATIONS).write_text(violations, "utf-8")
