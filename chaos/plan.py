"""Which faults, when and against whom: drawn from the seed before anything happens. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulation.chance import stream

CENTRES = ("lyon", "krakow")
ERPS = ("erp-1", "erp-2")
TILLS = (
    ("lyon-1", "lyon", True),
    ("krakow-1", "krakow", True),
    ("lyon-2", "lyon", True),
    ("krakow-2", "krakow", False),
)
"""Name, centre, and whether it holds all customers of it or only those made or fetched there."""
NODES = (*ERPS, *(name for name, _, _ in TILLS))

PER_MINUTE = 14.0
CALM_S = 2.0
"""At the beginning; and before the end, so that what is due last is met."""
TOGETHER = 0.2
"""Of all faults: those that begin at the same moment as the one before."""

Given = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault to come: its place in the plan, seconds since faults began, its kind, and what that wants to know."""

    number: int
    at: float
    kind: str
    given: Given


@dataclass(frozen=True, slots=True)
class Drawn:
    """A kind as the plan knows it: its name, and what it draws for itself."""

    name: str
    draw: "Draw"


class Draw:
    """What a kind wants to know, from random numbers."""

    def __init__(self, **ranges: tuple[float, float] | Sequence[Any]) -> None:
        """A pair of floats gives a number between them, any other sequence one of its members."""
        self._ranges = ranges

    def __call__(self, rng: random.Random) -> Given:
        return {name: _draw_one(rng, one) for name, one in self._ranges.items()}


def _draw_one(rng: random.Random, one: tuple[float, float] | Sequence[Any]) -> Any:
    if len(one) == 2 and isinstance(one[0], float):
        return round(rng.uniform(one[0], one[1]), 2)
    return rng.choice(one)


def draw_plan(
    seed: int, seconds: float, kinds: Sequence[Drawn], per_minute: float = PER_MINUTE
) -> tuple[Planned, ...]:
    """So many faults per minute all the time, each kind once before any comes again, some at the same moment."""
    rng = stream(seed, "chaos")
    count = max(1, round(seconds / 60.0 * per_minute))
    calm = min(CALM_S, seconds / 4.0)
    step = (seconds - 2 * calm) / count
    moments = [calm + (place + rng.random()) * step for place in range(count)]
    for place in range(1, count):
        if rng.random() < TOGETHER:
            moments[place] = moments[place - 1]
    return tuple(
        Planned(number, round(at, 2), kind.name, kind.draw(rng))
        for number, (at, kind) in enumerate(zip(moments, _rounds(rng, kinds, count), strict=True))
    )


def _rounds(rng: random.Random, kinds: Sequence[Drawn], count: int) -> list[Drawn]:
    drawn: list[Drawn] = []
    while len(drawn) < count:
        drawn += rng.sample(kinds, k=len(kinds))
    return drawn[:count]
