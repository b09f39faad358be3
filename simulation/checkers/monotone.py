"""I3: at every till, always: the version of an entity never goes down; what is deleted or anonymised stays so."""

from collections.abc import Iterable, Iterator

from simulation.checkers.history import Stored, Violation

ABSORBING = ("deleted", "anonymised")


def check_monotone(stored: Iterable[Stored], *, restored: bool = False) -> Iterator[Violation]:
    """`restored`: the ERP's database was put back to before. Tills then forget the versions of what is withdrawn,
    since the ERP gives the same ones again."""
    last: dict[tuple[str, int, str, str], Stored] = {}
    for one in stored:
        key = (one.till, one.file, one.kind, one.key)
        before = last.get(key)
        forgotten = restored and (one.version, one.state) == (0, "withdrawn")
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
