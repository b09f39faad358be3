"""A till that runs otherwise than the ERP has it enrolled knows it, and says it once (SYNC-7)."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.presence import Welcome
from contracts.topology import TillAddress
from pos_node.enrolment import Enrolled
from tests.pos_parts import NOON

RUNS = TillAddress("p1", "lyon")


def _welcome(address: TillAddress, *more: str) -> Welcome:
    return Welcome(
        pos_id=address.pos_id, centre=address.centre, full=address.full,
        scopes=[*address.scopes, *more], epoch="e", applied_seq=0, now=NOON,
    )  # fmt: skip


@pytest.fixture
def enrolled() -> Enrolled:
    return Enrolled(RUNS, lambda: NOON)


def test_sync_7_a_till_enrolled_as_it_runs_has_no_trouble(enrolled: Enrolled) -> None:
    with capture_logs() as logs:
        enrolled.hear(_welcome(RUNS))
    assert (enrolled.moved(), logs) == (None, [])


def test_sync_7_a_feed_of_a_newer_erp_is_no_trouble(enrolled: Enrolled) -> None:
    enrolled.hear(_welcome(RUNS, "all.prices"))
    assert enrolled.moved() is None


@pytest.mark.parametrize(
    ("there", "mode"),
    [(TillAddress("p1", "krakow"), "full"), (TillAddress("p1", "lyon", full=False), "local_only")],
    ids=["another centre", "another mode"],
)
def test_sync_7_a_moved_till_says_it_until_both_agree_and_logs_it_once(
    enrolled: Enrolled, there: TillAddress, mode: str
) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            enrolled.hear(_welcome(there))
    moved = enrolled.moved()
    assert moved is not None
    assert (moved.centre, moved.mode, moved.since) == (there.centre, mode, NOON)
    assert [(one["log_level"], one["action"]) for one in logs] == [("error", "enrolment_differs")]
    enrolled.hear(_welcome(RUNS))
    assert enrolled.moved() is None


def test_sync_7_a_feed_the_erp_has_no_more_for_this_till_is_a_move(enrolled: Enrolled) -> None:
    less: dict[str, Any] = {"scopes": [one for one in RUNS.scopes if one != "all.customers"]}
    enrolled.hear(_welcome(RUNS).model_copy(update=less))
    assert enrolled.moved() is not None


def test_sync_7_only_feeds_of_the_new_enrolment_come_later(enrolled: Enrolled) -> None:
    assert not enrolled.will_follow("centre.krakow")
    enrolled.hear(_welcome(TillAddress("p1", "krakow")))
    assert enrolled.will_follow("centre.krakow")
    assert not enrolled.will_follow("centre.gdansk")
