"""I4, I5: of two tills that want one card one gets it, and what was done at tills is in the ERP or undone and told."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from contracts.cards import ASSIGNABLE
from erp_node.card_rules import virtual_number
from simulation.checkers.history import History, Made, Violation
from simulation.checkers.observed import CardEventSeen, ErpSeen, Seen, TillSeen

CARD_ENTRIES = ("card.assigned", "card.blocked", "card.requested")
UNDONE = "card.undone"
"""The verdict of an entry whose block stands and whose next card was not given."""

Row = tuple[int, str, str]


def check_cards(seen: Seen, history: History) -> Iterator[Violation]:
    """Every card by itself, then every till's entries and answers."""
    for key, events in groupby(seen.erp.card_events, key=lambda one: one.card):
        some = list(events)
        yield from _locks(key, some)
        yield from _owners(key, some)
    yield from _one_each(seen.erp)
    yield from _blocked(seen.erp)
    yield from _answered(seen, history)
    yield from _given(seen, history)


def wanted_cards(erp: ErpSeen, till: TillSeen) -> dict[str, Row]:
    """The cards a till should have: of customers it may have, and every blocked one (CARD-12)."""
    customers = {one.id: one for one in erp.customers}
    wanted: dict[str, Row] = {}
    for card in erp.cards:
        customer = customers.get(card.customer or "")
        here = (
            customer is not None
            and customer.offered
            and customer.usable_at(till.centre)
            and (till.full or (till.pos_id, customer.id) in erp.holdings)
        )
        if card.state == "blocked" or here:
            wanted[f"card/{card.key}"] = (card.version, "*", card.wire)
    return wanted


@dataclass(frozen=True, slots=True)
class _Held:
    """A lock that is held: by whom, under which token, until when on the ERP's clock."""

    pos: str
    token: int
    until: datetime


def _locks(card: str, events: list[CardEventSeen]) -> Iterator[Violation]:
    """I4: intervals do not overlap, tokens grow, and nothing is written under a token that is over."""
    held: _Held | None = None
    highest = 0
    for one in events:
        token: int | None = one.detail.get("token")
        if one.event == "locked" and token is not None:
            if held is not None and held.until > one.at and held.pos != one.where:
                yield Violation(
                    "I4", f"{card}: locked for {one.where} while {held.pos} holds {held.token}"
                )
            if token <= highest:
                yield Violation("I4", f"{card}: token {token} after {highest}")
            highest = max(highest, token)
            held = _Held(one.where, token, datetime.fromisoformat(one.detail["until"]))
        elif one.event == "released":
            if held is None or (held.pos, held.token) != (one.where, token):
                yield Violation(
                    "I4", f"{card}: {one.where} released {token}, which it did not hold"
                )
            held = None
        elif one.event == "assigned":
            if token is not None:
                lost = held is None or (held.pos, held.token) != (one.where, token)
                if lost or held is None or held.until <= one.at:
                    yield Violation(
                        "I4", f"{card}: {one.where} wrote under token {token}, which was over"
                    )
            elif held is not None and held.until > one.at and held.pos != one.where:
                yield Violation("I4", f"{card}: given by {one.where} while {held.pos} holds it")
            held = None


def _owners(card: str, events: list[CardEventSeen]) -> Iterator[Violation]:
    """I5: a card goes from one customer to another only when it was taken away."""
    owner: str | None = None
    for one in events:
        if one.event == "assigned":
            if owner is not None and one.customer != owner:
                yield Violation("I5", f"{card}: of {owner} and of {one.customer}")
            owner = one.customer
        elif one.event == "taken away":
            owner = None


def _one_each(erp: ErpSeen) -> Iterator[Violation]:
    owners: dict[str, str] = {}
    for card in erp.cards:
        if card.customer is None or card.state not in ASSIGNABLE:
            continue
        if card.customer in owners:
            cards = f"{owners[card.customer]} and {card.key}"
            yield Violation("I5", f"{card.customer} has two cards, {cards}")
        owners[card.customer] = card.key


def _blocked(erp: ErpSeen) -> Iterator[Violation]:
    """What was blocked is, unless somebody unblocked it (CARD-12)."""
    last = {one.card: one.event for one in erp.card_events if one.event in ("blocked", "unblocked")}
    for card in erp.cards:
        if (last.get(card.key) == "blocked") != (card.state == "blocked"):
            yield Violation("CARD-12", f"{card.key} is {card.state}, last {last.get(card.key)}")


def _answered(seen: Seen, history: History) -> Iterator[Violation]:
    """What a till did with a card is in the ERP, or the till has a notice (I5)."""
    done = {(one.card, one.event, one.customer, one.where) for one in seen.erp.card_events}
    verdicts = {(one.till, one.epoch, one.seq): one for one in seen.erp.verdicts}
    told = {till.pos_id: {notice.key for notice in till.notices} for till in seen.tills}
    stands = {(card.key, "assigned", card.customer) for card in seen.erp.cards}
    stands |= {(c.key, "blocked", c.customer) for c in seen.erp.cards if c.state == "blocked"}
    for made in history.made.values():
        if made.type not in CARD_ENTRIES or history.excuse(made) is not None:
            continue
        answers = [verdicts[key] for key in _keys(made) if key in verdicts]
        heard = [one for one in answers if one.id in told.get(made.till, set())]
        for card, event in _deeds(made):
            if any(event == "assigned" or one.code != UNDONE for one in heard):
                continue
            there = (card, event, made.customer, f"pos.{made.till}") in done
            if not there and (card, event, made.customer) not in stands:
                yield Violation(
                    "I5", f"{made.till}: {event} {card} is neither so nor undone {made.numbers}"
                )


def _deeds(made: Made) -> Iterator[tuple[str, str]]:
    """Card and event of an entry."""
    match made.type:
        case "card.assigned":
            yield made.data["card"]["number"].upper(), "assigned"
        case "card.blocked":
            yield made.data["number"].upper(), "blocked"
            if (after := made.data.get("replacement")) is not None:
                yield after["number"].upper(), "assigned"
        case "card.requested":
            yield virtual_number(UUID(made.data["request_id"])), "assigned"


def _keys(made: Made) -> list[tuple[str, str, int]]:
    return [(made.till, epoch, seq) for epoch, seq in made.numbers]


def _given(seen: Seen, history: History) -> Iterator[Violation]:
    """What the ERP confirmed to a till was done (I4): the answer may be lost, the deed may not."""
    done = {(one.card, one.customer) for one in seen.erp.card_events if one.event == "assigned"}
    for one in history.given:
        if (one.card, one.customer) not in done and history.excuse_at(one.till, one.at) is None:
            yield Violation("I4", f"{one.till}: {one.card} was confirmed and is not so")
