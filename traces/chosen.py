"""Which conversations of a trace somebody wants to see. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from traces.conversations import Conversation
from traces.record import Line
from traces.subjects import cards_of, customers_of, is_background, tills_of

MOST_NAMED = 20
"""Of what there is instead of what somebody looked for."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Every condition that is given must hold; within one, any of its values.

    `types` are patterns as of file names (`customer.*`). `customers` are ids or their beginnings, `cards` numbers as
    the trace has them.
    `background`: signs of life and sweeps as well.
    """

    customers: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    tills: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    background: bool = False

    def takes(self, line: Line) -> bool:
        """Whether a line alone is wanted."""
        return (
            (self.background or bool(self.types) or not is_background(line))
            and (self.since is None or line.at >= self.since)
            and (self.until is None or line.at < self.until)
            and (not self.types or any(fnmatchcase(line.type, one) for one in self.types))
            and (not self.outcomes or line.outcome in self.outcomes)
            and (not self.tills or not tills_of(line).isdisjoint(self.tills))
            and (not self.customers or self._names(line))
            and (not self.cards or not cards_of(line).isdisjoint(self.cards))
        )

    def _names(self, line: Line) -> bool:
        return any(one.startswith(self.customers) for one in customers_of(line))


def unmet(lines: Sequence[Line], chosen: Chosen) -> Iterator[str]:
    """Of each condition that no line meets by itself: what it is, and what there would be."""
    for name, wanted, alone, there in (
        ("type", chosen.types, Chosen(types=chosen.types), _types),
        ("till", chosen.tills, Chosen(tills=chosen.tills, background=True), _tills),
        ("outcome", chosen.outcomes, Chosen(outcomes=chosen.outcomes, background=True), _outcomes),
        ("customer", chosen.customers, Chosen(customers=chosen.customers), _customers),
        ("card", chosen.cards, Chosen(cards=chosen.cards), cards_of),
    ):
        if wanted and not any(alone.takes(line) for line in lines):
            names = sorted({name for line in lines for name in there(line)})
            told = [*names[:MOST_NAMED], "…"] if len(names) > MOST_NAMED else names
            yield f"--{name} {', '.join(wanted)}: in no line; there are {', '.join(told) or 'none'}"


def _types(line: Line) -> Iterable[str]:
    return (line.type,)


def _tills(line: Line) -> Iterable[str]:
    return tills_of(line)


def _outcomes(line: Line) -> Iterable[str]:
    return (line.outcome,)


def _customers(line: Line) -> Iterable[str]:
    """As they are shown."""
    return (one[:8] for one in customers_of(line))


def choose(conversations: Iterable[Conversation], chosen: Chosen) -> list[Conversation]:
    """The conversations with a line that is wanted, whole: cause and effect stay together."""
    return [one for one in conversations if any(chosen.takes(step.line) for step in one.steps)]
