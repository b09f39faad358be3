"""What arrives from the broker is taken apart, however the bytes are cut, and reaches its channel."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.frame import marshal, unmarshal
from pamqp.header import ContentHeader

from messaging.amqp_frames import (
    SILENCE,
    read_confirm,
    read_delivery,
    read_return,
    write_ack,
    write_message,
    write_nack,
)
from messaging.amqp_inbound import Frames, Words
from messaging.channel import Delivery, Message, Return

FULL = Message(
    b"x" * 2_500, "e", "k", mandatory=False, correlation_id="c", expiration_ms=7,
    headers={"é": "ü", "n": [1]}, user_id="u", content_encoding="zstd", type="t",
)  # fmt: skip


class Heard:
    """An ear that remembers."""

    def __init__(self) -> None:
        self.all: list[object] = []

    def hear_delivery(self, method: bytes, header: bytes, body: bytes) -> None:
        self.all.append(read_delivery(method, header, body))

    def hear_return(self, method: bytes, header: bytes) -> None:
        self.all.append(read_return(method, header))

    def hear_confirm(self, method: bytes, *, acked: bool) -> None:
        self.all.append((*read_confirm(method), acked))


def content(method: object, message: Message, channel: int = 1) -> bytes:
    """A message as the broker sends it: the content as it was published, under another method."""
    published = write_message(message, channel, 1_000, message_id="9")
    first = 8 + int.from_bytes(published[3:7], "big")
    return marshal(method, channel) + published[first:]  # type: ignore[arg-type]


DELIVER = commands.Basic.Deliver("1.1", 5, True, "e", "k")
RETURNED = commands.Basic.Return(312, "NO_ROUTE", "e", "k")
OTHERS = (
    marshal(commands.Channel.OpenOk(), 1),
    marshal(commands.Basic.ConsumeOk("1.1"), 1),
    SILENCE,
    content(commands.Basic.GetOk(1, False, "e", "k", 0), FULL),
    content(DELIVER, FULL, channel=2),
)
STREAM = b"".join(
    (
        OTHERS[0],
        content(DELIVER, FULL),
        OTHERS[1],
        content(RETURNED, FULL),
        marshal(commands.Basic.Ack(3, True), 1),
        OTHERS[2],
        marshal(commands.Basic.Nack(4, False, False), 1),
        content(DELIVER, Message(b"", "e", "k")),
        OTHERS[3],
        OTHERS[4],
    )
)
TOLD = [
    ("1.1", Delivery(FULL.body, "e", "k", 5, True, "u", "c", 7, FULL.headers, "zstd", "t")),
    (9, Return("e", "k", "c", "NO_ROUTE")),
    (3, True, True),
    (4, False, False),
    ("1.1", Delivery(b"", "e", "k", 5, True)),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_wherever_the_bytes_are_cut_each_is_told_once_and_the_rest_is_left(cuts: list[int]) -> None:
    heard, words = Heard(), Words()
    frames = Frames(words, {1: heard})
    places = [0, *sorted(cuts), len(STREAM)]
    left = [frames.take(STREAM[a:b]) for a, b in pairwise(places)]
    assert heard.all == TOLD
    assert b"".join(left) == b"".join(OTHERS)
    assert words.frames == 27


def test_what_is_no_amqp_is_left_to_the_library() -> None:
    frames = Frames(Words(), {})
    assert frames.take(b"AMQP\0\0\x09\1") == b"AMQP\0\0\x09\1"
    assert frames.take(b"more") == b"more"


@pytest.mark.parametrize("seed", range(40))
def test_whatever_bytes_a_delivery_has_it_is_read_or_marked(seed: int) -> None:
    published = write_message(FULL, 1, 1_000)
    first = 8 + int.from_bytes(published[3:7], "big")
    header = bytearray(
        published[first + 7 : first + 8 + int.from_bytes(published[first + 3 : first + 7], "big")]
    )
    header[12 + seed % (len(header) - 12)] ^= 0xFF
    method = marshal(DELIVER, 1)[7:-1]
    _, delivery = read_delivery(method, bytes(header[:-1]), b"body")
    assert delivery.body == b"body"
    assert delivery.user_id is None or not delivery.damaged


def test_a_message_is_written_as_the_library_would() -> None:
    published = write_message(FULL, 3, 5_000, message_id="9")
    size, channel, method = unmarshal(published)
    assert (channel, method.exchange, method.routing_key, method.mandatory) == (3, "e", "k", False)  # type: ignore[union-attr]
    _, _, header = unmarshal(published[size:])
    assert isinstance(header, ContentHeader)
    found = header.properties
    assert (found.correlation_id, found.expiration, found.message_id) == ("c", "7", "9")
    assert (found.headers, found.message_type, found.user_id) == (FULL.headers, "t", "u")
    assert (found.delivery_mode, found.content_encoding) == (2, "zstd")
    assert write_ack(3, 8, multiple=True) == marshal(commands.Basic.Ack(8, True), 3)
    for multiple, requeue in ((True, False), (False, True)):
        written = write_nack(3, 8, multiple=multiple, requeue=requeue)
        assert written == marshal(commands.Basic.Nack(8, multiple, requeue), 3)
