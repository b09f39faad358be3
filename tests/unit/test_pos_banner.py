"""When the list offers to search in the ERP."""

import pytest

from pos_node.banner import Banner, decide_banner


@pytest.mark.parametrize("count", [0, 1, 6, 7])
@pytest.mark.parametrize("empty", [False, True])
def test_search_1_switched_off_there_is_no_banner_and_no_button(count: int, empty: bool) -> None:
    banner = decide_banner(online_search_on=False, criteria_empty=empty, local_count=count)
    assert banner == Banner(code=None, button_shown=False, button_active=False)


def test_search_2_no_local_row_offers_the_erp() -> None:
    banner = decide_banner(online_search_on=True, criteria_empty=False, local_count=0)
    assert banner == Banner("search.none_local", button_shown=True, button_active=True)


@pytest.mark.parametrize("count", [1, 2, 6])
def test_search_3_one_to_six_rows_offer_the_erp_too(count: int) -> None:
    banner = decide_banner(online_search_on=True, criteria_empty=False, local_count=count)
    assert banner == Banner("search.no_exact", button_shown=True, button_active=True)


@pytest.mark.parametrize(("empty", "count"), [(False, 7), (False, 50), (True, 0), (True, 3)])
def test_search_3_more_rows_or_no_criteria_leave_the_button_inactive(
    empty: bool, count: int
) -> None:
    banner = decide_banner(online_search_on=True, criteria_empty=empty, local_count=count)
    assert banner == Banner(None, button_shown=True, button_active=False)
