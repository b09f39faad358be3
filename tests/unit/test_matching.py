"""The matching rule itself against its table of cases (SEARCH-13, LIST-2, LIST-3)."""

import pytest

from contracts.matching import matches, words_of
from tests.matching_cases import CASES, CUSTOMERS, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_search_13_list_2_list_3_rule_of_matching(case: Case) -> None:
    found = matches(case.criteria.query(), words_of(case.customer))
    assert found is case.expected, (words_of(case.customer), case.criteria.query())


def test_search_13_table_is_long_and_its_names_and_codes_are_unique() -> None:
    assert len(CASES) >= 120
    assert len({case.name for case in CASES}) == len(CASES)
    assert len({customer.code for customer in CUSTOMERS}) == len(CUSTOMERS)
    assert {case.customer.code for case in CASES} == {customer.code for customer in CUSTOMERS}
