"""What happens to messages on their way in a replay: lost, delivered twice, late. Pure, from a seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from simulation.chance import stream
from simulation.replay.story import Given


@dataclass(frozen=True, slots=True)
class Faults:
    """`drop` and `dup` are shares of all messages; `reorder`: one may be overtaken by so many after it."""

    drop: float = 0.0
    dup: float = 0.0
    reorder: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Way:
    """One message in its turn. `arrives` False: its sender sent it, and it is lost. `again`: a second time."""

    given: Given
    arrives: bool = True
    again: bool = False


def disturb(given: Sequence[Given], faults: Faults) -> list[Way]:
    """What arrives, in which order. Each message has its own luck, whatever the others have."""
    rng = stream(faults.seed, "replay")
    ways = [way for one in given for way in _ways(one, faults, rng)]
    late = [rng.random() * faults.reorder if faults.reorder else 0.0 for _ in ways]
    order = sorted(range(len(ways)), key=lambda place: (place + late[place], place))
    return [ways[place] for place in order]


def _ways(given: Given, faults: Faults, rng: random.Random) -> list[Way]:
    lost, twice = rng.random() < faults.drop, rng.random() < faults.dup
    if lost:
        return [Way(given, arrives=False)]
    return [Way(given), Way(given, again=True)] if twice else [Way(given)]
