"""What people were told is done is somewhere, whatever was killed after it."""

from chaos.history import Told
from chaos.judging import check_told
from simulation.checkers.history import History
from tests.simulation.seen import ANN, WELL


def _journalled(body: bytes) -> History:
    history = History()
    history.journalled("p1", "e1", ("e", 1), body, 0.0)
    return history


BODY = b'{"type":"customer.edited","data":{"customer_id":"%s","phone":"tk7x"}}' % ANN.encode()


def test_i1_what_a_cashier_was_told_is_in_the_journal() -> None:
    assert not list(check_told([Told("p1", "tk7x", ANN)], WELL, _journalled(BODY)))


def test_i1_what_is_in_no_journal_is_named() -> None:
    (found,) = check_told([Told("p1", "tk8x", ANN)], WELL, _journalled(BODY))
    assert found.invariant == "I1"
    assert "p1: tk8x" in found.text


def test_i1_a_journal_of_another_till_does_not_count() -> None:
    assert list(check_told([Told("p2", "tk7x", ANN)], WELL, _journalled(BODY)))


def test_i1_what_the_erp_told_is_in_its_history() -> None:
    told = [Told("erp", "tk1x", ANN), Told("erp", "tk9x", ANN)]
    (found,) = check_told(told, WELL, History())
    assert "erp: tk9x" in found.text
