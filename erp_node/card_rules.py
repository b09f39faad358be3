"""Whose a card is: pure decisions about locks, assignments and blocks (CARD-2 … CARD-9, CARD-12, CARD-13, CARD-15).

A decision is made on a card whose lock row is held until the end of the transaction (store.cards.hold_cards), so that
whatever it sees of the card still holds when it is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from uuid import UUID

import msgspec
from msgspec import structs
from stdnum import luhn

from contracts.cards import (
    ASSIGNABLE,
    Card,
    CardForm,
    CardState,
    Wanted,
    card_key,
    refuse_voucher,
)
from contracts.reference import CardType
from erp_node.refusals import UNKNOWN, Refusal
from erp_node.store.customers import Held

NUMBER_DIGITS = 15
"""Of a virtual card's number, its check digit not counted."""


class Lock(msgspec.Struct, frozen=True, gc=False):
    """A card's lock as it was granted last, to a till for a customer; over once `until` is past. `question`: which
    granted or ended it."""

    pos_id: str
    token: int
    until: datetime
    customer_id: UUID
    question: UUID | None = None

    def is_for(self, pos_id: str | None, token: int, customer: Held | None) -> bool:
        """Whether it was granted to this till, under this token, for this customer."""
        whom = customer.id if customer is not None else None
        return (self.pos_id, self.token, self.customer_id) == (pos_id, token, whom)


class HeldCard(msgspec.Struct, frozen=True, gc=False):
    """A card as the ERP holds it, and its lock. Version 0: there is no such card yet.

    `token`: of the lock under which it was assigned. `request_id`: what a virtual one was made for.
    """

    number: str
    version: int = 0
    form: CardForm = "physical"
    type: str | None = None
    state: CardState = "active"
    customer_id: UUID | None = None
    points: int = 0
    reason: str | None = None
    reusable: bool = False
    value: Decimal | None = None
    token: int | None = None
    request_id: UUID | None = None
    lock: Lock | None = None

    @property
    def key(self) -> str:
        return card_key(self.number)

    @property
    def serves(self) -> bool:
        """Whether it is somebody's and works (CARD-2)."""
        return self.customer_id is not None and self.state in ASSIGNABLE

    def locked_at(self, now: datetime) -> Lock | None:
        """The lock, while it lasts."""
        return self.lock if self.lock is not None and self.lock.until > now else None

    @property
    def wire(self) -> Card:
        """What tills are told of it."""
        return Card(
            number=self.number, form=self.form, type=self.type, state=self.state, customer_id=self.customer_id,
            points=self.points, reason=self.reason, reusable=self.reusable, value=self.value,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asker:
    """Who wants something of a card: the till and its centre (none of both: a user of the ERP), and the moment on the
    ERP's clock."""

    pos_id: str | None
    centre: str | None
    now: datetime
    question: UUID | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What decisions see besides the card: the customer, the number of the card it has, the types there are."""

    customer: Held | None
    present: str | None = None
    types: Mapping[str, CardType] = field(default_factory=dict)


def decide_lock(
    card: HeldCard, wanted: Wanted, scene: Scene, asker: Asker, lock: Lock
) -> HeldCard | Refusal:
    """The card with this lock, or why there is none (CARD-15).

    The same card when the lock is held for this very question: it was delivered again, and its first answer may be
    with the till already (I9).
    """
    held = card.locked_at(asker.now)
    if (
        held is not None
        and held.pos_id == asker.pos_id
        and held.question == lock.question is not None
    ):
        return card
    if refusal := refuse_locked(card, asker) or _refuse_card(card, wanted, scene):
        return refusal
    if card.customer_id is not None and not _is_theirs(card, scene):
        return Refusal("card.in_use", {"number": card.number}, "number")
    return structs.replace(card, lock=lock)


def beside(scene: Scene, blocked: HeldCard) -> Scene:
    """The same once this card is blocked: its customer may have another one (CARD-13)."""
    return replace(scene, present=None) if scene.present == blocked.key else scene


def decide_assign(
    card: HeldCard, wanted: Wanted, scene: Scene, asker: Asker, token: int | None
) -> HeldCard | Refusal:
    """The card as the customer's, its lock over; or why it does not become that (CARD-2, CARD-3, CARD-8).

    The same card when it is the customer's already. What a card requires its own type says, where it has one; a
    voucher has none.
    """
    if refusal := refuse_customer(scene.customer, asker.centre):
        return refusal
    if card.serves and _is_theirs(card, scene) and token in (None, card.token):
        return card
    lock = card.locked_at(asker.now)
    if token is not None and not (lock and lock.is_for(asker.pos_id, token, scene.customer)):
        return Refusal("card.lock_lost", {"number": card.number})
    if refusal := refuse_locked(card, asker) or _refuse_card(card, wanted, scene):
        return refusal
    if card.customer_id is not None and not _is_theirs(card, scene):
        return Refusal("card.in_use", {"number": card.number}, "number")
    if scene.present is not None and scene.present != card.key:
        return Refusal("card.customer_has_one", {"number": scene.present})
    own = card.type if card.type is not None or card.form == "voucher" else wanted.type
    kind = scene.types.get(own or "")
    if missing := missing_for(kind, scene.customer):
        return Refusal("card.field_required", {"field": missing}, missing)
    assert scene.customer is not None
    made = card if card.version else structs.replace(card, number=wanted.number, type=wanted.type)
    return structs.replace(
        made, customer_id=scene.customer.id, token=token, lock=_over(card.lock, asker.now)
    )


def decide_block(card: HeldCard, customer_id: UUID | None, reason: str) -> HeldCard | Refusal:
    """The card blocked, whatever else it is; the same card when it is already (CARD-12).

    Refused for a card that is not this customer's: a till that lost the arbitration must not block the winner's.
    """
    if not card.version:
        return unknown_card(card)
    if card.customer_id != customer_id:
        return Refusal("card.not_theirs", {"number": card.number}, "number")
    if card.state == "blocked":
        return card
    return structs.replace(card, state="blocked", reason=reason)


def decide_issue(
    card: HeldCard, type_: str, request_id: UUID, scene: Scene, asker: Asker
) -> HeldCard | Refusal:
    """A virtual card of the number that was made for this request (CARD-9); the same once it is there."""
    if refusal := refuse_customer(scene.customer, asker.centre):
        return refusal
    assert scene.customer is not None
    if card.request_id == request_id and card.customer_id == scene.customer.id:
        return card
    kind = scene.types.get(type_)
    if kind is None or kind.form != "virtual":
        return Refusal("card.no_type")
    if card.version:
        return Refusal("card.in_use", {"number": card.number})
    if scene.present is not None:
        return Refusal("card.customer_has_one", {"number": scene.present})
    if missing := missing_for(kind, scene.customer) or missing_for(_MAILED, scene.customer):
        return Refusal("card.field_required", {"field": missing}, missing)
    return structs.replace(
        card, form="virtual", type=type_, customer_id=scene.customer.id, request_id=request_id
    )


def decide_release(card: HeldCard, token: int, asker: Asker) -> HeldCard | None:
    """The card without the lock of this token; None when that has ended, or is not this till's.

    The same card when this very question has ended it: it was delivered again (I9).
    """
    lock = card.lock
    if lock is None or (lock.pos_id, lock.token) != (asker.pos_id, token):
        return None
    if lock.until <= asker.now:
        return card if lock.question == asker.question is not None else None
    return structs.replace(
        card, lock=structs.replace(lock, until=asker.now, question=asker.question)
    )


def refuse_customer(customer: Held | None, centre: str | None) -> Refusal | None:
    """Why a till of a centre, or a user of the ERP (None), cannot give a customer a card, or None."""
    if customer is None:
        return UNKNOWN
    if customer.state in ("deleted", "anonymised"):
        return Refusal(f"customer.{customer.state}")
    if centre is None:
        return None if customer.offered else Refusal("customer.not_active")
    if not customer.offered or not customer.usable_at(centre):
        return Refusal("customer.not_available")
    return None


def refuse_kind(card: HeldCard) -> Refusal | None:
    """Why a card of its form cannot be somebody's (CARD-4), or None."""
    code = refuse_voucher(card.form, card.state, card.value, reusable=card.reusable)
    return Refusal(code, {"number": card.number}, "number") if code is not None else None


def refuse_locked(card: HeldCard, asker: Asker) -> Refusal | None:
    """While a till holds a card, nobody else decides whose it is (CARD-15)."""
    lock = card.locked_at(asker.now)
    if lock is None or lock.pos_id == asker.pos_id:
        return None
    return Refusal("card.locked", {"until": lock.until.isoformat(timespec="seconds")})


def unknown_card(card: HeldCard) -> Refusal:
    return Refusal("card.unknown", {"number": card.number}, "number")


def missing_for(kind: CardType | None, customer: Held | None) -> str | None:
    """The first field that a card of this type requires of its customer and that has no value (CARD-3)."""
    if kind is None or customer is None:
        return None
    return next((name for name in kind.required_fields if not _value_of(customer, name)), None)


def virtual_number(request_id: UUID) -> str:
    """The number of the card that a request leads to, whoever makes it and however often."""
    drawn = int.from_bytes(blake2b(request_id.bytes, digest_size=8).digest(), "big")
    digits = f"{drawn % 10**NUMBER_DIGITS:0{NUMBER_DIGITS}}"
    return digits + str(luhn.calc_check_digit(digits))


_MAILED = CardType(code="mailed", form="virtual", required_fields=["email"])


def _refuse_card(card: HeldCard, wanted: Wanted, scene: Scene) -> Refusal | None:
    """Why nobody could get this card, or None."""
    named = {"number": card.number}
    if not card.version:
        kind = scene.types.get(wanted.type or "")
        if kind is None or kind.predefined:
            return unknown_card(card)
        return Refusal("card.no_type") if kind.form != "physical" else None
    if card.state == "blocked":
        return Refusal("card.blocked", named, "number")
    if card.state not in ASSIGNABLE:
        return Refusal("card.inactive", named, "number")
    return refuse_kind(card)


def _is_theirs(card: HeldCard, scene: Scene) -> bool:
    return scene.customer is not None and card.customer_id == scene.customer.id


def _over(lock: Lock | None, now: datetime) -> Lock | None:
    if lock is None or lock.until <= now:
        return lock
    return structs.replace(lock, until=now)


def _value_of(customer: Held, name: str) -> object:
    """A field of the record; `postal_code` is the main address's."""
    if name == "postal_code":
        addresses = customer.record.get("addresses") or ()
        codes = (one.get("postal_code") for one in addresses if one.get("type", "main") == "main")
        return next(codes, None)
    return customer.record.get(name)
