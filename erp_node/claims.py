"""What tills claim to know that was never given: a place in a feed beyond its head.

Either the database is older than it was (a failover is found by its timeline; a copy put back file by
file is not), and then every till says so within a beat; or one till is wrong. All feeds begin anew for
the first, which makes every till pull everything: one till alone must not be able to have that often.
"""

from collections.abc import Callable
from typing import Literal

REMEMBERED_S = 3600.0
"""A claim counts for this long."""

Claim = Literal["first", "again", "another"]
"""Nobody's yet; the same till's as before; a second till's."""


class Claims:
    """The claims of the last hour, as this process heard them."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic`: seconds that only grow."""
        self._monotonic = monotonic
        self._epoch = ""
        self._heard: dict[str, float] = {}

    def hear(self, epoch: str, pos_id: str) -> Claim:
        """Notes that a till knows a place in this epoch that was never reached."""
        now = self._monotonic()
        if epoch != self._epoch:
            self._epoch, self._heard = epoch, {}
        self._heard = {pos: at for pos, at in self._heard.items() if at > now - REMEMBERED_S}
        known = frozenset(self._heard)
        self._heard[pos_id] = now
        if not known:
            return "first"
        return "again" if known == {pos_id} else "another"
