"""What the ERP's users alone do to a card: predefine, take away, unblock, change it. Pure decisions, on a card held
until the end of the transaction (CARD-2, CARD-4, CARD-6, CARD-12)."""

from dataclasses import dataclass
from decimal import Decimal

from msgspec import structs

from contracts.cards import CardState
from erp_node.card_rules import (
    Asker,
    HeldCard,
    Scene,
    refuse_kind,
    refuse_locked,
    unknown_card,
)
from erp_node.refusals import Refusal


@dataclass(frozen=True, slots=True)
class CardEdit:
    """What of a card is to be otherwise; None stays as it is."""

    state: CardState | None = None
    points: int | None = None
    value: Decimal | None = None
    reusable: bool | None = None


def decide_make(card: HeldCard, wanted: HeldCard, scene: Scene) -> HeldCard | Refusal:
    """A card that is predefined (CARD-4, CARD-6), in its first version, or why it cannot be. Nobody has it yet."""
    if card.version:
        return Refusal("card.exists", {"number": card.number}, "number")
    if refusal := _refuse_type(wanted, scene) or _refuse_made(wanted):
        return refusal
    return structs.replace(wanted, version=1, lock=card.lock)


def decide_take_away(card: HeldCard, asker: Asker) -> HeldCard | Refusal:
    """The card as nobody's, as it is otherwise; refused while a till holds it. The same card when nobody has it."""
    if not card.version:
        return unknown_card(card)
    if card.customer_id is None:
        return card
    return refuse_locked(card, asker) or structs.replace(card, customer_id=None, token=None)


def decide_unblock(card: HeldCard, scene: Scene) -> HeldCard | Refusal:
    """The card active again; the same card when it is not blocked. `scene` is that of the card's customer, who may
    have another card by now (CARD-2)."""
    if not card.version:
        return unknown_card(card)
    if card.state != "blocked":
        return card
    if scene.present is not None and scene.present != card.key:
        return Refusal("card.customer_has_one", {"number": scene.present})
    return structs.replace(card, state="active", reason=None)


def decide_change(card: HeldCard, edit: CardEdit, scene: Scene) -> HeldCard | Refusal:
    """The card with other points, value or state, or why it does not get them (CARD-4). A blocked one stays so.
    `scene` is that of the card's customer, who may have another card since this one was set aside (CARD-2)."""
    if not card.version:
        return unknown_card(card)
    after = structs.replace(
        card,
        state=edit.state or card.state,
        points=card.points if edit.points is None else edit.points,
        value=card.value if edit.value is None else edit.value,
        reusable=card.reusable if edit.reusable is None else edit.reusable,
    )
    if card.state != after.state and "blocked" in (card.state, after.state):
        return Refusal("card.blocked", {"number": card.number}, "state")
    if after.serves and not card.serves and scene.present not in (None, card.key):
        return Refusal("card.customer_has_one", {"number": scene.present or ""}, "state")
    refusal = _refuse_made(after)
    if refusal is not None and _refuse_made(card) is None:  # what SQL made so is let be
        return refusal
    if card.customer_id is not None and after != card and (refusal := refuse_kind(after)):
        return refusal
    return after


_STATES_OF_VOUCHERS: frozenset[CardState] = frozenset({"confirmed", "received"})


def _refuse_type(card: HeldCard, scene: Scene) -> Refusal | None:
    """Why a card cannot be of its type, or None. Vouchers have none (CARD-5)."""
    if card.type is None:
        return None
    kind = scene.types.get(card.type)
    if kind is None:
        return Refusal("card.type_unknown", {"type": card.type}, "type")
    if kind.form != card.form:
        return Refusal("card.type_other_form", {"type": card.type}, "type")
    return None


def _refuse_made(card: HeldCard) -> Refusal | None:
    """Why a card of its form cannot be as it is (CARD-4, CARD-10), or None."""
    if card.form == "voucher":
        return Refusal("card.voucher_without_points", field="points") if card.points else None
    for name, has in (
        ("state", card.state in _STATES_OF_VOUCHERS),
        ("value", card.value is not None),
        ("reusable", card.reusable),
    ):
        if has:
            return Refusal("card.voucher_only", field=name)
    return None
