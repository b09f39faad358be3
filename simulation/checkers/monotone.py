"""I3: at every till, always: the version of an entity never goes down; what is deleted or anonymised stays so."""

from collections.abc import Iterable, Iterator

from simulation.checkers.history import Stored, Violation

ABSORBING = ("deleted", "anonymised")


EPOCH = "epoch"
"""The kind that tells that a feed of a till was begun anew: its database was put back, and versions come again. What
was deleted or anonymised stays so even then."""


def check_monotone(stored: Iterable[Stored]) -> Iterator[Violation]:
    last: dict[tuple[str, int, str, str], Stored] = {}
    anew: set[str] = set()
    for one in stored:
        if one.kind == EPOCH:
            anew.add(one.till)
            last = {
                key: before
                for key, before in last.items()
                if before.till != one.till or before.state in ABSORBING
            }
            continue
        key = (one.till, one.file, one.kind, one.key)
        before = last.get(key)
        forgotten = one.till in anew and (one.version, one.state) == (0, "withdrawn")
        if before is not None and not forgotten:
            if one.version < before.version:
                change = f"{before.version} {before.state} to {one.version} {one.state}"
                yield Violation(
                    "I3", f"{one.till}: {one.kind} {one.key} went from version {change}"
                )
            if before.state in ABSORBING and one.state not in ABSORBING:
                yield Violation(
                    "I3", f"{one.till}: {one.key} was {before.state} and is {one.state}"
                )
        last[key] = one
