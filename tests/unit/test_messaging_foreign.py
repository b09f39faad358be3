"""Headers of other senders, as they may be sent on."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.amqp_frames import write_message
from messaging.channel import Delivery, Headers, HeaderValue
from messaging.consumer import Bad
from messaging.dead import dead_letter
from messaging.foreign import DEEPEST, LONGEST_NAME, MOST_BYTES, writable

VALUES: st.SearchStrategy[HeaderValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)  # fmt: skip
FRAME = 131_072


@given(st.dictionaries(st.text(), VALUES, max_size=6))
def test_whatever_a_sender_wrote_can_be_written_again(headers: Headers) -> None:
    delivery = Delivery(b"", "e", "k", 1, headers=headers)
    letter = dead_letter("q", delivery, Bad("code", "\ud800" * 2_000), "now")
    assert len(write_message(letter, 1, FRAME)) < FRAME


@pytest.mark.parametrize(
    "headers",
    [
        {str(number): "é" * 1_000 for number in range(500)},
        {"list": [list(range(1_000)) for _ in range(100)]},
        {"one": b"\xff" * 200_000},
        {"n" * 255: "x"},
    ],
)
def test_however_much_a_sender_wrote_the_reason_fits_beside_it(headers: Headers) -> None:
    copied = writable(headers)
    letter = dead_letter("q", Delivery(b"", "", "k", 1, headers=headers), Bad("c", "t"), "now")
    assert len(write_message(letter, 1, FRAME)) < MOST_BYTES + 8_192
    assert copied
    assert all(len(name) <= LONGEST_NAME for name in copied)


def test_what_can_be_written_stays_as_it_is() -> None:
    headers: Headers = {
        "text": "Żółć", "whole": -7, "real": 0.5, "yes": True, "none": None,
        "at": datetime(2026, 1, 1, tzinfo=UTC), "x-death": [{"queue": "q", "routing-keys": ["k"]}],
    }  # fmt: skip
    assert writable(headers) == headers


def test_what_is_too_deep_is_left_out() -> None:
    nested: HeaderValue = "end"
    for _ in range(50):
        nested = {"n": nested}
    copied, depth = writable({"n": nested}), 0
    at: HeaderValue = copied
    while isinstance(at, dict):
        at, depth = at["n"], depth + 1
    assert (at, depth) == (None, DEEPEST)
