"""Each checker is content with what is well, and says what is not."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from simulation.checkers.convergence import check_convergence
from simulation.checkers.history import (
    OTHER_SELF,
    EndedSearch,
    Excuse,
    History,
    Stored,
    Violation,
)
from simulation.checkers.journal import check_no_loss, check_once, check_sender
from simulation.checkers.liveness import Waited, check_liveness
from simulation.checkers.monotone import check_monotone
from simulation.checkers.observed import ErpVerdict, HistoryLine, Seen, TillCustomer
from simulation.checkers.searching import check_search
from tests.simulation.seen import ANN, ERP, TILL, WELL, erp, history, till


def texts(found: Iterable[Violation]) -> str:
    return "; ".join(f"{one.invariant} {one.text}" for one in found)


def test_what_is_well_violates_nothing() -> None:
    made = history()
    found = [
        *check_convergence(WELL), *check_no_loss(WELL, made), *check_once(WELL, made),
        *check_sender(WELL, made), *check_search(WELL, made),
    ]  # fmt: skip
    assert found == []


OTHER = replace(TILL.customers[0], record='{"code":"Z"}')
OLDER = replace(TILL.customers[0], version=1)
UNDEAD = replace(TILL.customers[1], state="active", record="{}", listed=True)


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (till(customers=TILL.customers[1:]), "is missing"),
        (till(customers=(OTHER, TILL.customers[1])), "differs"),
        (till(customers=(OLDER, TILL.customers[1])), "differs, versions 1 here, 2 in the ERP"),
        (till(customers=(TILL.customers[0], UNDEAD)), "should not be there"),
        (
            till(customers=(replace(TILL.customers[0], shown="{}"), TILL.customers[1])),
            "shows a change",
        ),
        (
            till(customers=(replace(TILL.customers[0], listed=False), TILL.customers[1])),
            "listed: False",
        ),
        (till(gone=frozenset()), "has not told it"),
        (till(reference=()), "centre/lyon is missing"),
        (till(cursors={**TILL.cursors, "all": ("0", 0)}), "all stands at 0/0 of 0/1"),
        (
            erp(customers=(replace(ERP.customers[0], everywhere=False), ERP.customers[1])),
            "should not be",
        ),
    ],
)
def test_i2_a_till_that_differs_is_named(seen: Seen, says: str) -> None:
    assert says in texts(check_convergence(seen))


def test_i3_what_a_till_heard_deleted_stays_so_when_the_erp_is_put_back() -> None:
    alive = replace(ERP.customers[1], state="active", version=4)
    seen = erp(customers=(ERP.customers[0], alive))
    assert "is missing" in texts(check_convergence(seen))
    assert "is missing" not in texts(check_convergence(seen, restored=True))


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (till(journal=1), "1 entries left"),
        (erp(progress={("p1", "e"): 1}), "2 made, 2 known applied, 1 in the ERP"),
        (till(applied_seq=1), "1 known applied"),
        (erp(verdicts=()), "is lost"),
        (
            erp(history=(), customers=(replace(ERP.customers[0], wire="{}"), ERP.customers[1])),
            "is lost",
        ),
        (till(notices=()), "refused without a notice"),
    ],
)
def test_i1_a_change_that_is_lost_is_named(seen: Seen, says: str) -> None:
    assert says in texts(check_no_loss(seen, history()))


def test_i1_what_a_backup_did_not_hold_is_excused() -> None:
    made = history()
    made.excused.append(Excuse("till restored", "p1", 1.5, 9.0))
    assert texts(check_no_loss(erp(verdicts=()), made)) == ""
    made.excused[:] = [Excuse("till restored", "p1", 2.5, 9.0)]
    assert "is lost" in texts(check_no_loss(erp(verdicts=()), made))


def stored(*steps: tuple[int, str]) -> list[Stored]:
    return [Stored("p1", 0, "customer", ANN, version, state) for version, state in steps]


def test_i3_a_version_that_goes_down_is_named() -> None:
    assert texts(check_monotone(stored((1, "active"), (3, "withdrawn"), (3, "active")))) == ""
    assert "from version 3 active to 2" in texts(
        check_monotone(stored((3, "active"), (2, "active")))
    )


def test_i3_what_is_deleted_stays_deleted() -> None:
    assert "was deleted" in texts(check_monotone(stored((3, "deleted"), (4, "active"))))


def test_i3_a_file_put_back_begins_anew() -> None:
    before, after = stored((3, "active"), (2, "active"))
    assert texts(check_monotone([before, replace(after, file=1)])) == ""


def test_i3_a_feed_begun_anew_brings_versions_again() -> None:
    before, after = stored((3, "active"), (2, "active"))
    begun = Stored("p1", 0, "epoch", "all.customers", 0, "")
    assert texts(check_monotone([before, begun, after])) == ""
    other = replace(begun, till="p2")
    assert "from version 3" in texts(check_monotone([before, other, after]))
    gone, back = stored((3, "deleted"), (4, "active"))
    assert "was deleted" in texts(check_monotone([gone, begun, back]))


def test_i9_a_change_applied_twice_is_named() -> None:
    assert "became tk1x 2 times" in texts(check_once(erp(history=ERP.history * 2), history()))


def test_i9_an_entry_answered_twice_is_named() -> None:
    twice = (*ERP.verdicts, ErpVerdict("v2", "p1", "e", 2, "refused", "customer.deleted"))
    assert "answered 2 times" in texts(check_once(erp(verdicts=twice), history()))


def test_i9_a_notice_told_twice_is_named() -> None:
    assert "stands there 2 times" in texts(check_once(till(notices=TILL.notices * 2), history()))


def test_i10_a_change_of_another_till_is_named() -> None:
    made = history()
    made.tokens["tk1x"] = "p2"
    assert "tk1x of p2 came from pos.p1" in texts(check_sender(WELL, made))


def test_i10_a_forged_change_is_named_wherever_it_is() -> None:
    made = history()
    made.tokens["tk9x"] = "forger"
    line = HistoryLine(ANN, 3, "pos.p1", "phone", '"tk9x"', True)
    assert "came from pos.p1" in texts(check_sender(erp(history=(line,)), made))
    spoilt = TillCustomer(ANN, "all.customers", 2, "active", None, '{"phone":"tk9x"}', None, True)
    assert "of forger is stored" in texts(check_sender(till(customers=(spoilt,)), made))


def test_i9_a_number_used_again_counts_only_where_the_erp_has_lost_the_first() -> None:
    made = history()
    made.tokens["tk9x"] = OTHER_SELF
    line = HistoryLine(ANN, 3, "pos.p1", "phone", '"tk9x"', True)
    assert "came from pos.p1" in texts(check_sender(erp(history=(line,)), made))
    made.excused.append(Excuse("database restored", None, -1.0, 5.0))
    assert texts(check_sender(erp(history=(line,)), made)) == ""


def test_i11_who_is_late_is_named() -> None:
    waited = [Waited("p1", 3.0), Waited("p2", 12.0), Waited("p3", None)]
    found = texts(check_liveness(waited))
    assert "p1" not in found
    assert "p2 was at work only after 12.0 s" in found
    assert "p3 was not at work" in found


def test_i12_what_nobody_chose_is_named() -> None:
    made = History()
    seen = till(full=False)
    assert f"{ANN} was stored, and never chosen" in texts(check_search(seen, made))
    made.chosen.append(("p1", ANN))
    assert texts(check_search(seen, made)) == ""


def test_i12_a_search_that_ended_twice_is_named() -> None:
    made = History(searches=[EndedSearch("p1", "cancelled", "found")])
    assert "ended as cancelled became found" in texts(check_search(WELL, made))
