"""Whether tills' changes are waiting to be applied: numbering then makes room for that."""

from collections.abc import Callable

MANY = 64
"""So many entries in one batch come when more are waiting, not when cashiers are typing."""

LASTS_S = 0.25
"""How long a full batch tells of more: longer than one takes to be applied."""


class Pressure:
    """What the intake notes and the sequencer asks."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic`: seconds that only grow."""
        self._monotonic = monotonic
        self._until = float("-inf")

    def note(self, entries: int) -> None:
        """A batch of so many entries has come."""
        if entries >= MANY:
            self._until = self._monotonic() + LASTS_S

    @property
    def high(self) -> bool:
        """Whether more entries are waiting, as far as can be told."""
        return self._monotonic() < self._until
