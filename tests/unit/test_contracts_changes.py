"""Differences of records, applying and merging them (SYNC-3, CUST-13)."""

from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.changes import Change, WrongPath, apply, diff, flatten, merge
from contracts.customers import Address, Customer, second_main
from contracts.record import Record
from tests.record_strategies import customers, small_customers, texts

HOME = UUID(int=1)
SHOP = UUID(int=2)


def _customer(**fields: Any) -> Customer:
    given_ = {"kind": "retail", "code": "C1", "first_name": "Anne", "last_name": "Petit", **fields}
    return Customer.model_validate(given_)


def record(customer: Customer) -> Record:
    """The record as JSON has it."""
    return Record(customer.model_dump_json(exclude_none=True))


ANNE = _customer(
    phone="0478",
    attributes={"colour": "red"},
    groups=["gold"],
    addresses=[
        {"id": HOME, "town": "Lyon", "consents": [{"definition": "mail", "state": "given"}]},
        {"id": SHOP, "type": "shipping", "town": "Paris"},
    ],
)


def _histories() -> st.SearchStrategy[tuple[Customer, Customer, Customer]]:
    """A record and what it became on two sides."""
    return st.tuples(small_customers(), small_customers(), small_customers())


@given(_histories())
def test_sync_3_applying_a_difference_gives_the_other_record(
    history: tuple[Customer, Customer, Customer],
) -> None:
    old, new, _ = history
    assert flatten(apply(old, diff(old, new))) == flatten(new)


@given(customers())
def test_sync_3_a_record_does_not_differ_from_itself(customer: Customer) -> None:
    assert diff(customer, Customer.model_validate_json(customer.model_dump_json())) == ()


@given(_histories())
def test_sync_3_a_difference_survives_the_wire(
    history: tuple[Customer, Customer, Customer],
) -> None:
    old, new, _ = history
    for change in diff(old, new):
        sent = Change.model_validate_json(change.model_dump_json(exclude_none=True))
        assert sent == change


@given(_histories())
def test_cust_13_a_field_changed_on_one_side_is_kept_and_on_both_the_erps_stands(
    history: tuple[Customer, Customer, Customer],
) -> None:
    base, erps, tills = history
    merged = merge(record(erps), diff(base, tills))
    after, till, erp, before = (
        flatten(merged.customer), flatten(tills), flatten(erps), flatten(base),
    )  # fmt: skip
    conflicting = tuple(conflict.path for conflict in merged.conflicts)
    for path in before.keys() & till.keys() & erp.keys():
        if path.startswith(conflicting):
            continue
        expected = till[path] if erp[path] == before[path] else erp[path]
        assert after[path] == expected, path
    for conflict in merged.conflicts:
        assert conflict.stands != conflict.lost
    assert len(merged.applied) + len(merged.conflicts) <= len(diff(base, tills))


@given(_histories())
def test_i9_merging_twice_is_merging_once(history: tuple[Customer, Customer, Customer]) -> None:
    base, erps, tills = history
    changes = diff(base, tills)
    once = merge(record(erps), changes)
    twice = merge(once.record, changes)
    assert twice.customer == once.customer
    assert twice.applied == ()
    assert {c.path for c in twice.conflicts} == {c.path for c in once.conflicts}


@given(_histories())
def test_addr_1_merging_makes_no_second_main_address(
    history: tuple[Customer, Customer, Customer],
) -> None:
    base, erps, tills = history
    assert second_main(merge(record(erps), diff(base, tills)).customer.addresses) is None


def test_addr_1_a_main_address_of_a_till_is_lost_to_the_one_that_is_there() -> None:
    erps = _customer(addresses=[{"id": HOME, "town": "Lyon"}])
    own = {"id": str(SHOP), "town": "Paris", "type": "main"}
    changes = [
        Change(path=f"addresses.{SHOP}", new=own),
        Change(path="phone", new="1"),
    ]
    merged = merge(record(erps), changes)
    assert [one.id for one in merged.customer.addresses] == [HOME]
    assert merged.customer.phone == "1"
    path = f"addresses.{SHOP}"
    assert [(one.path, one.stands) for one in merged.conflicts] == [(path, None)]
    assert merged.conflicts[0].lost["town"] == "Paris"
    assert [one.path for one in merged.applied] == ["phone"]


def test_addr_1_an_address_made_main_stays_what_it_was_when_another_is_main_by_now() -> None:
    erps = _customer(
        addresses=[{"id": HOME, "town": "Lyon"}, {"id": SHOP, "type": "shipping", "town": "Nice"}]
    )
    changes = [
        Change(path=f"addresses.{SHOP}.town", old="Nice", new="Paris"),
        Change(path=f"addresses.{SHOP}.type", old="shipping", new="main"),
    ]
    merged = merge(record(erps), changes)
    assert [(one.type, one.town) for one in merged.customer.addresses] == [
        ("main", "Lyon"),
        ("shipping", "Paris"),
    ]
    assert [(one.path, one.stands, one.lost) for one in merged.conflicts] == [
        (f"addresses.{SHOP}.type", "shipping", "main")
    ]


def test_addr_1_the_main_address_may_be_handed_on() -> None:
    changes = [
        Change(path=f"addresses.{SHOP}.type", old="shipping", new="main"),
        Change(path=f"addresses.{HOME}.type", old="main", new="billing"),
    ]
    merged = merge(record(ANNE), changes)
    assert merged.conflicts == ()
    assert [one.type for one in merged.customer.addresses] == ["billing", "main"]


def test_addr_1_a_record_stored_with_two_main_addresses_still_changes() -> None:
    stored = _customer(addresses=[{"id": HOME}, {"id": SHOP}])
    changes = [Change(path=f"addresses.{HOME}.town", new="Lyon")]
    assert merge(record(stored), changes).conflicts == ()
    settled = merge(
        record(stored), [Change(path=f"addresses.{SHOP}.type", old="main", new="billing")]
    )
    assert [one.type for one in settled.customer.addresses] == ["main", "billing"]


@given(_histories())
def test_cust_13_without_changes_in_the_erp_everything_is_kept(
    history: tuple[Customer, Customer, Customer],
) -> None:
    base, _, tills = history
    merged = merge(record(base), diff(base, tills))
    assert merged.conflicts == ()
    assert flatten(merged.customer) == flatten(tills)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "definition", "state", "consents", "x"]), inner)
    ),
    max_leaves=8,
)
_STEPS = st.sampled_from(
    [*Customer.model_fields, *Address.model_fields, str(HOME), str(SHOP), "mail", "", "0", "__class__", "x"]
)  # fmt: skip
_PATHS = st.lists(_STEPS | texts(max_size=5), min_size=1, max_size=6).map(".".join)


@settings(max_examples=200)
@given(st.lists(st.builds(Change, path=_PATHS, old=_JSON, new=_JSON), max_size=4))
@example([Change(path=f"addresses.{HOME}", new=[])])
@example([Change(path=f"addresses.{HOME}", new={"id": str(HOME), "consents": {"mail": 1}})])
@example([Change(path="addresses", new=[{"id": str(HOME)}])])
@example([Change(path="attributes", new="x")])
@example([Change(path="groups", new={"a": 1})])
def test_i9_no_change_however_hostile_ends_in_another_error(changes: list[Change]) -> None:
    with suppress(WrongPath, ValidationError):
        apply(ANNE, changes)
    with suppress(WrongPath, ValidationError):
        assert merge(record(ANNE), changes).customer


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "shoe_size", "name.x", "phone.0", "groups.0", "addresses", "attributes", "consents",
        "attributes.a b", "attributes.a.b", f"addresses.{HOME}.id", f"addresses.{HOME}.shoe_size",
        f"addresses.{str(HOME).replace('-', '')}", "addresses.x.town", f"contacts.{HOME}.attributes.a",
        "consents.a b", f"addresses.{HOME}.consents", "__class__", "display_name",
    ],
)  # fmt: skip
def test_cust_13_a_path_that_names_no_field_is_refused(path: str) -> None:
    with pytest.raises(WrongPath, match="^" + path.replace(".", r"\.")):
        merge(record(ANNE), [Change(path=path, new="x")])


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("email", "nobody", ("email",)),
        ("birth_date", "tomorrow", ("birth_date",)),
        ("kind", "robot", ("kind",)),
        ("groups", ["gold", "no good"], ("groups", 1)),
        ("attributes.colour", "", ("attributes", "colour")),
        ("phone", "0\x00", ("phone",)),
        (f"addresses.{HOME}.country", "France", ("addresses", str(HOME), "country")),
        (f"addresses.{HOME}", {"id": str(HOME), "town": 5}, ("addresses", str(HOME), "town")),
        (f"contacts.{HOME}", {"id": str(HOME)}, ("contacts", str(HOME), "origin")),
    ],
)
def test_cust_13_a_value_that_does_not_fit_is_refused_at_its_place(
    path: str, value: Any, where: tuple[str, ...]
) -> None:
    with pytest.raises(ValidationError) as caught:
        merge(record(ANNE), [Change(path=path, new=value)])
    assert caught.value.errors()[0]["loc"] == where


def test_cust_13_a_part_under_another_key_is_refused() -> None:
    with pytest.raises(WrongPath, match="another key"):
        apply(ANNE, [Change(path=f"addresses.{HOME}", new={"id": str(SHOP)})])


@pytest.mark.parametrize(
    "paths",
    [
        ("phone", "phone"),
        (f"addresses.{HOME}", f"addresses.{HOME}.town"),
        (f"addresses.{HOME}.town", f"addresses.{HOME}"),
    ],
)
def test_cust_13_a_place_changed_twice_is_refused(paths: tuple[str, str]) -> None:
    values = {f"addresses.{HOME}": {"id": str(HOME)}}
    with pytest.raises(WrongPath, match="twice"):
        merge(record(ANNE), [Change(path=path, new=values.get(path, "x")) for path in paths])


def test_cust_13_a_field_of_a_part_the_erp_took_away_is_a_conflict() -> None:
    gone = ANNE.model_copy(update={"addresses": [ANNE.addresses[1]]})
    filled = Change(path=f"addresses.{HOME}.street", old=None, new="rue Haute")
    moved = Change(path=f"addresses.{HOME}.town", old="Lyon", new="Nice")
    merged = merge(record(gone), [filled, moved])
    assert merged.customer == gone
    assert [(c.path, c.stands) for c in merged.conflicts] == [
        (filled.path, None),
        (moved.path, None),
    ]
    assert apply(gone, [filled]) == gone


def test_cust_13_a_part_taken_away_at_the_till_and_changed_in_the_erp_stands() -> None:
    without = ANNE.model_copy(update={"addresses": [ANNE.addresses[1]]})
    moved = apply(ANNE, [Change(path=f"addresses.{HOME}.town", new="Nice")])
    merged = merge(record(moved), diff(ANNE, without))
    assert merged.customer == moved
    assert merged.conflicts[0].stands["town"] == "Nice"
    assert merged.conflicts[0].lost is None


def test_cust_13_a_whole_part_is_written_as_in_the_record() -> None:
    without = ANNE.model_copy(update={"addresses": [ANNE.addresses[1]]})
    (change,) = diff(without, ANNE)
    assert change.path == f"addresses.{HOME}"
    assert change.new["consents"] == [{"definition": "mail", "state": "given"}]
    assert Address.model_validate(change.new) == ANNE.addresses[0]


def test_i9_spaces_and_defaults_that_the_record_does_not_keep_are_no_difference_later() -> None:
    changes = [
        Change(path="phone", old="0478", new=" 0499 "),
        Change(path=f"contacts.{HOME}", new={"id": str(HOME), "origin": "pos", "title": None}),
        Change(path="groups", old=["gold"], new=None),
    ]
    once = merge(record(ANNE), changes)
    assert once.customer.phone == "0499"
    assert once.customer.groups == []
    assert merge(once.record, changes).conflicts == ()


def test_cust_13_two_parts_with_one_key_are_no_record() -> None:
    twice = [{"id": str(HOME)}, {"id": str(HOME)}]
    with pytest.raises(ValidationError, match="id must be different"):
        _customer(addresses=twice)
    with pytest.raises(ValidationError, match="definition must be different"):
        _customer(consents=[{"definition": "a", "state": "given"}] * 2)
