"""What becomes of a page and of a row: pure decisions (SYNC-4, I3, I9)."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.feed import ABSORBING, State
from pos_node.feed import Apply, Drop, PullFrom, decide_page, moved
from pos_node.store.cursors import Cursor
from pos_node.store.fates import Fate, Held, fate_of
from tests.pos_pages import Entity, page

AT_FIVE = Cursor("s", "e1", seq=5, head=5, complete=True)
ROW = Entity("reference", "centre/C1", 1, record='{"kind":"centre","code":"C1"}')


def a_page(
    prev: int, to: int, head: int | None = None, *, epoch: str = "e1", rows: int = 1
) -> object:
    return page(
        "s", [ROW] * rows, epoch=epoch, prev_seq=prev, to_seq=to, head=to if head is None else head
    )


def test_sync_5_the_next_page_is_applied() -> None:
    assert decide_page(AT_FIVE, a_page(5, 7)) == Apply(Cursor("s", "e1", 7, 7, complete=True))


def test_i9_a_page_that_was_applied_is_dropped() -> None:
    assert decide_page(AT_FIVE, a_page(3, 5)) == Drop()
    assert decide_page(AT_FIVE, a_page(5, 5, rows=0)) == Drop()


def test_sync_5_a_page_that_begins_before_the_cursor_is_applied() -> None:
    assert decide_page(AT_FIVE, a_page(2, 9)) == Apply(Cursor("s", "e1", 9, 9, complete=True))


def test_sync_5_a_gap_is_pulled() -> None:
    assert decide_page(AT_FIVE, a_page(6, 8)) == PullFrom(5)


def test_sync_5_a_lost_last_page_is_noticed_by_the_next_sign_of_life() -> None:
    assert decide_page(AT_FIVE, a_page(8, 8, rows=0)) == PullFrom(5)


def test_sync_6_a_page_of_another_epoch_is_never_applied_by_itself() -> None:
    """It may be a late one: only the answer to a pull makes a cursor void."""
    assert decide_page(AT_FIVE, a_page(5, 7, epoch="e0")) == PullFrom(5)
    assert decide_page(AT_FIVE, a_page(0, 2, epoch="e2")) == PullFrom(5)


def test_sync_6_a_sign_of_life_that_knows_less_is_asked_about() -> None:
    """The ERP's database may be older than it was; a late page with rows may not be asked about each time."""
    assert decide_page(AT_FIVE, a_page(3, 3, rows=0)) == PullFrom(5)
    assert decide_page(AT_FIVE, a_page(2, 3)) == Drop()


def test_sync_5_an_empty_feed_makes_a_new_till_complete() -> None:
    assert decide_page(Cursor("s"), a_page(0, 0, rows=0)) == Apply(Cursor("s", "e1", complete=True))


def test_sync_5_a_new_till_pulls_what_went_before() -> None:
    assert decide_page(Cursor("s"), a_page(4, 5)) == PullFrom(0)


def test_sync_5_a_till_is_complete_once_the_head_was_reached() -> None:
    first = moved(Cursor("s"), a_page(0, 4, 9))
    assert (first.seq, first.head, first.complete) == (4, 9, False)
    assert moved(first, a_page(4, 9)).complete
    assert moved(moved(first, a_page(4, 9)), a_page(9, 10, 20)).complete


def test_sync_5_a_feed_begun_anew_is_complete_only_after_the_sweep() -> None:
    assert not moved(Cursor("s", "e1", sweeping=True), a_page(0, 4)).complete


_STATES = st.sampled_from(get_args(State))


@pytest.mark.parametrize(
    ("held", "row", "fate"),
    [
        (None, ("s", 1, "active"), Fate.TAKE),
        (None, ("s", 1, "withdrawn"), Fate.TAKE),
        (Held("s", 2, "active"), ("s", 3, "active"), Fate.TAKE),
        (Held("s", 2, "active"), ("s", 2, "active"), Fate.TAKE),
        (Held("s", 2, "active"), ("s", 1, "active"), Fate.LEAVE),
        (Held("s", 2, "active"), ("s", 3, "withdrawn"), Fate.TAKE),
        (Held("s", 2, "active"), ("s", 2, "withdrawn"), Fate.LEAVE),
        (Held("s", 2, "withdrawn"), ("t", 2, "active"), Fate.TAKE),
        (Held("s", 2, "active"), ("t", 3, "withdrawn"), Fate.LEAVE),
        (Held(None, 0, "active"), ("s", 1, "withdrawn"), Fate.TAKE),
        (Held("s", 7, "active"), ("s", 5, "anonymised"), Fate.TAKE),
        (Held("s", 5, "anonymised"), ("s", 7, "active"), Fate.LEAVE),
        (Held("s", 5, "deleted"), ("s", 7, "withdrawn"), Fate.LEAVE),
        (Held("s", 5, "deleted"), ("s", 6, "anonymised"), Fate.TAKE),
    ],
)
def test_i3_which_row_stands(held: Held | None, row: tuple[str, int, State], fate: Fate) -> None:
    assert fate_of(held, *row) is fate


@pytest.mark.parametrize(
    ("held", "row", "fate"),
    [
        (Held("s", 9, "active"), ("s", 3, "active"), Fate.TAKE),
        (Held("s", 9, "active"), ("t", 3, "active"), Fate.TAKE),
        (Held("s", 9, "active"), ("s", 3, "withdrawn"), Fate.TAKE),
        (Held("s", 9, "active"), ("t", 3, "withdrawn"), Fate.LEAVE),
        (Held("s", 9, "withdrawn"), ("t", 3, "active"), Fate.TAKE),
        (Held("s", 9, "deleted"), ("s", 3, "active"), Fate.LEAVE),
        (Held("s", 9, "anonymised"), ("s", 3, "deleted"), Fate.LEAVE),
    ],
)
def test_sync_6_the_first_row_since_the_feeds_were_numbered_anew_stands_whatever_its_version(
    held: Held, row: tuple[str, int, State], fate: Fate
) -> None:
    assert fate_of(held, *row, met=False) is fate


@given(
    st.lists(st.tuples(st.sampled_from(["s", "t"]), st.integers(1, 4), _STATES), max_size=8),
)
def test_i3_versions_never_go_down_and_gone_stays_gone(rows: list[tuple[str, int, State]]) -> None:
    held: Held | None = None
    for scope, version, state in rows:
        if fate_of(held, scope, version, state) is Fate.TAKE:
            taken = Held(scope, max(version, held.version if held else 0), state)
            assert held is None or taken.version >= held.version
            assert held is None or held.state not in ABSORBING or taken.state in ABSORBING
            held = taken


@given(st.permutations([("s", 1, "active"), ("s", 2, "withdrawn"), ("t", 2, "active")]))
def test_sync_4_moving_between_scopes_ends_the_same_in_any_order(
    rows: list[tuple[str, int, State]],
) -> None:
    held: Held | None = None
    for scope, version, state in rows:
        if fate_of(held, scope, version, state) is Fate.TAKE:
            held = Held(scope, version, state)
    assert held == Held("t", 2, "active")
