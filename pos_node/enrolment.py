"""Whether the ERP has this till enrolled as it runs: one that was moved must not tell that all is well (SYNC-7).

Its settings are read at the start. Until it is started with the new ones it hears nothing of what changes in feeds that
are no longer its own; its journal still goes up, and questions are answered.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from contracts.presence import Welcome
from contracts.topology import TillAddress

_log = structlog.get_logger("presence")


@dataclass(frozen=True, slots=True)
class Moved:
    """Where the ERP has the till by now, and since when that is known here."""

    centre: str
    full: bool
    scopes: frozenset[str]
    since: datetime = field(compare=False)

    @property
    def mode(self) -> str:
        """As the settings have it."""
        return "full" if self.full else "local_only"


def decide_moved(address: TillAddress, welcome: Welcome, now: datetime) -> Moved | None:
    """What differs from how the till runs, or None. Feeds that only a newer ERP knows are no difference."""
    same = (address.centre, address.full) == (welcome.centre, welcome.full)
    if same and set(address.scopes) <= set(welcome.scopes):
        return None
    return Moved(welcome.centre, welcome.full, frozenset(welcome.scopes), now)


class Enrolled:
    """What the last greeting told."""

    def __init__(self, address: TillAddress, now: Callable[[], datetime]) -> None:
        self._address = address
        self._now = now
        self._moved: Moved | None = None

    def moved(self) -> Moved | None:
        """None: the ERP has the till as it runs, as far as is known."""
        return self._moved

    def hear(self, welcome: Welcome) -> None:
        """Takes a welcome; a difference is logged once."""
        moved = decide_moved(self._address, welcome, self._now())
        if moved == self._moved:
            return
        self._moved = moved
        if moved is None:
            _log.info("enrolled as it runs", action="enrolment_agrees")
            return
        _log.error(
            "enrolled otherwise than it runs: start it with the new enrolment",
            action="enrolment_differs", centre=moved.centre, mode=moved.mode,
        )  # fmt: skip

    def will_follow(self, scope: str) -> bool:
        """Whether the till follows a scope once it is started anew: it then pulls all of it, so pages of it that
        come before are not needed."""
        return self._moved is not None and scope in self._moved.scopes
