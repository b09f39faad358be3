"""The pure parts of messaging: what is decided without a broker."""

import asyncio
import base64
import hashlib
import random
from datetime import UTC, datetime

import httpx
import pytest
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ProbableAuthenticationError,
)
from pamqp.header import ContentHeader

from messaging.admin import Admin, AdminError, hash_password
from messaging.amqp_errors import read_close, read_failure
from messaging.amqp_frames import read_header, write_message
from messaging.amqp_inbound import Words
from messaging.channel import (
    ChannelClosed,
    Delivery,
    Headers,
    HeaderValue,
    LinkDown,
    Message,
    MessagingError,
    Mismatch,
    NoAnswer,
    NotAllowed,
    NotFound,
    Refused,
    Returned,
)
from messaging.consumer import Bad
from messaging.dead import CODE, EXCHANGE, KEY, LARGEST, USER, dead_letter, read_dead
from messaging.failures import describe
from messaging.memory.routes import matches_topic
from messaging.memory.stored import bury
from messaging.observer import outcome_of
from messaging.pause import Pauses


def header_payload(message: Message) -> bytes:
    """The content header frame of a published message, as it is read: payload and end byte."""
    frames = write_message(message, 1, 1000)
    first = 7 + int.from_bytes(frames[3:7], "big") + 1
    size = int.from_bytes(frames[first + 3 : first + 7], "big")
    return frames[first + 7 : first + 7 + size + 1]


def test_a_header_that_can_be_decoded_is_left_as_it_is() -> None:
    for message in (
        Message(b"", "", "q"),
        Message(b"x", "", "q", correlation_id="é", headers={"é": "ü", "n": 1}),
        Message(b"x", "", "q", timestamp=datetime(2026, 1, 1, tzinfo=UTC)),
    ):
        payload = header_payload(message)
        assert read_header(payload) is payload


@pytest.mark.parametrize(
    "message",
    [
        Message(b"x", "", "q", correlation_id="X"),
        Message(b"x", "", "q", type="X", user_id="till", expiration_ms=5),
        Message(b"x", "", "q", headers={"X": 1}),
        Message(b"x", "", "q", headers={"a": {"b": [{"X": 1}]}}),
    ],
)
def test_a_header_that_cannot_be_decoded_is_emptied_and_marked(message: Message) -> None:
    payload = header_payload(message).replace(b"X", b"\xff")
    with pytest.raises(UnicodeDecodeError):
        ContentHeader().unmarshal(payload[:-1])
    read = read_header(payload)
    assert len(read) == len(payload)
    header = ContentHeader()
    header.unmarshal(read[:-1])
    assert (header.body_size, header.properties.message_type) == (1, "?")
    assert header.properties.user_id is None


@pytest.mark.parametrize("seed", range(20))
def test_whatever_bytes_a_header_holds_it_is_decoded(seed: int) -> None:
    rng = random.Random(seed)
    payload = header_payload(Message(b"x", "", "q", headers={"abc": "def"}, correlation_id="c" * 9))
    for _ in range(200):
        damaged = bytearray(payload)
        for _ in range(rng.randrange(1, 5)):
            damaged[rng.randrange(14, len(payload) - 1)] = rng.randrange(256)
        ContentHeader().unmarshal(read_header(bytes(damaged))[:-1])


def test_a_message_is_cut_into_frames_no_larger_than_allowed() -> None:
    frames = write_message(Message(b"x" * 2500, "", "q"), 3, 1000)
    assert frames.count(b"x" * 1000 + b"\xce") == 2
    assert frames.endswith(b"x" * 500 + b"\xce")


def test_what_the_broker_says_about_the_connection_is_kept() -> None:
    words = Words()
    words.hear(b"\x00\x0a\x00\x3c\x0dlow on memory\xce")
    assert words.blocked == "low on memory"
    words.hear(b"\x00\x0a\x00\x3d\xce")
    assert words.blocked == ""
    words.hear(b"\x00\x0a\x00\x32\x02\x12\x09NOT_FOUND\x00\x00\x00\x00\xce")
    assert (words.code, words.farewell) == (530, "NOT_FOUND")
    assert isinstance(read_close(words.code, words.farewell), NotAllowed)
    assert type(read_close(320, "CONNECTION_FORCED")) is LinkDown


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ChannelAccessRefused("no"), NotAllowed),
        (ProbableAuthenticationError("no"), NotAllowed),
        (ChannelNotFoundEntity("no queue"), NotFound),
        (ChannelPreconditionFailed("inequivalent arg 'x'"), Mismatch),
        (ChannelPreconditionFailed("user_id property set to 'a'"), NotAllowed),
        (ChannelPreconditionFailed("unknown delivery tag 1"), ChannelClosed),
        (asyncio.CancelledError(), LinkDown),
        (TimeoutError(), LinkDown),
        (None, LinkDown),
        (Refused("x"), Refused),
    ],
)
def test_the_librarys_errors_become_ours(
    error: BaseException | None, kind: type[MessagingError]
) -> None:
    assert type(read_failure(error)) is kind


def test_an_error_says_what_it_is_and_why() -> None:
    assert str(Returned("x: NO_ROUTE")) == (
        "No queue takes this message; the broker sent it back: x: NO_ROUTE"
    )
    assert str(Refused()) == "The broker did not take responsibility for this message"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (Returned(), "returned"),
        (Refused(), "refused"),
        (NotAllowed(), "link_down"),
        (NoAnswer(), "no_answer"),
        (ValueError(), "failed"),
    ],
)
def test_outcomes_have_short_names(error: BaseException | None, outcome: str) -> None:
    assert outcome_of(error) == outcome


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("#", "", True),
        ("#.c", "a.b.c", True),
        ("*.*.#", "a", False),
        ("#.b.#", "a.b.c", True),
    ],
)
def test_topics_match_word_by_word(pattern: str, key: str, matches: bool) -> None:
    assert matches_topic(pattern.split("."), key.split(".") if key else []) is matches


def test_pauses_begin_at_once_double_and_are_bounded() -> None:
    pauses, rng = Pauses(first=0.1, longest=3.0), random.Random(1)
    assert pauses.before(0, rng) == pauses.before(1, rng) == 0.0
    for failures, full in ((2, 0.1), (3, 0.2), (4, 0.4), (20, 3.0), (10_000, 3.0)):
        for _ in range(20):
            assert full / 2 <= pauses.before(failures, rng) <= full


def test_deaths_are_counted_and_the_first_is_remembered() -> None:
    message = Message(b"x", "e", "k", expiration_ms=5)
    once = bury(message, "q1", "expired", "dlx", 0)
    assert (once.exchange, once.key, once.expiration_ms) == ("dlx", "k", None)
    twice = bury(bury(once, "q2", "rejected", "dlx", 1), "q1", "expired", "dlx", 2)
    deaths = twice.headers["x-death"]
    assert isinstance(deaths, list)
    told = [(d["queue"], d["reason"], d["count"]) for d in deaths if isinstance(d, dict)]
    assert told == [("q1", "expired", 2), ("q2", "rejected", 1)]
    assert twice.headers["x-first-death-queue"] == "q1"


def test_i10_what_a_sender_says_of_a_letter_the_broker_buried_is_not_believed() -> None:
    """It named another user, another exchange and an earlier death, and had its message buried."""
    death: HeaderValue = {
        "queue": "erp.journal.0",
        "reason": "delivery_limit",
        "exchange": "comptoir.journal",
        "routing-keys": ["p1"],
    }
    forged: HeaderValue = {
        "queue": "x",
        "reason": "expired",
        "exchange": "comptoir.feed",
        "routing-keys": ["all"],
    }
    lies: dict[str, HeaderValue] = {
        USER: "erp",
        EXCHANGE: "comptoir.feed",
        KEY: "all",
        CODE: "fine",
    }
    headers: dict[str, HeaderValue] = {**lies, "x-death": [death, forged]}
    letter = read_dead(Delivery(b"b", "comptoir.dead", "p1", 1, user_id="pos.p1", headers=headers))
    assert (letter.user_id, letter.exchange, letter.key, letter.queue, letter.code) == (
        "pos.p1", "comptoir.journal", "p1", "erp.journal.0", "delivery_limit",
    )  # fmt: skip
    parked = Delivery(b"b", "comptoir.journal", "p1", 1, user_id="pos.p1", headers=headers)
    kept = dead_letter("erp.journal.0", parked, Bad("malformed", "no"), "2026-01-01T00:00:00+00:00")
    again = read_dead(Delivery(kept.body, kept.exchange, kept.key, 2, headers=kept.headers))
    assert (again.user_id, again.exchange, again.code) == (
        "pos.p1",
        "comptoir.journal",
        "malformed",
    )


def test_a_dead_letter_is_read_as_it_was_written() -> None:
    delivery = Delivery(b"body", "ex", "key", 7, user_id="pos.1", headers={"h": 1}, type="t")
    message = dead_letter("q", delivery, Bad("code", "text"), "2026-01-01T00:00:00+00:00")
    assert message.key == "q"
    letter = read_dead(Delivery(message.body, message.exchange, "q", 1, headers=message.headers))
    assert (letter.code, letter.text, letter.queue) == ("code", "text", "q")
    assert (letter.exchange, letter.key, letter.user_id) == ("ex", "key", "pos.1")
    assert letter.complete


def test_the_id_of_a_dead_letter_does_not_change_by_looking_at_it() -> None:
    headers: Headers = {"comptoir-code": "c", "x-delivery-count": 3}
    first = read_dead(Delivery(b"b", "", "q", 1, headers={"comptoir-code": "c"}))
    later = read_dead(Delivery(b"b", "", "q", 9, redelivered=True, headers=headers))
    assert first.id == later.id


def test_a_dead_letter_nobody_signed_has_no_user() -> None:
    delivery = Delivery(b"", "", "k", 1)
    message = dead_letter("q", delivery, Bad("forged", ""), "")
    letter = read_dead(Delivery(b"", "d", "q", 1, user_id="erp", headers=message.headers))
    assert letter.user_id is None


def test_a_long_body_and_text_are_cut() -> None:
    message = dead_letter("q", Delivery(b"x" * (LARGEST + 1), "", "k", 1), Bad("c", "t" * 5000), "")
    assert len(message.body) == LARGEST
    letter = read_dead(Delivery(message.body, "", "q", 1, headers=message.headers))
    assert not letter.complete
    assert len(letter.text) == 1000


def test_an_unexpected_exception_is_described_without_its_words() -> None:
    try:
        raise KeyError("Jeanne Dupont")
    except KeyError as error:
        told = describe(error)
    assert told.startswith("KeyError at test_messaging_values.py:")
    assert "Dupont" not in told
    assert describe(ValueError("x")) == "ValueError"


def test_a_password_hash_is_salt_and_digest() -> None:
    raw = base64.b64decode(hash_password("test12", bytes.fromhex("908dc60a")))
    assert (
        raw
        == bytes.fromhex("908dc60a")
        + hashlib.sha256(bytes.fromhex("908dc60a") + b"test12").digest()
    )


async def test_an_answer_of_the_management_api_in_another_shape_is_a_clear_error() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=[{"no": "name"}])

    async with Admin("http://localhost:1", transport=httpx.MockTransport(answer)) as admin:
        with pytest.raises(AdminError, match=r"GET http://localhost:1/api/queues/%2F: .*shape"):
            await admin.queues()
