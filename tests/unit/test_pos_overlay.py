"""What the till shows while its changes are on their way, and when it lets them go."""

from datetime import UTC, datetime
from uuid import UUID

from contracts.changes import Change, diff
from contracts.customers import Customer
from contracts.journal import Author, CustomerAdded, CustomerEdited
from pos_node.journal import numbered_anew, overlay, reached
from tests.pos_parts import retail

WHO = Author(operator="anne", at=datetime(2026, 3, 2, tzinfo=UTC))
ID = UUID(int=1)


def edited(old: Customer, new: Customer) -> CustomerEdited:
    return CustomerEdited(customer_id=ID, base_version=1, changes=list(diff(old, new)), author=WHO)


def test_without_local_changes_the_record_is_shown() -> None:
    assert overlay(retail(), []) is None


def test_a_local_change_is_shown_over_the_erps_record_of_now() -> None:
    old = retail(phone="1")
    change = edited(old, retail(phone="2"))
    assert overlay(retail(phone="1", email="new@erp.fr"), [change]) == retail(
        phone="2", email="new@erp.fr"
    )


def test_cust_13_until_the_outcome_is_here_the_till_shows_its_own_value() -> None:
    change = edited(retail(phone="1"), retail(phone="2"))
    assert overlay(retail(phone="3"), [change]) == retail(phone="2")


def test_changes_are_made_in_their_order() -> None:
    first, second, third = retail(phone="1"), retail(phone="2"), retail(phone="3")
    assert overlay(first, [edited(first, second), edited(second, third)]) == third


def test_a_customer_made_here_is_shown_before_the_erp_answers() -> None:
    added = CustomerAdded(customer_id=ID, record=retail(), author=WHO)
    assert overlay(None, [added, edited(retail(), retail(phone="2"))]) == retail(phone="2")


def test_cust_4_once_the_erp_has_answered_its_record_counts() -> None:
    added = CustomerAdded(customer_id=ID, record=retail("A-1"), author=WHO)
    assert overlay(retail("P1-A-1"), [added]) == retail("P1-A-1")


def test_a_refused_customer_is_shown_no_more() -> None:
    assert overlay(None, [edited(retail(), retail(phone="2"))]) is None


def test_a_change_that_no_longer_fits_is_left_out_and_the_others_stay() -> None:
    odd = CustomerEdited(
        customer_id=ID,
        base_version=1,
        changes=[
            Change(path="shoe.size", new=4),
            Change(path="email", new="no address"),
            Change(path="phone", new="2"),
        ],
        author=WHO,
    )
    assert overlay(retail(), [odd]) == retail(phone="2")


def test_an_outcome_is_here_when_every_followed_feed_has_come_as_far() -> None:
    assert reached({"a": 5, "b": 2}, {"a": 5, "b": 3})
    assert not reached({"a": 5, "b": 2}, {"a": 5, "b": 1})
    assert reached({"a": 5, "of another till": 9}, {"a": 5})
    assert reached({}, {})


def test_a_feed_numbered_anew_is_noticed_by_its_lower_head() -> None:
    assert numbered_anew({"a": 500}, {"a": 20})
    assert not numbered_anew({"a": 500}, {"a": 500})
    assert not numbered_anew({"a": 500}, {"b": 1})
