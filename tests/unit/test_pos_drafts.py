"""What a cashier types, and what becomes of it."""

from collections.abc import Callable
from itertools import count
from uuid import UUID

import pytest
from pydantic import ValidationError

from contracts.customers import ERP_ONLY, Customer
from pos_node.drafts import (
    READ_ONLY,
    CustomerDraft,
    check_read_only,
    new_customer,
    patched,
    replaced,
)
from pos_node.refusal import Refusal
from tests.pos_parts import business, retail

HOME, OFFICE = UUID(int=10), UUID(int=11)


def draft(**fields: object) -> CustomerDraft:
    return CustomerDraft.model_validate(fields)


def new_ids() -> Callable[[], UUID]:
    numbers = count(100)
    return lambda: UUID(int=next(numbers))


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"kind": "retail"}, ["code", "first_name", "last_name"]),
        (
            {"kind": "retail", "code": " ", "first_name": "", "last_name": "X"},
            ["code", "first_name"],
        ),
        ({"kind": "business", "code": "B"}, ["name"]),
        ({"code": "B"}, ["kind"]),
        ({}, ["kind", "code"]),
    ],
)
def test_cust_2_every_missing_field_is_named(fields: dict[str, object], missing: list[str]) -> None:
    with pytest.raises(Refusal) as refused:
        new_customer(draft(**fields), new_ids())
    assert refused.value.code == "customer.incomplete"
    assert [one.name for one in refused.value.fields] == missing
    assert {one.code for one in refused.value.fields} == {"customer.field_required"}


def test_cust_2_a_required_field_cannot_be_emptied() -> None:
    with pytest.raises(Refusal) as refused:
        patched(retail(), draft(last_name="  "), new_ids())
    assert [one.name for one in refused.value.fields] == ["last_name"]


def test_blanks_are_no_values_and_parts_get_an_identity() -> None:
    made = new_customer(
        draft(kind="business", code="B", name="Société", phone=" ", addresses=[{"town": "Lyon"}]),
        new_ids(),
    )
    assert made.phone is None
    assert [(one.id, one.type, one.town) for one in made.addresses] == [
        (UUID(int=100), "main", "Lyon")
    ]


def test_a_patch_changes_what_it_names_and_nothing_else() -> None:
    seen = retail(phone="1", email="a@b.fr", attributes={"colour": "red", "size": "M"})
    wanted = patched(seen, draft(phone="2", email=None, attributes={"size": None}), new_ids())
    assert wanted == retail(phone="2", attributes={"colour": "red"})


def test_a_patch_of_a_list_replaces_the_list() -> None:
    seen = retail(addresses=[{"id": HOME, "town": "Lyon"}, {"id": OFFICE, "type": "billing"}])
    wanted = patched(seen, draft(addresses=[{"id": str(HOME), "town": "Nice"}]), new_ids())
    assert [(one.id, one.town) for one in wanted.addresses] == [(HOME, "Nice")]


def test_a_replacement_keeps_only_what_the_erp_writes() -> None:
    seen = retail(phone="1", description="of the ERP", lowest_price=True)
    wanted = replaced(
        seen, draft(kind="retail", code="A-1", first_name="J", last_name="D"), new_ids()
    )
    assert (wanted.phone, wanted.description, wanted.lowest_price) == (None, "of the ERP", True)


def test_a_contact_stays_where_it_was_born() -> None:
    contact = {"id": str(HOME), "first_name": "Anne"}
    seen = business(contacts=[{**contact, "origin": "erp"}])
    wanted = patched(seen, draft(contacts=[contact, {"first_name": "Zoé"}]), new_ids())
    assert [one.origin for one in wanted.contacts] == ["erp", "pos"]


@pytest.mark.parametrize("part", ["addresses", "contacts"])
def test_a_part_that_is_there_twice_is_refused_by_name(part: str) -> None:
    with pytest.raises(Refusal) as refused:
        patched(retail(), draft(**{part: [{"id": str(HOME)}, {"id": str(HOME)}]}), new_ids())
    assert [one.name for one in refused.value.fields] == [f"{part}.1.id"]


@pytest.mark.parametrize("wrong", [{"phon": "1"}, {"email": "nobody"}, {"code": "x" * 61}])
def test_unknown_and_wrong_fields_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refused:
        draft(**wrong)
    assert refused.value.errors()[0]["loc"] == tuple(wrong)


def test_cust_11_what_only_the_erp_writes_has_a_reason_each() -> None:
    assert READ_ONLY.keys() == ERP_ONLY


def test_cust_11_a_description_typed_at_the_till_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        check_read_only(retail(), retail(description="mine"), False)
    assert refused.value.code == "customer.description_read_only"
    assert [one.name for one in refused.value.fields] == ["description"]


def test_cust_11_a_new_customer_has_no_description() -> None:
    with pytest.raises(Refusal):
        check_read_only(None, retail(description="mine"), False)


@pytest.mark.parametrize(
    ("seen", "wanted", "default"),
    [(None, None, True), (None, True, True), (retail(lowest_price=True), True, False)],
)
def test_cust_9_repeating_the_lowest_price_changes_nothing(
    seen: Customer | None, wanted: bool | None, default: bool
) -> None:
    check_read_only(seen, retail(lowest_price=wanted), default)


@pytest.mark.parametrize(
    ("seen", "wanted", "default"),
    [(None, False, True), (None, True, False), (retail(lowest_price=True), False, False)],
)
def test_cust_9_lowest_price_is_the_erps(
    seen: Customer | None, wanted: bool, default: bool
) -> None:
    with pytest.raises(Refusal) as refused:
        check_read_only(seen, retail(lowest_price=wanted), default)
    assert refused.value.code == "customer.lowest_price_read_only"


TWO_MAINS = [{"id": str(HOME), "town": "Lyon"}, {"id": str(OFFICE), "town": "Paris"}]


def test_addr_1_a_second_main_address_is_refused_by_name() -> None:
    typed = draft(**retail().model_dump(mode="json", exclude_unset=True), addresses=TWO_MAINS)
    makers: list[Callable[[], Customer]] = [
        lambda: new_customer(typed, new_ids()),
        lambda: patched(retail(), draft(addresses=TWO_MAINS), new_ids()),
        lambda: replaced(retail(), typed, new_ids()),
    ]
    for make in makers:
        with pytest.raises(Refusal) as refused:
            make()
        assert refused.value.code == "request.invalid"
        assert [(one.name, one.code) for one in refused.value.fields] == [
            ("addresses.1.type", "address.second_main")
        ]


def test_addr_1_who_was_stored_with_two_main_addresses_can_still_be_edited() -> None:
    stored = retail(addresses=TWO_MAINS)
    assert patched(stored, draft(phone="1"), new_ids()).phone == "1"
    shipping = [TWO_MAINS[0], {**TWO_MAINS[1], "type": "shipping"}]
    settled = patched(stored, draft(addresses=shipping), new_ids())
    assert [one.type for one in settled.addresses] == ["main", "shipping"]
