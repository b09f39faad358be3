"""What a till says of itself, on the ERP's clock (SYNC-7)."""

from datetime import timedelta

import pytest

from contracts.presence import Hello
from erp_node.presence import on_our_clock
from tests.erp import NOON

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.mark.parametrize("off", [DAY, -DAY, MINUTE, timedelta(seconds=1), timedelta(0)])
def test_sync_7_how_long_a_change_waits_does_not_hang_on_the_tills_clock(off: timedelta) -> None:
    at_till = NOON + off
    hello = Hello(
        instance="i",
        software="1",
        epoch="e",
        last_seq=3,
        waiting=1,
        oldest_waiting_at=at_till - MINUTE,
    )
    told = on_our_clock(hello, at_till, NOON).oldest_waiting_at
    assert told is not None
    assert abs(told - (NOON - MINUTE)) < timedelta(seconds=5)


def test_sync_7_a_till_of_which_nothing_waits_says_so_whatever_its_clock() -> None:
    hello = Hello(instance="i", software="1", epoch="e", last_seq=3, waiting=0)
    assert on_our_clock(hello, NOON + DAY, NOON) == hello
