"""Which dead letters are journal entries, and under which number."""

import pytest

from erp_node.dead import Number, number_of
from messaging.channel import Delivery
from messaging.consumer import Bad
from messaging.dead import DeadLetter, dead_letter, read_dead
from tests.erp import TillJournal, retail

BAD = Bad("failed", "")


def letter_of(body: bytes, queue: str = "erp.journal.0", user: str | None = "pos.p1") -> DeadLetter:
    parked = dead_letter(queue, Delivery(body, "e", "k", 1, user_id=user), BAD, "")
    return read_dead(Delivery(parked.body, "", "k", 1, headers=parked.headers))


def entry() -> bytes:
    return TillJournal("p1", seq=4).add(retail("A")).body


def test_a_journal_entry_has_its_tills_number() -> None:
    assert number_of(letter_of(entry())) == Number("p1", "epoch-1", 5)


def test_an_entry_whose_data_cannot_be_read_still_has_its_number() -> None:
    assert number_of(letter_of(entry().replace(b"Dupont", b"Du\xffont"))) == Number(
        "p1", "epoch-1", 5
    )


@pytest.mark.parametrize(
    "letter",
    [
        letter_of(entry(), queue="erp.rpc.search"),
        letter_of(entry(), user=None),
        letter_of(entry(), user="erp"),
        letter_of(entry(), user="pos.p2"),
        letter_of(b"nothing"),
    ],
)
def test_what_is_no_entry_of_its_sender_has_none(letter: DeadLetter) -> None:
    assert number_of(letter) is None
