"""Bugs about loyalty cards: locks, tokens, arbitration, blocks."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from contracts.cards import Card, CardAssigned
from erp_node import card_cases, card_entries, changeset, sequencer
from pos_node import cards as till_cards
from pos_node.store.cards import CardData, put_card
from simulation.mutants.mutant import Mutant, Swap

LATEST = datetime(2999, 1, 1, tzinfo=UTC)


def _for_ever(before: Any) -> Any:
    """A token counts however old it is."""

    def decide(card: Any, wanted: Any, scene: Any, asker: Any, token: int | None) -> Any:
        if token is not None and card.lock is not None and card.lock.token == token:
            held = structs.replace(card, lock=structs.replace(card.lock, until=LATEST))
            decided = before(held, wanted, scene, asker, token)
            return card if decided is held else decided
        return before(card, wanted, scene, asker, token)

    return decide


def _any_token(before: Any) -> Any:
    """Whoever has had the lock may write."""

    def decide(card: Any, wanted: Any, scene: Any, asker: Any, token: int | None) -> Any:
        if token is None or card.lock is None:
            return before(card, wanted, scene, asker, token)
        own = structs.replace(card.lock, pos_id=asker.pos_id, token=token, until=LATEST)
        held = structs.replace(card, lock=own)
        decided = before(held, wanted, scene, asker, token)
        return card if decided is held else decided

    return decide


def _one_more(before: Any) -> Any:
    """A lock is given while another till holds it."""

    def decide(card: Any, *others: Any) -> Any:
        return before(structs.replace(card, lock=None), *others)

    return decide


_MADE_AT: dict[str, datetime] = {}
_SEEN_AT = [LATEST]


def _earlier_wins(before: Any) -> Any:
    """What was done earlier by the tills' clocks takes the card away from whoever has it."""

    def apply(table: Any, place: Any, entry: Any, change: Any, customer: Any) -> Any:
        if table.now < _SEEN_AT[0]:  # a world begun anew
            _MADE_AT.clear()
        _SEEN_AT[0] = table.now
        if not isinstance(change, CardAssigned):
            return before(table, place, entry, change, customer)
        card, at = table.card(change.card.number), change.author.at
        taken = card.customer_id not in (None, change.customer_id)
        if taken and card.state == "active" and at < _MADE_AT.get(card.key, at):
            free = structs.replace(card, customer_id=None)
            table.cards[card.key] = free
            table.present.pop(card.customer_id, None)
        _MADE_AT[card.key] = at
        return before(table, place, entry, change, customer)

    return apply


_AT_TILL = [LATEST]


def _note_the_tills_clock(before: Any) -> Any:
    def apply(table: Any, place: Any, entry: Any, change: Any, customer: Any) -> Any:
        _AT_TILL[0] = change.author.at
        return before(table, place, entry, change, customer)

    return apply


def _by_the_tills_clock(before: Any) -> Any:
    """Whether a lock is over is judged at the moment the till says it wrote."""

    def asker(pos_id: str, centre: str, now: datetime) -> Any:
        return before(pos_id, centre, _AT_TILL[0])

    return asker


def _no_stop(before: Any) -> Any:
    async def nothing(self: Any, numbered: Sequence[Any]) -> None:
        return None

    return nothing


def _kept(before: Any) -> Any:
    """The till stores what it gives as if the ERP had said so."""

    def write(self: Any, connection: sqlite3.Connection, changes: Sequence[Any]) -> None:
        before(self, connection, changes)
        for one in changes:
            if isinstance(one, CardAssigned):
                card = Card(number=one.card.number, type=one.card.type, customer_id=one.customer_id)
                put_card(connection, CardData(card, 1, "all.customers"))

    return write


def _verdict_lost(before: Any) -> Any:
    def apply(table: Any, place: Any, entry: Any, change: Any, customer: Any) -> None:
        before(table, place, entry, change, customer)

    return apply


MUTANTS = (
    Mutant("lock_without_expiry", "a token counts after its lock's time", (
        Swap(card_cases, "decide_assign", _for_ever), Swap(card_entries, "decide_assign", _for_ever))),
    Mutant("token_not_compared", "a card is given under whatever token", (
        Swap(card_cases, "decide_assign", _any_token), Swap(card_entries, "decide_assign", _any_token))),
    Mutant("locked_twice", "a card is locked while another till holds it", (
        Swap(card_cases, "decide_lock", _one_more),)),
    Mutant("arbitration_by_clock", "of two tills the one whose clock is behind gets the card", (
        Swap(changeset, "apply_card_entry", _earlier_wins),)),
    Mutant("expiry_on_the_tills_clock", "a lock is over when the till says so", (
        Swap(changeset, "apply_card_entry", _note_the_tills_clock), Swap(card_entries, "Asker", _by_the_tills_clock))),
    Mutant("block_not_urgent", "a block comes when the feed comes", (
        Swap(sequencer.Sequencer, "_tell_stops", _no_stop),)),
    Mutant("assignment_not_undone", "a till that lost a card shows it for ever", (
        Swap(till_cards.Cards, "_write", _kept),)),
    Mutant("lost_card_not_told", "a till that lost a card is not told", (
        Swap(changeset, "apply_card_entry", _verdict_lost),)),
)  # fmt: skip
