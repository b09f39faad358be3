"""Decisions of the ERP about what tills want of a card (CARD-2 … CARD-9, CARD-12, CARD-15, I4)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from msgspec import structs
from stdnum import luhn

from contracts.cards import Wanted, card_key
from contracts.reference import CardType
from erp_node.card_rules import (
    Asker,
    HeldCard,
    Lock,
    Scene,
    decide_assign,
    decide_block,
    decide_issue,
    decide_lock,
    decide_release,
    missing_for,
    refuse_customer,
    virtual_number,
)
from erp_node.refusals import Refusal
from erp_node.store.customers import Held
from tests.cards import (
    ADA,
    ASKED,
    BEFORE,
    BOB,
    LASTS,
    NOW,
    OFFICE,
    P1,
    P2,
    WANTED,
    card,
    code_of,
    lock,
    person,
    scene,
)

WISHED = lock(token=9, until=NOW + LASTS, question=ASKED)

# What nobody could get, whether it is asked for or given: CARD-2, CARD-4, CARD-5, CARD-6, CARD-7, CARD-12.
NOT_TO_BE_HAD: tuple[tuple[HeldCard, str | None, str | None], ...] = (
    (card(version=0), "new", None),
    (card(version=0), "strict", None),
    (card(version=0), None, "card.unknown"),
    (card(version=0), "gold", "card.unknown"),
    (card(version=0), "nosuch", "card.unknown"),
    (card(version=0), "mail", "card.no_type"),
    (card(), None, None),
    (card(type="gold"), "gold", None),
    (card(form="virtual", type="mail"), None, None),
    (card(state="inactive"), None, "card.inactive"),
    (card(state="blocked", reason="lost"), None, "card.blocked"),
    (card(customer_id=BOB.id), None, "card.in_use"),
    (card(customer_id=BOB.id, state="inactive"), None, "card.inactive"),
    (card(customer_id=BOB.id, state="blocked", reason="lost"), None, "card.blocked"),
    (card(form="voucher"), None, "card.voucher_not_reusable"),
    (card(form="voucher", reusable=True, value=Decimal(5)), None, None),
    (card(form="voucher", reusable=True, state="received"), None, None),
    (card(form="voucher", reusable=True, state="confirmed", value=Decimal(0)), None, None),
    (card(form="voucher", reusable=True, state="confirmed", value=Decimal(5)), None, "card.voucher_has_value"),
    (card(form="voucher", reusable=True, state="inactive", value=Decimal(0)), None, "card.inactive"),
)  # fmt: skip


@pytest.mark.parametrize(("there", "type_", "code"), NOT_TO_BE_HAD)
def test_card_4_card_6_card_7_a_card_that_cannot_be_had_is_neither_locked_nor_given(
    there: HeldCard, type_: str | None, code: str | None
) -> None:
    wanted = Wanted(number="C1", type=type_)
    customer = person(1, birth_date="2001-01-01", phone="1")
    locked = decide_lock(there, wanted, scene(customer), P1, WISHED)
    given = decide_assign(there, wanted, scene(customer), P1, None)
    assert (code_of(locked), code_of(given)) == (code, code)


@pytest.mark.parametrize(
    ("before", "code"),
    [
        (None, None),
        (lock("p2", until=BEFORE), None),
        (lock("p2", until=NOW), None),
        (lock("p1"), None),
        (lock("p2"), "card.locked"),
    ],
)
def test_card_15_a_lock_is_granted_when_no_other_till_has_one_that_lasts(
    before: Lock | None, code: str | None
) -> None:
    decided = decide_lock(card(lock=before), WANTED, scene(), P1, WISHED)
    assert code_of(decided) == code
    if isinstance(decided, Refusal):
        assert decided.params == {"until": "2026-03-01T12:00:30+00:00"}
    else:
        assert decided == card(lock=WISHED)


def test_card_15_a_question_that_comes_again_gets_the_lock_that_it_has() -> None:
    first = decide_lock(card(), WANTED, scene(), P1, WISHED)
    assert isinstance(first, HeldCard)
    assert decide_lock(first, WANTED, scene(), P1, lock(token=10, question=ASKED)) is first
    other = decide_lock(first, WANTED, scene(), P1, lock(token=10, question=uuid4()))
    assert isinstance(other, HeldCard)
    assert other.lock
    assert other.lock.token == 10


def test_card_15_the_customers_own_card_may_be_locked_again() -> None:
    assert code_of(decide_lock(card(customer_id=ADA.id), WANTED, scene(), P1, WISHED)) is None


def test_i4_a_token_counts_for_the_customer_it_was_given_for() -> None:
    """The numbers of an ERP that was put back begin again: what one of them was given for before it is not any more."""
    decided = decide_assign(card(lock=lock()), WANTED, scene(BOB), P1, 7)
    assert code_of(decided) == "card.lock_lost"


TOKENS: tuple[tuple[HeldCard, Asker, int | None, str | None], ...] = (
    (card(lock=lock()), P1, 7, None),
    (card(lock=lock()), P1, 6, "card.lock_lost"),
    (card(lock=lock(until=NOW)), P1, 7, "card.lock_lost"),
    (card(lock=lock("p2")), P1, 7, "card.lock_lost"),
    (card(), P1, 7, "card.lock_lost"),
    (card(), P1, None, None),
    (card(lock=lock()), P1, None, None),
    (card(lock=lock("p2")), P1, None, "card.locked"),
    (card(lock=lock("p2", until=NOW)), P1, None, None),
    (card(lock=lock()), OFFICE, None, "card.locked"),
    (card(lock=lock(until=NOW)), OFFICE, None, None),
    (card(customer_id=ADA.id, token=7), P1, 7, None),  # confirmed again, the lock long over
    (card(customer_id=ADA.id, token=8), P1, 7, "card.lock_lost"),
)


@pytest.mark.parametrize(("there", "asker", "token", "code"), TOKENS)
def test_i4_a_card_is_given_with_the_token_of_a_lock_that_lasts_or_while_nobody_holds_it(
    there: HeldCard, asker: Asker, token: int | None, code: str | None
) -> None:
    decided = decide_assign(there, WANTED, scene(), asker, token)
    assert code_of(decided) == code
    if isinstance(decided, HeldCard):
        assert decided.customer_id == ADA.id
        assert decided.locked_at(NOW) is None  # with the card the lock is over


def test_card_8_the_customers_card_given_again_stays_the_same() -> None:
    there = card(customer_id=ADA.id, token=7)
    for token in (None, 7):
        assert decide_assign(there, WANTED, scene(present="C1"), P1, token) is there


def test_card_2_a_customer_who_has_a_card_gets_no_second_one() -> None:
    decided = decide_assign(card("C2"), Wanted(number="C2"), scene(present="C1"), P1, None)
    assert isinstance(decided, Refusal)
    assert (decided.code, decided.params) == ("card.customer_has_one", {"number": "C1"})


def test_card_6_a_card_that_comes_into_being_has_the_number_and_type_that_were_asked_for() -> None:
    made = decide_assign(card("c1", 0), Wanted(number="c1", type="new"), scene(), P1, None)
    assert made == HeldCard("c1", 0, type="new", customer_id=ADA.id)
    there = decide_assign(card(type="gold", points=4), WANTED, scene(), P1, None)
    assert there == card(type="gold", points=4, customer_id=ADA.id)


CUSTOMERS: tuple[tuple[Held | None, str | None, str | None], ...] = (
    (None, "customer.unknown", "customer.unknown"),
    (ADA, None, None),
    (person(1, state="deleted"), "customer.deleted", "customer.deleted"),
    (person(1, state="anonymised"), "customer.anonymised", "customer.anonymised"),
    (person(1, state="inactive"), "customer.not_available", "customer.not_active"),
    (person(1, is_customer=False), "customer.not_available", "customer.not_active"),
    (person(1, everywhere=False, centres=("C1",)), None, None),
    (person(1, everywhere=False, centres=("C2",)), "customer.not_available", None),
)


@pytest.mark.parametrize(("customer", "at_till", "in_office"), CUSTOMERS)
def test_a_customer_gets_cards_where_they_can_be_used_and_in_the_erp_wherever_that_is(
    customer: Held | None, at_till: str | None, in_office: str | None
) -> None:
    for asker, code in ((P1, at_till), (OFFICE, in_office)):
        assert code_of(refuse_customer(customer, asker.centre)) == code
        assert code_of(decide_assign(card(), WANTED, scene(customer), asker, None)) == code
    issued = decide_issue(card(version=0), "mail", ASKED, scene(customer), P1)
    assert code_of(issued) == at_till


FIELDS: tuple[tuple[Mapping[str, Any], list[str], str | None], ...] = (
    ({}, [], None),
    ({}, ["phone"], "phone"),
    ({"phone": "1"}, ["phone", "email"], None),
    ({"birth_date": "2001-01-01"}, ["birth_date", "phone"], "phone"),
    ({}, ["postal_code"], "postal_code"),
    ({"town": "Lyon"}, ["postal_code"], "postal_code"),
    ({"postal_code": "69001"}, ["postal_code"], None),
    ({}, ["first_name", "last_name", "code"], None),
)


@pytest.mark.parametrize(("fields", "required", "missing"), FIELDS)
def test_card_3_the_first_field_that_a_card_requires_and_that_is_missing(
    fields: Mapping[str, Any], required: list[str], missing: str | None
) -> None:
    kind = CardType(code="new", form="physical", required_fields=required)
    customer = person(1, **fields)
    assert missing_for(kind, customer) == missing
    decided = decide_assign(card(), WANTED, Scene(customer, None, {"new": kind}), P1, None)
    if missing is None:
        assert code_of(decided) is None
    else:
        assert decided == Refusal("card.field_required", {"field": missing}, missing)


def test_card_9_a_request_leads_to_one_virtual_card() -> None:
    number = virtual_number(ASKED)
    assert luhn.is_valid(number)
    assert len(number) == 16
    made = decide_issue(HeldCard(number), "mail", ASKED, scene(), P1)
    assert isinstance(made, HeldCard)
    assert (made.form, made.type, made.customer_id) == ("virtual", "mail", ADA.id)
    there = structs.replace(made, version=1)
    assert decide_issue(there, "mail", ASKED, scene(present=number), P1) is there


ISSUES: tuple[tuple[HeldCard, str, Scene, str], ...] = (
    (card(version=0), "new", scene(), "card.no_type"),
    (card(version=0), "nosuch", scene(), "card.no_type"),
    (card(request_id=uuid4()), "mail", scene(), "card.in_use"),
    (card(request_id=ASKED, customer_id=BOB.id), "mail", scene(), "card.in_use"),
    (card(version=0), "mail", scene(present="C9"), "card.customer_has_one"),
    (card(version=0), "mail", scene(person(1, email=None)), "card.field_required"),
)


@pytest.mark.parametrize(("there", "type_", "around", "code"), ISSUES)
def test_card_9_a_virtual_card_that_cannot_be_made(
    there: HeldCard, type_: str, around: Scene, code: str
) -> None:
    assert code_of(decide_issue(there, type_, ASKED, around, P1)) == code


def test_card_12_a_block_is_for_the_customer_who_has_the_card() -> None:
    theirs = card(customer_id=ADA.id, state="inactive", lock=lock("p2"))
    blocked = structs.replace(theirs, state="blocked", reason="lost")
    assert decide_block(theirs, ADA.id, "lost") == blocked
    assert decide_block(blocked, ADA.id, "stolen") is blocked
    assert code_of(decide_block(theirs, BOB.id, "lost")) == "card.not_theirs"
    assert code_of(decide_block(card(), ADA.id, "lost")) == "card.not_theirs"
    assert code_of(decide_block(card(version=0), ADA.id, "lost")) == "card.unknown"
    assert decide_block(card(), None, "lost") == card(state="blocked", reason="lost")


@pytest.mark.parametrize(
    ("before", "asker", "token", "released"),
    [
        (lock(), P1, 7, True),
        (lock(), P1, 8, False),
        (lock(), P2, 7, False),
        (lock(until=NOW), P1, 7, False),
        (None, P1, 7, False),
    ],
)
def test_card_15_a_lock_is_released_by_whoever_holds_it(
    before: Lock | None, asker: Asker, token: int, released: bool
) -> None:
    decided = decide_release(card(lock=before), token, asker)
    assert (decided is not None) == released
    assert decided is None or decided.locked_at(NOW) is None


def test_card_10_a_voucher_shows_no_points() -> None:
    assert card(points=5).wire.points_shown == 5
    assert card(points=5, form="voucher").wire.points_shown == 0


def test_card_1_capitals_and_small_letters_of_a_number_are_one() -> None:
    assert card("a1B2").key == card_key("A1b2") == "A1B2"
