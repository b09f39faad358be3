"""Guessing a password: after so many wrong ones in a row an account is locked for a while."""

from dataclasses import dataclass
from datetime import datetime, timedelta

STRANGERS = 10_000
"""Names nobody has whose attempts are kept: trying as many takes about as long as a lock lasts, each being
as slow as a right one (web.passwords)."""


@dataclass(frozen=True, slots=True)
class LockoutRule:
    """`attempts` wrong passwords in a row lock an account for `lasts`."""

    attempts: int = 5
    lasts: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Attempts:
    """Attempts since the last right password, and until when the account is locked."""

    failures: int = 0
    locked_until: datetime | None = None


def is_locked(attempts: Attempts, rule: LockoutRule, now: datetime) -> bool:
    """A clock set back does not make the lock longer than the rule says."""
    until = attempts.locked_until
    return until is not None and now < until <= now + rule.lasts


def count_attempt(attempts: Attempts, rule: LockoutRule, now: datetime) -> Attempts:
    """Counts an attempt before its password is checked, so that many at once gain nothing.

    The one that reaches the limit is still checked; a right password afterwards forgets it all.
    """
    failures = 1 if attempts.locked_until is not None else attempts.failures + 1
    return Attempts(failures, now + rule.lasts if failures >= rule.attempts else None)
