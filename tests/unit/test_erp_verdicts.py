"""What the ERP decides about a till's changes: pure, without a database."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec import structs

from contracts.changes import Change
from contracts.customers import Address, Customer
from contracts.journal import CustomerAdded, CustomerEdited, Verdict
from contracts.limits import RECORD_BYTES
from contracts.settings import Settings
from contracts.texts import catalogue
from erp_node.callers import Till
from erp_node.codes import codes_in_series, free_code
from erp_node.store.customers import Held
from erp_node.verdicts import (
    TOLD_BYTES,
    Decision,
    Place,
    decide_added,
    decide_edited,
    decide_parked,
)
from tests.erp import ANNA, business, retail

PLACE = Place(Till("p1", "C1"), "epoch-1", 7)
ID = uuid4()
OTHER = uuid4()


def held(customer: Customer, **fields: object) -> Held:
    made = Held(ID, 3, "active", True, True, (), None, "").with_customer(customer)
    return structs.replace(made, **fields)


def added(customer: Customer) -> CustomerAdded:
    return CustomerAdded(customer_id=ID, record=customer, author=ANNA)


def edited(*changes: tuple[str, object, object]) -> CustomerEdited:
    made = [Change(path=path, old=old, new=new) for path, old, new in changes]
    return CustomerEdited(customer_id=ID, base_version=3, changes=made, author=ANNA)


def record_of(decision: Decision) -> Customer:
    assert decision.customer is not None
    return decision.customer.customer


def verdict_of(decision: Decision) -> Verdict:
    assert decision.verdict is not None
    return decision.verdict


def add(
    customer: Customer, place: Place = PLACE, owners: dict[str, UUID] | None = None
) -> Decision:
    return decide_added(place, added(customer), None, (), owners or {})


def lines(decision: Decision) -> list[tuple[str, str | None, str | None, bool]]:
    return [(one.path, one.old, one.new, one.kept) for one in decision.history]


def test_cust_1_a_new_customer_belongs_to_the_tills_centre() -> None:
    decision = add(retail("A"))
    assert decision.customer is not None
    assert decision.verdict is None
    assert not decision.held
    assert (decision.customer.everywhere, decision.customer.centres) == (False, ("C1",))
    assert decision.customer.editors == ("C1",)


def test_sync_2_a_till_in_mode_local_only_holds_what_it_made() -> None:
    assert add(retail("A"), Place(Till("p1", "C1", "local_only"), "e", 1)).held


def test_cust_2_a_missing_required_field_is_named() -> None:
    incomplete = Customer(kind="retail", code="A", last_name="Dupont")
    verdict = verdict_of(add(incomplete))
    assert (verdict.outcome, verdict.code) == ("refused", "customer.field_required")
    assert verdict.params == {"field": "first_name"}
    assert (verdict.epoch, verdict.seq, verdict.customer_id) == ("epoch-1", 7, ID)
    assert add(incomplete).customer is None


def test_cust_2_cust_3_what_nobody_sees_is_refused_and_what_was_stored_is_let_be() -> None:
    verdict = verdict_of(add(retail("A", last_name="\u200b")))
    assert (verdict.code, verdict.params) == ("customer.field_required", {"field": "last_name"})
    verdict = verdict_of(add(retail("A\u200b")))
    assert (verdict.outcome, verdict.code) == ("refused", "customer.code_invisible")
    assert verdict.params == {"field": "code"}
    renamed = decide_edited(PLACE, edited(("code", "A", "A\u00ad")), held(retail("A")), {})
    assert verdict_of(renamed).code == "customer.code_invisible"
    emptied = edited(("last_name", "Dupont", "\u2060"))
    assert verdict_of(decide_edited(PLACE, emptied, held(retail("A")), {})).params == {
        "field": "last_name"
    }
    stored = held(retail("A\u200b"))
    assert record_of(decide_edited(PLACE, edited(("phone", None, "1")), stored, {})).phone == "1"


def test_a_record_no_page_could_carry_is_refused() -> None:
    huge = retail("A", attributes={f"a{n}": "x" * 250 for n in range(RECORD_BYTES // 250)})
    assert verdict_of(add(huge)).code == "customer.too_large"


def test_cust_9_the_lowest_price_is_the_erps_default_by_kind() -> None:
    settings = Settings(lowest_price_retail=True, lowest_price_business=False)
    place = structs.replace(PLACE, till=Till("p1", "C1", settings=settings))
    assert record_of(add(retail("A", lowest_price=False), place)).lowest_price is True
    decision = add(business("B", "SA", lowest_price=True), place)
    assert record_of(decision).lowest_price is False
    assert decision.verdict is None


def test_cust_11_a_tills_description_is_lost_and_it_is_told() -> None:
    decision = add(retail("A", description="owes me money"))
    assert record_of(decision).description is None
    verdict = verdict_of(decision)
    assert (verdict.outcome, verdict.code) == ("conflict", "customer.description_read_only")
    assert [(one.path, one.lost) for one in verdict.lost] == [("description", "owes me money")]
    assert lines(decision) == [("description", None, '"owes me money"', False)]


def test_cust_4_a_clashing_code_gets_the_tills_series() -> None:
    decision = add(retail("A"), owners={"a": OTHER})
    assert record_of(decision).code == "p1-A"
    verdict = verdict_of(decision)
    assert (verdict.outcome, verdict.code) == ("renamed", "customer.renamed")
    assert verdict.params == {"asked": "A", "code": "p1-A", "name": "Dupont Jean"}
    assert lines(decision) == [("code", '"A"', '"p1-A"', True)]


def test_cust_4_the_series_may_be_set() -> None:
    place = structs.replace(PLACE, till=Till("p1", "C1", settings=Settings(code_series="LYO_")))
    assert record_of(add(retail("A"), place, {"a": OTHER})).code == "LYO_A"


def test_cust_4_a_counter_follows_where_that_clashes_too() -> None:
    owners = {"a": OTHER, "p1-a": OTHER, "p1-a-2": OTHER}
    assert record_of(add(retail("A"), owners=owners)).code == "p1-A-3"


def test_cust_4_there_is_always_a_free_code_and_it_fits() -> None:
    code = "X" * 60
    taken = {one.casefold(): OTHER for one in (code, *list(codes_in_series(code, ID, "p1"))[:-1])}
    free = free_code(code, ID, "p1", taken)
    assert free == f"p1-{ID.hex}"
    assert all(len(one) <= 60 for one in codes_in_series(code, ID, "s" * 20))


def test_i9_the_same_customer_again_changes_nothing() -> None:
    decision = decide_added(PLACE, added(retail("A")), held(retail("A")), (), {"a": ID})
    assert decision == Decision()


def test_i9_fields_changed_since_are_not_brought_back() -> None:
    now = held(retail("p1-A", "Durand", phone="1", description="vip"))
    again = added(retail("A", "Dupont"))
    touched = {"code", "last_name", "phone", "description"}
    assert decide_added(PLACE, again, now, touched, {}) == Decision()


def test_i9_part_of_an_address_changed_since_explains_it() -> None:
    now, again = retail("A", town="Lyon"), retail("A", town="Paris")
    path = f"addresses.{UUID(int=1)}.town"
    assert decide_added(PLACE, added(again), held(now), {path}, {}) == Decision()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"everywhere": False, "centres": ("C2",)}, "customer.not_available"),
        ({"editors": ("C2",)}, "customer.no_edit_right"),
        ({"state": "deleted"}, "customer.deleted"),
    ],
)
def test_cust_1_an_id_alone_opens_no_record_of_another_centre(
    fields: dict[str, Any], code: str
) -> None:
    theirs = held(retail("A", "Secret", phone="unlisted"), **fields)
    decision = decide_added(PLACE, added(retail("A", "Dupont")), theirs, (), {"a": ID})
    verdict = verdict_of(decision)
    assert (verdict.outcome, verdict.code, verdict.lost) == ("refused", code, [])
    assert not decision.history
    assert "unlisted" not in verdict.model_dump_json()


def test_another_customer_under_the_same_id_does_not_replace_it() -> None:
    decision = decide_added(PLACE, added(retail("A", "Nowak")), held(retail("A")), (), {"a": ID})
    assert decision.customer is None
    verdict = verdict_of(decision)
    assert verdict.outcome == "conflict"
    assert [(one.path, one.stands, one.lost) for one in verdict.lost] == [
        ("last_name", "Dupont", "Nowak")
    ]


@pytest.mark.parametrize("state", ["deleted", "anonymised"])
def test_anon_4_an_erased_customer_does_not_come_back(state: str) -> None:
    gone = held(retail("A"), state=state)
    for decision in (
        decide_added(PLACE, added(retail("A")), gone, (), {}),
        decide_edited(PLACE, edited(("phone", None, "1")), gone, {}),
    ):
        assert decision.customer is None
        assert not decision.history
        assert verdict_of(decision).code == f"customer.{state}"


def test_cust_13_a_field_changed_at_the_till_alone_is_kept() -> None:
    decision = decide_edited(
        PLACE, edited(("phone", None, "1")), held(retail("A", "Durand")), {"a": ID}
    )
    assert record_of(decision) == retail("A", "Durand", phone="1")
    assert decision.verdict is None
    assert lines(decision) == [("phone", None, '"1"', True)]


def test_sync_3_history_tells_who_where_and_when() -> None:
    (line,) = decide_edited(PLACE, edited(("phone", None, "1")), held(retail("A")), {}).history
    assert (line.by, line.where, line.at, line.customer_id) == ("anna", "pos.p1", ANNA.at, ID)


def test_cust_13_the_same_field_on_both_sides_keeps_the_erps_value() -> None:
    decision = decide_edited(
        PLACE,
        edited(("phone", "0", "1"), ("email", None, "a@b.fr")),
        held(retail("A", phone="2")),
        {},
    )
    assert record_of(decision) == retail("A", phone="2", email="a@b.fr")
    verdict = verdict_of(decision)
    assert (verdict.outcome, verdict.code) == ("conflict", "customer.conflict")
    assert [(one.path, one.stands, one.lost) for one in verdict.lost] == [("phone", "2", "1")]
    assert ("phone", '"2"', '"1"', False) in lines(decision)


def test_addr_1_two_tills_with_a_main_address_each_the_second_is_told() -> None:
    first, second = UUID(int=1), UUID(int=2)
    there = retail("A").model_copy(update={"addresses": [Address(id=first, town="Lyon")]})
    own = {"id": str(second), "type": "main", "town": "Paris"}
    decision = decide_edited(PLACE, edited((f"addresses.{second}", None, own)), held(there), {})
    assert decision.customer is None
    verdict = verdict_of(decision)
    assert (verdict.outcome, verdict.code) == ("conflict", "customer.conflict")
    assert [(one.path, one.stands, one.lost) for one in verdict.lost] == [
        (f"addresses.{second}", None, {**own, "consents": []})
    ]
    assert [(path, kept) for path, _, _, kept in lines(decision)] == [
        (f"addresses.{second}", False)
    ]


def test_addr_1_a_new_customer_with_two_main_addresses_keeps_the_first() -> None:
    first, second = UUID(int=1), UUID(int=2)
    both = [Address(id=first, town="Lyon"), Address(id=second, town="Paris")]
    decision = add(retail("A").model_copy(update={"addresses": both}))
    assert [one.id for one in record_of(decision).addresses] == [first]
    assert [one.path for one in verdict_of(decision).lost] == [f"addresses.{second}"]


def test_i9_an_edit_that_is_there_already_changes_nothing() -> None:
    decision = decide_edited(PLACE, edited(("phone", "0", "1")), held(retail("A", phone="1")), {})
    assert decision == Decision()


def test_cust_11_an_edited_description_is_lost_and_the_rest_kept() -> None:
    decision = decide_edited(
        PLACE,
        edited(("description", None, "x"), ("phone", None, "1")),
        held(retail("A", description="erp")),
        {},
    )
    assert record_of(decision) == retail("A", description="erp", phone="1")
    assert [(one.path, one.stands, one.lost) for one in verdict_of(decision).lost] == [
        ("description", "erp", "x")
    ]


def test_cust_9_an_edited_lowest_price_is_lost_and_said_so() -> None:
    decision = decide_edited(PLACE, edited(("lowest_price", None, True)), held(retail("A")), {})
    assert decision.customer is None
    assert verdict_of(decision).code == "customer.lowest_price_read_only"


def test_every_code_has_its_text() -> None:
    codes = {
        "customer.unknown", "customer.deleted", "customer.anonymised", "customer.not_available",
        "customer.no_edit_right", "customer.field_required", "customer.field_invalid", "customer.too_large",
        "customer.code_invisible", "customer.renamed", "customer.conflict", "customer.description_read_only",
        "customer.lowest_price_read_only", "journal.parked",
    }  # fmt: skip
    assert codes <= catalogue("en").keys()


def test_prev_2_a_centre_without_the_right_edits_nothing() -> None:
    mine = held(retail("A"), editors=("C2",))
    verdict = verdict_of(decide_edited(PLACE, edited(("phone", None, "1")), mine, {}))
    assert (verdict.outcome, verdict.code) == ("refused", "customer.no_edit_right")
    assert verdict.params == {"name": "Dupont Jean"}


def test_cust_1_a_centre_edits_nothing_that_is_not_available_to_it() -> None:
    elsewhere = held(retail("A"), everywhere=False, centres=("C2",))
    decision = decide_edited(PLACE, edited(("phone", None, "1")), elsewhere, {})
    assert verdict_of(decision).code == "customer.not_available"


def test_an_edit_of_nobody_is_refused() -> None:
    decision = decide_edited(PLACE, edited(("phone", None, "1")), None, {})
    assert verdict_of(decision).code == "customer.unknown"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        (("last_name", "Dupont", None), "customer.field_required", "last_name"),
        (("kind", "retail", "alien"), "customer.field_invalid", "kind"),
        (("country_code", None, "France"), "customer.field_invalid", "country_code"),
        (("shoe_size", None, "44"), "customer.field_invalid", "shoe_size"),
    ],
)
def test_cust_2_an_edit_that_fits_no_customer_is_refused_with_its_field(
    change: tuple[str, object, object], code: str, field: str
) -> None:
    decision = decide_edited(PLACE, edited(change), held(retail("A")), {})
    assert decision.customer is None
    verdict = verdict_of(decision)
    assert (verdict.outcome, verdict.code, verdict.params["field"]) == ("refused", code, field)


def test_cust_4_an_edited_code_that_clashes_gets_the_series_too() -> None:
    decision = decide_edited(
        PLACE, edited(("code", "A", "B")), held(retail("A")), {"a": ID, "b": OTHER}
    )
    assert record_of(decision).code == "p1-B"
    assert verdict_of(decision).params["asked"] == "B"
    assert ("code", '"A"', '"p1-B"', True) in lines(decision)


def test_cust_4_a_customer_keeps_its_own_code_in_another_case() -> None:
    decision = decide_edited(PLACE, edited(("code", "A", "a")), held(retail("A")), {"a": ID})
    assert record_of(decision).code == "a"
    assert decision.verdict is None


def test_cust_4_a_customer_that_would_get_its_own_code_again_is_not_changed() -> None:
    decision = decide_edited(
        PLACE, edited(("code", "p1-B", "B")), held(retail("p1-B")), {"p1-b": ID, "b": OTHER}
    )
    assert decision.customer is None
    assert [one for one in lines(decision) if one[3]] == []
    assert verdict_of(decision).params["asked"] == "B"


def spoiled(**fields: object) -> Held:
    """A customer whose record SQL made invalid."""
    sound = held(retail("A"))
    return sound.with_record(sound.record.replaced(fields))


def test_a_record_invalid_elsewhere_takes_a_field_nobody_is_found_by() -> None:
    decision = decide_edited(PLACE, edited(("title", None, "Mme")), spoiled(email="x"), {})
    assert decision.customer is not None
    assert decision.customer.record["title"] == "Mme"


@pytest.mark.parametrize(
    ("held", "change", "field"),
    [
        (spoiled(email="x"), ("phone", None, "1"), "email"),
        (spoiled(addresses=[{"id": "no"}]), (f"addresses.{OTHER}", None, {"id": str(OTHER)}), "addresses.0.id"),
        (spoiled(addresses=[{"id": "no"}]), (f"addresses.{OTHER}.town", None, "Lyon"), "addresses.0.id"),
        (spoiled(attributes="none"), ("attributes.colour", None, "red"), "attributes"),
    ],
)  # fmt: skip
def test_a_record_sql_made_invalid_is_refused_with_the_field_at_fault(
    held: Held, change: tuple[str, object, object], field: str
) -> None:
    verdict = verdict_of(decide_edited(PLACE, edited(change), held, {}))
    assert (verdict.outcome, verdict.code) == ("refused", "customer.field_invalid")
    assert verdict.params["field"] == field


def test_an_entry_nobody_can_apply_is_answered() -> None:
    verdict = verdict_of(decide_parked(PLACE, ID, "malformed"))
    assert (verdict.outcome, verdict.code) == ("parked", "journal.parked")
    assert verdict.params == {"reason": "malformed"}


def test_a_verdict_fits_into_a_page_of_the_feed() -> None:
    mine = {f"a{n}": "x" * 250 for n in range(300)}
    theirs = dict.fromkeys(mine, "y" * 250)
    changes = [(f"attributes.{name}", "old", value) for name, value in mine.items()]
    decision = decide_edited(PLACE, edited(*changes), held(retail("A", attributes=theirs)), {})
    verdict = verdict_of(decision)
    assert [one.path for one in verdict.lost] == [path for path, _, _ in changes]
    assert len(verdict.model_dump_json()) < 2 * TOLD_BYTES
    assert verdict.lost[0].lost == "x" * 250
    assert len(decision.history) == 300
