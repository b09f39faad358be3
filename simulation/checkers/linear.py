"""I4: whether what tills saw of one card's lock can have happened in one order, each act at one moment between question
and answer (linearizability; a question without answer may have been acted upon at any time since, or never)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from simulation.checkers.history import Violation

Kind = Literal["lock", "confirm", "release"]
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Act:
    """A question about a card and its answer. Times on one clock, in seconds; `ended` None: no answer came.

    `token` is what was asked with, or granted. `refusal`: why not; of a release `lost` when nothing was released.
    """

    till: str
    kind: Kind
    began: float
    ended: float | None
    token: int | None = None
    customer: str = ""
    refusal: str | None = None

    @property
    def until(self) -> float:
        return NEVER if self.ended is None else self.ended


@dataclass(frozen=True, slots=True)
class Card:
    """What there is to know of a card at one moment: its lock, when that was granted at the earliest and latest, and
    whose it is."""

    till: str = ""
    token: int = 0
    earliest: float = 0.0
    latest: float = 0.0
    highest: int = 0
    owner: str = ""
    given_by: int = 0


@dataclass(frozen=True, slots=True)
class Clock:
    """How long locks last, and how far the ERP's clock and the tills' may differ over that time."""

    lasts: float
    slack: float
    patience: float = 30.0
    """Seconds after which a question without answer is not acted upon any more."""

    def may_hold(self, card: Card, act: Act) -> bool:
        """Whether the lock may still be held when the act happens."""
        return bool(card.till) and act.began <= card.latest + self.lasts + self.slack

    def may_be_over(self, card: Card, act: Act) -> bool:
        return not card.till or act.until >= card.earliest + self.lasts - self.slack


def check_linear(name: str, acts: Sequence[Act], clock: Clock) -> Iterator[Violation]:
    """Says so when there is no order; the acts of one card only."""
    if not _is_linear(sorted(acts, key=lambda act: act.began), clock):
        yield Violation("I4", f"{name}: {len(acts)} acts have no order that explains every answer")


def check_tokens(histories: Iterable[Sequence[Act]]) -> Iterator[Violation]:
    """I4: a token is given once, whatever the card."""
    given: dict[int, str] = {}
    for acts in histories:
        for act in acts:
            if act.kind != "lock" or act.token is None:
                continue
            if act.token in given:
                yield Violation("I4", f"token {act.token} of {given[act.token]} and of {act.till}")
            given[act.token] = act.till


def _is_linear(acts: Sequence[Act], clock: Clock) -> bool:
    """Tries every order that the times allow; what led nowhere once is not tried again."""
    everything = (1 << len(acts)) - 1
    answered = sum(1 << place for place, act in enumerate(acts) if act.ended is not None)
    tried: set[tuple[int, Card]] = set()
    ways = [(0, Card())]
    while ways:
        done, card = ways.pop()
        if done & answered == answered:
            return True
        if (done, card) in tried:
            continue
        tried.add((done, card))
        left = [place for place in range(len(acts)) if not done >> place & 1]
        first_end = min(acts[place].until for place in left)
        for place in left:
            act = acts[place]
            if act.began > first_end:
                break
            ways += [(done | 1 << place, after) for after in _after(card, act, clock)]
    return done == everything


def _after(card: Card, act: Act, clock: Clock) -> Iterator[Card]:
    """What a card may be after an act; nothing when its answer does not fit."""
    match act.kind:
        case "lock":
            yield from _locked(card, act, clock)
        case "confirm":
            yield from _confirmed(card, act, clock)
        case "release":
            yield from _released(card, act, clock)


def _locked(card: Card, act: Act, clock: Clock) -> Iterator[Card]:
    """A card may be locked for nobody else than its owner."""
    free = not card.till or card.till == act.till or clock.may_be_over(card, act)
    may = free and card.owner in ("", act.customer)
    if act.ended is None:  # granted under a token nobody heard of, or refused
        yield card
        if may:
            yield _with_lock(card, act, card.highest, clock.patience)
    elif act.refusal == "card.locked":
        if card.till and card.till != act.till and clock.may_hold(card, act):
            yield card
    elif act.refusal == "card.in_use":
        if card.owner not in ("", act.customer):
            yield card
    elif may and act.refusal is None and act.token is not None and act.token > card.highest:
        yield _with_lock(card, act, act.token, clock.patience)


def _confirmed(card: Card, act: Act, clock: Clock) -> Iterator[Card]:
    own = (card.till, card.token) == (act.till, act.token)
    again = card.owner == act.customer and card.given_by == act.token
    may = own and clock.may_hold(card, act) and card.owner in ("", act.customer)
    match act.refusal:
        case None:
            if may:
                yield _owned(card, act)
            if again or act.ended is None:
                yield card
        case "card.lock_lost":
            if not again and (not own or clock.may_be_over(card, act)):
                yield card
        case "card.in_use":
            if card.owner not in ("", act.customer):
                yield card
        case _:  # about the customer, of whom nothing is known here
            yield card


def _released(card: Card, act: Act, clock: Clock) -> Iterator[Card]:
    own = (card.till, card.token) == (act.till, act.token)
    may = own and clock.may_hold(card, act)
    if act.ended is None:
        yield card
        if may:
            yield _without_lock(card)
    elif act.refusal is None:
        if may:
            yield _without_lock(card)
    elif not own or clock.may_be_over(card, act):
        yield card


def _with_lock(card: Card, act: Act, token: int, patience: float) -> Card:
    known = act.token if act.token is not None else -token
    highest = max(card.highest, token)
    latest = act.began + patience if act.ended is None else act.ended
    return Card(act.till, known, act.began, latest, highest, card.owner, card.given_by)


def _without_lock(card: Card) -> Card:
    return Card(highest=card.highest, owner=card.owner, given_by=card.given_by)


def _owned(card: Card, act: Act) -> Card:
    return Card(highest=card.highest, owner=act.customer, given_by=act.token or 0)
