"""The last sign of the ERP, and what time it is there: what *online* and deadlines rest on."""

from collections.abc import Callable
from datetime import datetime, timedelta

SILENCE_S = 6.0
"""The ERP is online when it was heard or answered within this many seconds."""

LONGEST_SILENCE_S = 30.0
"""However seldom it beats."""


class Contact:
    """When the ERP was last heard, and its clock. Time is measured by `monotonic`, in seconds.

    A till's wall clock may be a day off or jump: it is never used here.
    """

    def __init__(self, monotonic: Callable[[], float], silence_s: float = SILENCE_S) -> None:
        self._monotonic = monotonic
        self._silence_s = silence_s
        self._heard_at: float | None = None
        self._answers = 0
        self._erp: tuple[datetime, float] | None = None

    @property
    def alive(self) -> bool:
        """Whether the ERP was heard within the last few seconds."""
        return self.silent_for is not None and self.silent_for <= self._silence_s

    @property
    def silence_s(self) -> float:
        return self._silence_s

    @property
    def silent_for(self) -> float | None:
        """Seconds since the ERP was last heard; None: never, or not on this link."""
        return None if self._heard_at is None else self._monotonic() - self._heard_at

    @property
    def answers(self) -> int:
        """How often the ERP has answered something."""
        return self._answers

    def hear(self) -> None:
        """The ERP answered something just now."""
        self._answers += 1
        self._heard_at = self._monotonic()

    def lose(self) -> None:
        """The link is down: what was heard on it says nothing about now."""
        self._heard_at = None

    def expect_every(self, interval_s: float) -> None:
        """One sign may be lost before the ERP counts as gone."""
        self._silence_s = max(SILENCE_S, min(2.5 * interval_s, LONGEST_SILENCE_S))

    def set_clock(self, erp_now: datetime, asked_at: float) -> None:
        """Learns the ERP's clock from an answer asked for at `asked_at`, which took half the way back."""
        answered_at = self._monotonic()
        self._erp = (erp_now, (asked_at + answered_at) / 2)

    def hear_beat(self, erp_now: datetime) -> bool:
        """Takes a beat as a sign of life if it is fresh; one that waited in a queue is not.

        A beat from ahead of the known clock shows that the clock was taken too low.
        """
        known = self.erp_now()
        if known is None or known - erp_now > timedelta(seconds=self._silence_s):
            return False
        if erp_now > known:
            self._erp = (erp_now, self._monotonic())
        self._heard_at = self._monotonic()
        return True

    def erp_now(self) -> datetime | None:
        """The time on the ERP's clock; None before the first answer."""
        if self._erp is None:
            return None
        at, measured = self._erp
        return at + timedelta(seconds=self._monotonic() - measured)
