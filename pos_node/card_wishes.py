"""What a card must be to become a customer's, as far as the till can tell (CARD-2 … CARD-7, CARD-12)."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from contracts.cards import ASSIGNABLE, Card, CardBlocked, CardChange, card_key, refuse_voucher
from contracts.customers import Customer
from contracts.reference import CardType, Choice
from contracts.settings import Settings
from pos_node.card_views import ShownCard, present_card
from pos_node.refusal import Refusal
from pos_node.store.reference import read_entries
from web.problems import FieldProblem


@dataclass(frozen=True, slots=True)
class CardWish:
    """The card a customer is to get: a number, or none for a virtual one. `type` may be left out where there is
    no choice (CARD-5)."""

    number: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What giving a card looks at: the customer, whether the ERP has it as it is, its cards, what the ERP has set;
    the card of the wanted number, and whom it was given to here."""

    customer: Customer
    known_to_erp: bool
    cards: tuple[ShownCard, ...]
    types: tuple[CardType, ...]
    settings: Settings
    held: Card | None
    promised_to: UUID | None


def choose_type(wish: CardWish, types: Sequence[CardType], held: Card | None) -> CardType | None:
    """The type of the card to be given; None for a voucher, which has none (CARD-5).

    Raises Refusal: `card.no_type`, `card.choose_type`, `card.type_unknown`, `card.made_otherwise`,
    `card.virtual_has_no_number`, `card.number_missing`.
    """
    if held is not None and held.form == "voucher":
        return None
    visible = [one for one in types if one.visible]
    if held is not None and held.type is not None:
        visible = [one for one in visible if one.code == held.type]
    elif wish.number is not None:
        visible = [one for one in visible if one.form == "physical"]
    if not visible:
        raise Refusal("card.no_type")
    if wish.type is None and len(visible) > 1:
        choices = {"choices": ", ".join(one.code for one in visible)}
        raise Refusal(
            "card.choose_type", choices, [FieldProblem("type", "card.choose_type", choices)]
        )
    chosen = next((one for one in visible if wish.type in (None, one.code)), None)
    if chosen is None and held is not None and wish.number is not None:
        raise at_number("card.made_otherwise", {"number": wish.number})
    if chosen is None and any(one.code == wish.type and one.visible for one in types):
        raise at_number("card.virtual_has_no_number", {"type": wish.type or ""})
    if chosen is None:
        params = {"type": wish.type or ""}
        raise Refusal(
            "card.type_unknown", params, [FieldProblem("type", "card.type_unknown", params)]
        )
    if chosen.form == "physical" and wish.number is None:
        raise Refusal("card.number_missing", fields=[FieldProblem("number", "card.number_missing")])
    return chosen


def check_required(kind: CardType | None, customer: Customer) -> None:
    """Raises Refusal `card.field_required`, marking each field a card requires and that has no value (CARD-3)."""
    required = list(kind.required_fields) if kind else []
    if kind is not None and kind.form == "virtual" and "email" not in required:
        required.append("email")
    missing = [name for name in required if not _value_of(customer, name)]
    if missing:
        fields = [FieldProblem(name, "card.field_required", {"field": name}) for name in missing]
        raise Refusal("card.field_required", {"field": missing[0]}, fields)


def check_card(look: Look, customer_id: UUID, number: str) -> None:
    """Raises Refusal when this till knows that a card cannot be this customer's (CARD-2, CARD-4, CARD-7)."""
    held, named = look.held, {"number": number}
    if card_key(number) in _blocked(look) or (held is not None and held.state == "blocked"):
        raise at_number("card.blocked", named)
    if held is not None and held.customer_id not in (None, customer_id):
        raise at_number("card.in_use", named)
    if look.promised_to not in (None, customer_id):
        raise at_number("card.in_use", named)
    if held is None:
        return
    if held.state not in ASSIGNABLE:
        raise at_number("card.inactive", named)
    code = refuse_voucher(held.form, held.state, held.value, reusable=held.reusable)
    if code is not None:
        raise at_number(code, named)


def check_room(look: Look, change: CardChange) -> None:
    """Raises Refusal `card.customer_has_one` when the customer would have a second card (CARD-2), `card.blocked` when
    the card to be blocked is so already: somebody else was faster."""
    present = present_card(look.cards)
    if isinstance(change, CardBlocked):
        key = card_key(change.number)
        if key in _blocked(look):
            raise at_number("card.blocked", {"number": change.number})
        if change.replacement is None or (present and card_key(present.number or "") == key):
            return
    if present is not None:
        raise has_one(present)


def has_one(present: ShownCard) -> Refusal:
    """Of the customer whose card this is; a virtual one may still be on its way."""
    if present.number is None:
        return Refusal("card.on_its_way")
    return Refusal("card.customer_has_one", {"number": present.number})


def check_reason(connection: sqlite3.Connection, reason: str) -> None:
    reasons = [one.code for one in read_entries(connection, Choice) if one.list == "block_reason"]
    if reason not in reasons:
        params = {"reason": reason, "choices": ", ".join(reasons)}
        raise Refusal(
            "card.reason_unknown", params, [FieldProblem("reason", "card.reason_unknown", params)]
        )


def at_number(code: str, params: dict[str, str]) -> Refusal:
    """The field of the number is marked."""
    return Refusal(code, params, [FieldProblem("number", code, params)])


def _blocked(look: Look) -> set[str]:
    """The customer's cards that work no longer, as they are shown here."""
    return {card_key(one.number) for one in look.cards if one.number and one.state == "blocked"}


def _value_of(customer: Customer, name: str) -> object:
    """A field of the record; `postal_code` is the main address's."""
    if name == "postal_code":
        main = customer.main_address
        return main.postal_code if main else None
    return getattr(customer, name, None)
