"""Cards, people and askers for tests of decisions about cards."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import structs

from contracts.cards import Wanted
from contracts.reference import CardType
from erp_node.card_rules import Asker, HeldCard, Lock, Scene
from erp_node.refusals import Refusal
from erp_node.store.customers import Held
from tests.erp import retail

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LASTS = timedelta(seconds=60)
BEFORE, LATER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=30)
ASKED = UUID(int=77)
"""A question, or a request."""

TYPES = {
    "new": CardType(code="new", form="physical"),
    "gold": CardType(code="gold", form="physical", predefined=True),
    "mail": CardType(code="mail", form="virtual"),
    "strict": CardType(code="strict", form="physical", required_fields=["birth_date", "phone"]),
}


def person(number: int, **fields: Any) -> Held:
    held = Held(UUID(int=number), 1, "active", True, True, (), None, "")
    placed = {name: fields.pop(name) for name in tuple(fields) if name in Held.__struct_fields__}
    made = held.with_customer(retail(f"C-{number}", **{"email": "a@b.fr", **fields}))
    return structs.replace(made, **placed) if placed else made


ADA, BOB = person(1), person(2)
P1, P2, OFFICE = Asker("p1", "C1", NOW), Asker("p2", "C1", NOW), Asker(None, None, NOW)


def card(number: str = "C1", version: int = 1, **fields: Any) -> HeldCard:
    return HeldCard(number, version, **fields)


def lock(
    pos_id: str = "p1", token: int = 7, until: datetime = LATER, question: UUID | None = None
) -> Lock:
    """For ADA."""
    return Lock(pos_id, token, until, ADA.id, question)


def scene(customer: Held | None = ADA, present: str | None = None) -> Scene:
    return Scene(customer, present, TYPES)


def code_of(decided: object) -> str | None:
    return decided.code if isinstance(decided, Refusal) else None


WANTED = Wanted(number="C1", type="new")
