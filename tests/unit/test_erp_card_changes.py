"""What the ERP's users alone do to a card: predefine, take away, unblock, change (CARD-2, CARD-4, CARD-6, CARD-12)."""

from decimal import Decimal

import pytest
from msgspec import structs

from erp_node.card_changes import (
    CardEdit,
    decide_change,
    decide_make,
    decide_take_away,
    decide_unblock,
)
from erp_node.card_rules import (
    HeldCard,
)
from erp_node.refusals import Refusal
from tests.cards import ADA, NOW, OFFICE, card, code_of, lock, scene

MADE: tuple[tuple[HeldCard, str | None, str | None], ...] = (
    (HeldCard("C1"), None, None),
    (HeldCard("C1", type="gold", points=4, state="inactive"), None, None),
    (HeldCard("C1", form="virtual", type="mail"), None, None),
    (HeldCard("C1", form="voucher", reusable=True, value=Decimal(5), state="received"), None, None),
    (HeldCard("C1", type="nosuch"), "card.type_unknown", "type"),
    (HeldCard("C1", type="mail"), "card.type_other_form", "type"),
    (HeldCard("C1", form="voucher", type="new"), "card.type_other_form", "type"),
    (HeldCard("C1", form="voucher", points=1), "card.voucher_without_points", "points"),
    (HeldCard("C1", state="confirmed"), "card.voucher_only", "state"),
    (HeldCard("C1", value=Decimal(0)), "card.voucher_only", "value"),
    (HeldCard("C1", form="virtual", reusable=True), "card.voucher_only", "reusable"),
)  # fmt: skip


@pytest.mark.parametrize(("wanted", "code", "at"), MADE)
def test_card_4_card_6_a_card_is_predefined_as_its_form_allows(
    wanted: HeldCard, code: str | None, at: str | None
) -> None:
    decided = decide_make(card(version=0, lock=lock()), wanted, scene(None))
    if isinstance(decided, Refusal):
        assert (decided.code, decided.field) == (code, at)
    else:
        assert code is None
        assert decided == structs.replace(wanted, version=1, lock=lock())
    assert code_of(decide_make(card(), wanted, scene(None))) == "card.exists"


TAKEN: tuple[tuple[HeldCard, str | None], ...] = (
    (card(version=0), "card.unknown"),
    (card(customer_id=ADA.id, token=7, points=3), None),
    (card(customer_id=ADA.id, state="blocked", reason="lost"), None),
    (card(customer_id=ADA.id, lock=lock(until=NOW)), None),
    (card(customer_id=ADA.id, lock=lock()), "card.locked"),
)


@pytest.mark.parametrize(("there", "code"), TAKEN)
def test_card_2_a_card_that_is_taken_away_is_nobodys_and_stays_what_it_is(
    there: HeldCard, code: str | None
) -> None:
    decided = decide_take_away(there, OFFICE)
    assert code_of(decided) == code
    assert code is not None or decided == structs.replace(there, customer_id=None, token=None)
    assert decide_take_away(card(lock=lock()), OFFICE) == card(lock=lock())


BLOCKED = card(customer_id=ADA.id, state="blocked", reason="lost", points=3)


@pytest.mark.parametrize(
    ("there", "present", "code"),
    [
        (BLOCKED, None, None),
        (BLOCKED, "C1", None),
        (BLOCKED, "C2", "card.customer_has_one"),
        (card(version=0), None, "card.unknown"),
    ],
)
def test_card_2_card_12_a_card_is_unblocked_unless_its_customer_has_another_one(
    there: HeldCard, present: str | None, code: str | None
) -> None:
    decided = decide_unblock(there, scene(present=present))
    assert code_of(decided) == code
    assert code is not None or decided == structs.replace(there, state="active", reason=None)
    working = card(customer_id=ADA.id, state="inactive")
    assert decide_unblock(working, scene(present="C1")) is working


VOUCHER = card(form="voucher", reusable=True, customer_id=ADA.id)

CHANGED: tuple[tuple[HeldCard, CardEdit, str | None, str | None], ...] = (
    (card(), CardEdit(), None, None),
    (card(), CardEdit(points=5), None, None),
    (card(customer_id=ADA.id), CardEdit(state="inactive", points=0), None, None),
    (BLOCKED, CardEdit(points=0), None, None),
    (BLOCKED, CardEdit(state="blocked"), None, None),
    (BLOCKED, CardEdit(state="active"), "card.blocked", "state"),
    (card(), CardEdit(state="blocked"), "card.blocked", "state"),
    (card(version=0), CardEdit(), "card.unknown", "number"),
    (card(), CardEdit(state="received"), "card.voucher_only", "state"),
    (card(), CardEdit(value=Decimal(1)), "card.voucher_only", "value"),
    (card(), CardEdit(reusable=True), "card.voucher_only", "reusable"),
    (card(), CardEdit(reusable=False), None, None),
    (card(value=Decimal(1)), CardEdit(points=5), None, None),  # what SQL made so is let be
    (VOUCHER, CardEdit(value=Decimal("2.50")), None, None),
    (VOUCHER, CardEdit(points=1), "card.voucher_without_points", "points"),
    (VOUCHER, CardEdit(reusable=False), "card.voucher_not_reusable", "number"),
    (VOUCHER, CardEdit(state="confirmed", value=Decimal(1)), "card.voucher_has_value", "number"),
    (VOUCHER, CardEdit(state="confirmed", value=Decimal(0)), None, None),
    (card(form="voucher"), CardEdit(state="confirmed", value=Decimal(1)), None, None),
)


@pytest.mark.parametrize(("there", "edit", "code", "at"), CHANGED)
def test_card_4_what_of_a_card_can_be_changed(
    there: HeldCard, edit: CardEdit, code: str | None, at: str | None
) -> None:
    decided = decide_change(there, edit, scene())
    if isinstance(decided, Refusal):
        assert (decided.code, decided.field) == (code, at)
        return
    assert code is None
    given = {
        name: value
        for name in ("state", "points", "value", "reusable")
        if (value := getattr(edit, name)) is not None
    }
    assert decided == structs.replace(there, **given)


@pytest.mark.parametrize(
    ("present", "code"), [(None, None), ("C1", None), ("C2", "card.customer_has_one")]
)
def test_card_2_a_card_that_was_set_aside_works_again_unless_its_customer_has_another(
    present: str | None, code: str | None
) -> None:
    there = card(state="inactive", customer_id=ADA.id)
    decided = decide_change(there, CardEdit(state="active"), scene(present=present))
    assert code_of(decided) == code
