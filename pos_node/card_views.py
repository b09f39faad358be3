"""A customer's cards as the till shows them: what the ERP sent, with what was done here and is on its way (CARD-10)."""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from contracts.cards import (
    ASSIGNABLE,
    Card,
    CardAssigned,
    CardBlocked,
    CardChange,
    CardForm,
    CardRequested,
    CardState,
    Wanted,
    card_key,
)
from pos_node.customers import refuse_gone
from pos_node.refusal import Refusal
from pos_node.store import cards as rows
from pos_node.store.customers import find_customer


@dataclass(frozen=True, slots=True)
class ShownCard:
    """A card as the till shows it. `waiting`: what was done here has not been answered yet. A virtual card that was
    asked for has no number yet."""

    number: str | None
    form: CardForm
    type: str | None
    state: CardState
    points: int = 0
    reason: str | None = None
    waiting: bool = False

    @property
    def works(self) -> bool:
        return self.state in ASSIGNABLE


@dataclass(frozen=True, slots=True)
class Found:
    """A card looked up by its number (CARD-1): whose it is, as far as this till knows."""

    card: ShownCard
    customer_id: UUID | None


def shown_card(card: Card) -> ShownCard:
    """A card as the ERP has it."""
    return ShownCard(card.number, card.form, card.type, card.state, card.points_shown, card.reason)


def overlay(
    cards: Iterable[Card],
    changes: Iterable[CardChange],
    known: Callable[[str], Card | None] = lambda number: None,
) -> tuple[ShownCard, ...]:
    """A customer's cards with what was done here: what works first. `known`: cards nobody has, or somebody else."""
    shown = {card_key(card.number): shown_card(card) for card in cards}

    def give(wanted: Wanted) -> None:
        key, card = card_key(wanted.number), known(wanted.number)
        new = (
            shown_card(card)
            if card
            else ShownCard(wanted.number, "physical", wanted.type, "active")
        )
        shown[key] = replace(shown.get(key, new), waiting=True)

    for change in changes:
        match change:
            case CardAssigned():
                give(change.card)
            case CardBlocked():
                key = card_key(change.number)
                before = shown.get(key) or ShownCard(change.number, "physical", None, "active")
                shown[key] = replace(before, state="blocked", reason=change.reason, waiting=True)
                if change.replacement is not None:
                    give(change.replacement)
            case CardRequested():
                key = str(change.request_id)
                shown[key] = ShownCard(None, "virtual", change.type, "active", waiting=True)
    return tuple(sorted(shown.values(), key=lambda one: not one.works))


def present_card(cards: Iterable[ShownCard]) -> ShownCard | None:
    """The card a customer has: one that is not blocked (CARD-2)."""
    return next((one for one in cards if one.state != "blocked"), None)


def read_cards(connection: sqlite3.Connection, customer_id: UUID) -> tuple[ShownCard, ...]:
    stored = find_customer(connection, customer_id)
    if refusal := refuse_gone(stored):
        raise refusal
    if stored is None or stored.state != "active":
        raise Refusal("customer.unknown")
    return _overlaid(connection, customer_id)


def _overlaid(connection: sqlite3.Connection, customer_id: UUID) -> tuple[ShownCard, ...]:
    return overlay(
        rows.cards_of(connection, customer_id),
        rows.changes_of(connection, customer_id),
        lambda number: rows.find_card(connection, number),
    )


def find_shown(connection: sqlite3.Connection, number: str) -> Found:
    card = rows.find_card(connection, number)
    owner = promised_to(connection, number) or (card.customer_id if card else None)
    if card is None and owner is None:
        raise Refusal("card.unknown", {"number": number})
    if owner is None or find_customer(connection, owner) is None:
        shown = (
            shown_card(card)
            if card
            else ShownCard(number, "physical", None, "active", waiting=True)
        )
        return Found(shown, owner)
    cards = _overlaid(connection, owner)
    found = [one for one in cards if one.number and card_key(one.number) == card_key(number)]
    return Found(found[0] if found else shown_card(card or Card(number=number)), owner)


def promised_to(connection: sqlite3.Connection, number: str) -> UUID | None:
    """Whom a card was given to here, the ERP not having answered yet."""
    owner: UUID | None = None
    for change in rows.all_changes(connection):
        wanted = change.card if isinstance(change, CardAssigned) else None
        if isinstance(change, CardBlocked):
            wanted = change.replacement
        if wanted is not None and card_key(wanted.number) == card_key(number):
            owner = change.customer_id
    return owner
