"""A kind of step: how one is drawn, and how it is played."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulation.world import Shape, World

Given = dict[str, Any]


def nothing(rng: random.Random, shape: Shape) -> Given:
    """For a kind that wants to know nothing."""
    return {}


HOT = (0.04, 0.35, 0.71)
"""Places of customers that much happens to."""


def some_place(rng: random.Random) -> float:
    """Which customer, as a place among all: often one that others choose as well."""
    return rng.choice(HOT) if rng.random() < 0.6 else rng.random()


def some_till(rng: random.Random, shape: Shape) -> Given:
    return {"till": rng.randrange(len(shape.tills))}


def till_for(least: float, most: float) -> Callable[[random.Random, Shape], Given]:
    """A till, and for how many seconds."""

    def draw(rng: random.Random, shape: Shape) -> Given:
        return some_till(rng, shape) | {"for": round(rng.uniform(least, most), 2)}

    return draw


def lasting(least: float, most: float) -> Callable[[random.Random, Shape], Given]:
    """For how many seconds."""

    def draw(rng: random.Random, shape: Shape) -> Given:
        return {"for": round(rng.uniform(least, most), 2)}

    return draw


@dataclass(frozen=True, slots=True)
class Kind:
    """`play` is called at the step's moment and returns at once. A fault counts as met when `play`, or what it
    set up, calls `world.meet`. `mended_by_sweep`: what it does may only be noticed by comparing digests. `about`: some
    schedules are mostly about one thing, so that it meets itself."""

    name: str
    play: Callable[[World, Given], None]
    draw: Callable[[random.Random, Shape], Given] = nothing
    weight: float = 1.0
    fault: bool = True
    about: str = ""
    mended_by_sweep: bool = False
