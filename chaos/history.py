"""What happened, as it happens: a file of JSON Lines for people, and the values that the checkers want."""

import json
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from simulation.checkers import history as checked


@dataclass(frozen=True, slots=True)
class Told:
    """A change that somebody was told is made. `where`: at a till, whose journal must have held it, or `erp`."""

    where: str
    word: str
    customer: str


@dataclass
class History:
    """One run's. `seen`: for the checkers of the simulation. `met`: how often each kind of fault was met."""

    path: Path
    seen: checked.History = field(default_factory=checked.History)
    told: list[Told] = field(default_factory=list)
    met: dict[str, int] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    """Processes that ended though nobody ended them, and how."""

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._numbers = count(1)
        self._file = self.path.open("w", encoding="utf-8")

    @property
    def now(self) -> float:
        """Seconds since the run began."""
        return round(time.monotonic() - self._began, 3)

    def note(self, who: str, what: str, **more: object) -> None:
        """A line: when, who, what, and whatever else is to be known of it."""
        line = {"at": self.now, "who": who, "what": what, **more}
        self._file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")

    def word(self, who: str) -> str:
        """A word that no other change of this run has. `who`: a till, or `erp`."""
        made = f"tk{next(self._numbers)}x"
        self.seen.tokens[made] = who
        return made

    def meet(self, kind: str) -> None:
        """A fault really happened."""
        self.met[kind] = self.met.get(kind, 0) + 1

    def flush(self) -> None:
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
