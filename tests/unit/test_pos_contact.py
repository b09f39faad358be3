"""The ERP's clock and signs of life, seen from a till."""

from dataclasses import dataclass
from datetime import timedelta

from pos_node.contact import LONGEST_SILENCE_S, SILENCE_S, Contact
from tests.pos_parts import NOON

SECOND = timedelta(seconds=1)


def alive(contact: Contact) -> bool:
    return contact.alive


@dataclass
class Seconds:
    """A monotonic clock to turn by hand."""

    at: float = 50.0

    def __call__(self) -> float:
        return self.at


def test_sync_7_the_erp_is_there_while_it_was_heard_within_a_few_seconds() -> None:
    seconds = Seconds()
    contact = Contact(seconds)
    assert not alive(contact)
    contact.hear()
    seconds.at += SILENCE_S
    assert alive(contact)
    seconds.at += 0.1
    assert not alive(contact)


def test_a_lost_link_ends_what_was_heard_on_it() -> None:
    contact = Contact(Seconds())
    contact.hear()
    contact.lose()
    assert not alive(contact)


def test_the_erps_clock_is_taken_in_the_middle_of_question_and_answer() -> None:
    seconds = Seconds(100.0)
    contact = Contact(seconds)
    seconds.at = 104.0
    contact.set_clock(NOON, asked_at=100.0)
    assert contact.erp_now() == NOON + 2 * SECOND
    seconds.at = 114.0
    assert contact.erp_now() == NOON + 12 * SECOND


def test_a_beat_that_waited_in_a_queue_is_no_sign_of_life() -> None:
    seconds = Seconds()
    contact = Contact(seconds)
    contact.set_clock(NOON, asked_at=seconds.at)
    assert not contact.hear_beat(NOON - timedelta(hours=1))
    assert not alive(contact)
    assert contact.hear_beat(NOON - SECOND)
    assert alive(contact)
    assert contact.erp_now() == NOON


def test_a_beat_from_ahead_corrects_a_clock_taken_too_low() -> None:
    contact = Contact(Seconds())
    contact.set_clock(NOON, asked_at=50.0)
    assert contact.hear_beat(NOON + SECOND)
    assert contact.erp_now() == NOON + SECOND


def test_a_beat_before_the_first_answer_says_nothing() -> None:
    contact = Contact(Seconds())
    assert not contact.hear_beat(NOON)
    assert contact.erp_now() is None


def test_a_slow_beat_leaves_room_for_one_lost() -> None:
    contact = Contact(Seconds())
    contact.expect_every(4)
    assert contact.silence_s == 10
    contact.expect_every(1e9)
    assert contact.silence_s == LONGEST_SILENCE_S
    contact.expect_every(1)
    assert contact.silence_s == SILENCE_S
