"""Cutting a failing schedule down: as few steps as still fail in the same way (delta debugging)."""

from collections.abc import Callable, Iterator
from itertools import pairwise

from simulation.schedule import Schedule

Fails = Callable[[Schedule], bool]


def shrink(schedule: Schedule, fails: Fails, most: int = 150) -> Schedule:
    """The smallest failing schedule found with `most` trials; the one given must fail."""
    parts, trials = 2, 0
    while len(schedule.steps) > 1 and trials < most:
        for without in _pieces(len(schedule.steps), parts):
            trials += 1
            smaller = schedule.without(without)
            if fails(smaller):
                schedule, parts = smaller, max(parts - 1, 2)
                break
            if trials >= most:
                break
        else:
            if parts >= len(schedule.steps):
                break
            parts = min(2 * parts, len(schedule.steps))
    return schedule


def _pieces(steps: int, parts: int) -> Iterator[frozenset[int]]:
    """The places of the steps, cut into so many stretches."""
    edges = [steps * n // parts for n in range(parts + 1)]
    for first, last in pairwise(edges):
        if last > first:
            yield frozenset(range(first, last))
