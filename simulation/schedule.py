"""What is done to a world, and when: plain data, so that it can be kept, read and cut down."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


class WrongSchedule(ValueError):
    """A file is no schedule; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Step:
    """`do`: a kind of simulation.steps; `at`: seconds after the beginning; `given`: what that kind wants to know."""

    at: float
    do: str
    given: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps of a seed, in the order of time. The seed alone decides everything else."""

    seed: int
    steps: tuple[Step, ...]

    def without(self, steps: frozenset[int]) -> "Schedule":
        """The same but for the steps in these places."""
        kept = tuple(step for place, step in enumerate(self.steps) if place not in steps)
        return Schedule(self.seed, kept)


def write_schedule(schedule: Schedule, path: Path) -> None:
    path.write_text(json.dumps(asdict(schedule), indent=1) + "\n", "utf-8")


def read_schedule(path: Path) -> Schedule:
    """Raises WrongSchedule, and OSError."""
    try:
        read = json.loads(path.read_text("utf-8"))
        steps = tuple(
            Step(float(one["at"]), str(one["do"]), dict(one.get("given", {})))
            for one in read["steps"]
        )
        return Schedule(int(read["seed"]), steps)
    except KeyError as error:
        raise WrongSchedule(f"{path}: no schedule: {error} is missing") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise WrongSchedule(f"{path}: no schedule: {error}") from None
