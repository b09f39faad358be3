"""A replay's own trace: what the fresh nodes said and did, on the trace's time, to be shown and compared."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from messaging.observer import Event, Observer
from traces.lines import line_of
from traces.record import Head, Line
from traces.writer import TraceWriter


class Keeping:
    """Writes a file for each node. `names`: id of the key of the pseudonyms that the trace was recorded with."""

    def __init__(self, folder: Path, names: str, began: datetime) -> None:
        self.folder = folder
        self.fresh: list[Line] = []
        """Lines since somebody looked."""
        self._names = names
        self._began = began
        self._clock: Callable[[], datetime] = lambda: began
        self._writers: dict[str, TraceWriter] = {}
        self._told: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.jsonl"):
            old.unlink()

    def observer_of(self, node: str) -> Observer:
        """What one node observes with. What it was told is masked already."""
        head = Head(node=node, names=self._names, began=self._began)
        writer = self._writers.setdefault(node, TraceWriter(self.folder, lambda: head))

        def write(event: Event) -> None:
            self._told[node] = n = self._told.get(node, 0) + 1
            line = line_of(event, n=n, at=self._clock(), node=node, names=None)
            self.fresh.append(line)
            writer.write(line)

        return write

    def set_clock(self, now: Callable[[], datetime]) -> None:
        """The nodes' clock, once there is one."""
        self._clock = now

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
