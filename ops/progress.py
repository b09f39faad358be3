"""Says what is being waited for, once it takes long enough to be noticed."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from rich.console import Console, RenderableType
from rich.progress import Progress as RichProgress
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

NOTICED_SECONDS = 2.0


class Progress(Protocol):
    """Where long steps are shown; steps may overlap."""

    def step(self, text: str) -> AbstractContextManager[None]:
        """Shows `text` as long as the block runs."""
        ...


class SilentProgress:
    """Shows nothing."""

    def step(self, text: str) -> AbstractContextManager[None]:
        return nullcontext()


class ConsoleProgress:
    """A line with a running clock per step on a terminal; elsewhere a line when a step begins and ends."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._bars = _LongSteps(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        began = time.monotonic()
        if not self._console.is_terminal:
            self._console.print(f"{text} …")
        task = self._bars.add_task(text, total=None)
        if self._console.is_terminal:
            self._bars.start()
        try:
            yield
        finally:
            self._bars.remove_task(task)
            if not self._bars.tasks:
                self._bars.stop()
        seconds = time.monotonic() - began
        if seconds > NOTICED_SECONDS:
            self._console.print(f"{text}: {seconds:.1f} s")


class _LongSteps(RichProgress):
    """Leaves out what began a moment ago."""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield self.make_tasks_table(
            [task for task in self.tasks if (task.elapsed or 0) > NOTICED_SECONDS]
        )
