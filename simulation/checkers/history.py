"""What was seen happening: commits at tills, versions stored, what was searched and chosen."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

FORGER = "forger"
"""Who makes changes that must never be applied anywhere."""

OTHER_SELF = "other self"
"""A till's: makes changes under numbers that were applied. An ERP that has lost what it applied cannot tell them."""

_TOKEN = re.compile(r"tk\d+x")


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold, and where."""

    invariant: str
    text: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A version of a row as a till stored it. `file`: which file of the till, since each backup begins anew."""

    till: str
    file: int
    kind: str
    key: str
    version: int
    state: str


@dataclass(frozen=True, slots=True)
class Excuse:
    """Changes made at a till between two moments may be lost: what held them was put back to before, or was
    somebody else's as well. `till` None: at any till."""

    why: str
    till: str | None
    after: float
    until: float


@dataclass(slots=True)
class Made:
    """A change committed at a till. `tokens`: what it is known by. `numbers`: each that it ever had, (epoch, seq)."""

    till: str
    at: float
    customer: str
    added: bool
    tokens: tuple[str, ...]
    numbers: list[tuple[str, int]]
    type: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndedSearch:
    """How a search stood when it had been cancelled, and how it stands at the end."""

    till: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class GivenCard:
    """A card the ERP had confirmed when the till told its cashier so."""

    till: str
    at: float
    card: str
    customer: str


@dataclass
class History:
    """`tokens`: words that each occur in one change only, and who made it. `chosen`: (till, customer)."""

    stored: list[Stored] = field(default_factory=list)
    made: dict[str, Made] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    chosen: list[tuple[str, str]] = field(default_factory=list)
    searches: list[EndedSearch] = field(default_factory=list)
    excused: list[Excuse] = field(default_factory=list)
    given: list[GivenCard] = field(default_factory=list)

    def journalled(
        self, till: str, entry: str, number: tuple[str, int], body: bytes, at: float
    ) -> None:
        """An entry of a till's journal was committed, or got another number."""
        if (known := self.made.get(entry)) is not None:
            if number not in known.numbers:
                known.numbers.append(number)
            return
        read = msgspec.json.decode(body)
        data = read["data"]
        tokens = tuple(dict.fromkeys(_TOKEN.findall(body.decode())))
        added = read["type"] == "customer.added"
        kind = read["type"]
        self.made[entry] = Made(till, at, data["customer_id"], added, tokens, [number], kind, data)

    def excuse(self, made: Made) -> str | None:
        """Why a change may be lost, or None."""
        return self.excuse_at(made.till, made.at)

    def excuse_at(self, till: str, at: float) -> str | None:
        """Why something that happened at a till at a moment may be lost, or None."""
        return next(
            (
                one.why
                for one in self.excused
                if one.till in (None, till) and one.after <= at <= one.until
            ),
            None,
        )


def tokens_in(text: str) -> Iterable[str]:
    """The tokens in a text, as often as they occur."""
    return _TOKEN.findall(text)
