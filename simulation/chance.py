"""One seed, split into streams: what one part draws does not change what another one does."""

import random


def stream(seed: int, *names: object) -> random.Random:
    """The random numbers of one part of a simulation."""
    return random.Random("/".join(map(str, (seed, *names))))
