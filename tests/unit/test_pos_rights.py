"""Who may add and edit customers at a till."""

from uuid import UUID

import pytest

from contracts.feed import State
from contracts.settings import Settings
from pos_node.customers import default_price, etag_of, refuse_add, refuse_edit, refuse_gone
from pos_node.store.customers import StoredCustomer

EDIT = frozenset({"customer.edit"})
NONE: frozenset[str] = frozenset()


def test_cust_1_adding_needs_the_operators_right() -> None:
    assert refuse_add(EDIT) is None
    refusal = refuse_add(frozenset({"card.assign"}))
    assert refusal is not None
    assert (refusal.code, refusal.params) == ("right.missing", {"right": "customer.edit"})


def test_cust_1_editing_needs_both_rights() -> None:
    assert refuse_edit(None, "C1", "Dupont", EDIT) is None
    assert refuse_edit(("C2", "C1"), "C1", "Dupont", EDIT) is None
    refusal = refuse_edit(("C1",), "C1", "Dupont", NONE)
    assert refusal is not None
    assert refusal.code == "right.missing"


@pytest.mark.parametrize("rights", [EDIT, NONE])
@pytest.mark.parametrize("editors", [("C2",), ()])
def test_prev_2_without_the_centres_right_the_answer_is_the_same_for_everybody(
    rights: frozenset[str], editors: tuple[str, ...]
) -> None:
    refusal = refuse_edit(editors, "C1", "Dupont Jeanne", rights)
    assert refusal is not None
    assert (refusal.code, refusal.params) == ("customer.no_edit_right", {"name": "Dupont Jeanne"})


def test_cust_9_the_default_depends_on_the_kind() -> None:
    settings = Settings(lowest_price_retail=True)
    assert default_price(settings, "retail") is True
    assert default_price(settings, "business") is False


@pytest.mark.parametrize("state", ["deleted", "anonymised"])
def test_what_the_erp_erased_is_never_shown_again(state: State) -> None:
    refusal = refuse_gone(StoredCustomer(UUID(int=1), "all", 2, state, None, None, None))
    assert refusal is not None
    assert refusal.code == f"customer.{state}"


def test_what_may_come_back_is_not_refused_for_good() -> None:
    assert refuse_gone(None) is None
    assert refuse_gone(StoredCustomer(UUID(int=1), "all", 2, "withdrawn", None, None, None)) is None


def test_an_etag_changes_with_what_is_shown_and_with_nothing_else() -> None:
    def stored(version: int, code: str, shown: str | None = None) -> StoredCustomer:
        record = f'{{"kind": "business", "code": "{code}", "name": "N"}}'
        return StoredCustomer(UUID(int=1), "all", version, "active", None, record, shown)

    seen = etag_of(stored(1, "A"))
    assert etag_of(stored(2, "A")) == seen
    assert etag_of(stored(1, "B")) != seen
    assert etag_of(stored(1, "A", '{"kind": "business", "code": "A", "name": "M"}')) != seen
