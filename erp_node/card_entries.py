"""What becomes of tills' journal entries about cards: the first to arrive keeps the card, the others are told
(CARD-8, CARD-9, CARD-12, CARD-13)."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

from contracts.cards import CardAssigned, CardBlocked, CardChange, CardRequested
from contracts.journal import Verdict
from contracts.topology import user_of
from erp_node.card_rules import (
    Asker,
    HeldCard,
    Scene,
    beside,
    decide_assign,
    decide_block,
    decide_issue,
    virtual_number,
)
from erp_node.card_table import CardTable, Deed
from erp_node.entries import Change
from erp_node.refusals import Refusal
from erp_node.store.customers import Held
from erp_node.store.letters import Letter
from erp_node.verdicts import Place, refused_verdict


def apply_card_entry(
    table: CardTable, place: Place, entry: UUID, change: CardChange, customer: Held | None
) -> Verdict | None:
    """Decides one entry on the table; what the till is told when not all of it was applied. `entry` is its id, which
    it keeps under whatever number it comes."""
    till = place.till
    deed = Deed(change.author.operator, user_of(till.pos_id), table.now, change.author.at, entry)
    asker, scene = Asker(till.pos_id, till.centre, table.now), table.scene(customer)
    match change:
        case CardAssigned():
            refusal = _assign(table, change, scene, asker, deed)
        case CardBlocked():
            refusal = _block(table, change, scene, asker, deed)
        case CardRequested():
            refusal = _issue(table, change, scene, place, asker, deed)
    if refusal is None:
        return None
    code, number = _undone(table, change, deed)
    name = customer.display_name if customer else ""
    told = {**refusal.params, "name": name, "card": number, "why": refusal.code}
    return refused_verdict(place, change.customer_id, replace(refusal, code=code, params=told))


def _undone(table: CardTable, change: CardChange, deed: Deed) -> tuple[str, str]:
    """What was not done, and with which card. A block stands whatever became of the next card."""
    match change:
        case CardAssigned():
            return "card.undone", change.card.number
        case CardBlocked():
            card = table.card(change.number)
            theirs = card.state == "blocked" and card.customer_id == change.customer_id
            if change.replacement and (theirs or table.was_applied(deed, "blocked")):
                return "card.undone", change.replacement.number
            return "card.not_blocked", change.number
        case CardRequested():
            return "card.not_issued", ""


def numbers_in(change: Change) -> Iterator[str]:
    """The numbers of the cards that an entry is about."""
    match change:
        case CardAssigned():
            yield change.card.number
        case CardBlocked():
            yield change.number
            if change.replacement is not None:
                yield change.replacement.number
        case CardRequested():
            yield virtual_number(change.request_id)


def _assign(
    table: CardTable, change: CardAssigned, scene: Scene, asker: Asker, deed: Deed
) -> Refusal | None:
    if table.was_applied(deed, "assigned"):
        return None
    card = table.card(change.card.number)
    decided = decide_assign(card, change.card, scene, asker, change.token)
    if isinstance(decided, Refusal):
        return table.refuse(card, decided, change.customer_id, deed)
    table.put(decided, "assigned", deed, token=change.token)
    return None


def _block(
    table: CardTable, change: CardBlocked, scene: Scene, asker: Asker, deed: Deed
) -> Refusal | None:
    """A block stands whether or not the next card can be given. All is decided before anything is put on the table."""
    card = table.card(change.number)
    again = table.was_applied(deed, "blocked")
    blocked = card if again else decide_block(card, change.customer_id, change.reason)
    if isinstance(blocked, Refusal):
        return table.refuse(card, blocked, change.customer_id, deed)
    wanted, given = change.replacement, None
    if wanted is not None and not table.was_applied(deed, "assigned"):
        there = table.card(wanted.number)
        after = scene if again else beside(scene, blocked)
        given = decide_assign(
            blocked if there is card else there, wanted, after, asker, change.token
        )
    if not again:
        table.put(blocked, "blocked", deed, reason=change.reason)
    if wanted is not None and isinstance(given, Refusal):
        return table.refuse(table.card(wanted.number), given, change.customer_id, deed)
    if isinstance(given, HeldCard):
        table.put(given, "assigned", deed, token=change.token)
    return None


def _issue(
    table: CardTable,
    change: CardRequested,
    scene: Scene,
    place: Place,
    asker: Asker,
    deed: Deed,
) -> Refusal | None:
    if table.was_applied(deed, "assigned"):
        return None
    card = table.card(virtual_number(change.request_id))
    decided = decide_issue(card, change.type, change.request_id, scene, asker)
    if isinstance(decided, Refusal):
        return table.refuse(card, decided, change.customer_id, deed)
    if decided is not card:
        language = place.till.settings.language
        table.send(Letter(change.request_id, card.key, change.customer_id, language))
    table.put(decided, "assigned", deed, request=change.request_id)
    return None
