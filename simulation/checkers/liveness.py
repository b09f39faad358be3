"""I11: within ten seconds of the broker's port opening traffic flows; what waits becomes young again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from simulation.checkers.history import Violation

READY_S = 10.0
"""From the opening of the broker's port."""


@dataclass(frozen=True, slots=True)
class Waited:
    """How long one process took to be at work again, in seconds since nothing was in its way; None: never."""

    who: str
    seconds: float | None


def check_liveness(waited: Iterable[Waited], most: float = READY_S) -> Iterator[Violation]:
    for one in waited:
        if one.seconds is None:
            yield Violation("I11", f"{one.who} was not at work {most:g} s after healing")
        elif one.seconds > most:
            yield Violation("I11", f"{one.who} was at work only after {one.seconds:.1f} s")
