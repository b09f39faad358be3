"""How long to wait before trying again: at once, then longer and longer, never all together."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds before each attempt; `longest` bounds them, jitter halves them at most."""

    first: float = 0.1
    longest: float = 3.0

    def before(self, failures: int, rng: random.Random) -> float:
        """The pause after so many failures in a row; none after the first."""
        if failures <= 1:
            return 0.0
        doubled: float = self.first * 2 ** min(failures - 2, 30)
        return min(doubled, self.longest) * rng.uniform(0.5, 1.0)
