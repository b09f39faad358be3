"""Which edits leave a customer's words as they are: pure."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.customers import Customer
from contracts.matching import SEARCHED, renewed_words, words_of
from contracts.record import Record
from erp_node.store.customers import same_words
from tests.erp import retail
from tests.record_strategies import customers

OTHERWISE: dict[str, Any] = {
    "title": "Mme",
    "academic_title": "Dr",
    "birth_date": "1980-01-01",
    "issuing_authority": "Mairie de Paris",
    "description": "likes tea",
    "reverse_charge": True,
    "lowest_price": True,
    "consents": [{"definition": "news", "state": "given"}],
    "contacts": [
        {"id": "00000000-0000-0000-0000-000000000001", "origin": "erp", "last_name": "Nowak",
         "phone": "0611223344", "email": "n@b.fr", "consents": [{"definition": "x", "state": "given"}]}
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(Customer.model_fields.keys() - SEARCHED))
def test_search_13_nobody_is_found_by_a_wordless_field(name: str) -> None:
    before = retail("A", town="Lyon")
    tree = before.model_dump(mode="json", exclude_none=True) | {name: OTHERWISE[name]}
    after = Customer.model_validate(tree)
    assert getattr(after, name) != getattr(before, name)
    assert words_of(after) == words_of(before)
    assert same_words(_record(before), _record(after))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("last_name", "Durand"),
        ("extra_phone", "0611"),
        ("groups", ["vip"]),
        ("attributes", {"a": "b"}),
        ("addresses", []),
    ],
)
def test_search_13_other_fields_need_new_words(name: str, value: Any) -> None:
    before = retail("A", town="Lyon")
    record = _record(before)
    assert not same_words(record, record.replaced({name: value}))


@given(
    before=customers(),
    after=customers(),
    changed=st.sets(st.sampled_from(sorted(Customer.model_fields))),
)
def test_search_13_words_renewed_after_some_fields_changed_are_those_of_the_whole(
    before: Customer, after: Customer, changed: set[str]
) -> None:
    now = before.model_copy(update={name: getattr(after, name) for name in changed})
    assert renewed_words(now, words_of(before), changed) == words_of(now)


def _record(customer: Customer) -> Record:
    return Record(customer.model_dump_json(exclude_none=True))
