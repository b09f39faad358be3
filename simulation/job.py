"""One process of a campaign: its own database and folder, one schedule after the other."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from simulation.pace import set_pace
from simulation.recording import Recording
from simulation.run import Outcome, Place, play
from simulation.schedule import Schedule
from simulation.server import Server
from simulation.shrink import shrink
from simulation.steps.table import draw_schedule
from simulation.till_file import make_template


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one seed; of a failing one `steps` are those it was cut down to, and `trace` is where they are."""

    seed: int
    digest: str
    met: tuple[str, ...]
    violations: tuple[str, ...] = ()
    trace: str = ""
    steps: tuple[str, ...] = ()
    seconds: float = 0.0


class Job:
    """Made in the process that plays."""

    def __init__(self, dsn: str, name: str, folder: Path, failures: Path | None) -> None:
        """`failures`: where traces of failing schedules go; None: they are not cut down."""
        set_pace()
        folder.mkdir(parents=True, exist_ok=True)
        template = folder / "template.db"
        if not template.exists():
            make_template(template)
        self.place = Place(Server.open(dsn, name), folder / "world", template)
        self._failures = failures

    def play_seeds(self, seeds: Iterable[int]) -> Iterator[Played]:
        for seed in seeds:
            yield self.play(draw_schedule(seed))

    def play(self, schedule: Schedule) -> Played:
        began = time.monotonic()
        outcome = play(schedule, self.place)
        took = time.monotonic() - began
        if not outcome.violations or self._failures is None:
            return replace(played_of(outcome), seconds=took)
        return replace(self._cut_down(outcome, self._failures), seconds=took)

    def close(self) -> None:
        self.place.server.close()

    def _cut_down(self, outcome: Outcome, failures: Path) -> Played:
        wanted = {one.invariant for one in outcome.violations}

        def fails(schedule: Schedule) -> bool:
            found = play(schedule, self.place).violations
            return any(one.invariant in wanted for one in found)

        smallest = shrink(outcome.schedule, fails)
        recording = Recording(failures / f"seed-{smallest.seed}")
        again = play(smallest, self.place, recording.observer_of)
        texts = tuple(f"{one.invariant} {one.text}" for one in again.violations)
        recording.end(smallest, "\n".join(texts) + "\n")
        steps = tuple(f"{step.at:8.3f} {step.do} {step.given or ''}" for step in smallest.steps)
        return replace(
            played_of(outcome), violations=texts, trace=str(recording.folder), steps=steps
        )


def played_of(outcome: Outcome) -> Played:
    texts = tuple(f"{one.invariant} {one.text}" for one in outcome.violations)
    return Played(outcome.schedule.seed, outcome.digest, tuple(sorted(outcome.met)), texts)
