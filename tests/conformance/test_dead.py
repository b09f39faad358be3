"""The dead-letter queue: kept with the reason, shown, put back."""

from datetime import UTC, datetime

import pytest

from contracts.topology import DEAD_QUEUE, Policy
from messaging.channel import Channel, Delivery, Message, Returned
from messaging.consumer import Bad
from messaging.dead import LARGEST, DeadLetters, find, peek, reinject, remove
from messaging.publisher import Publisher
from tests.conformance.buses import Bus
from tests.conformance.test_limits import DEAD_LETTERS, make_graveyard
from tests.conformance.watching import Running, Seen, make_queue, publish, within

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


class Noon:
    def now(self) -> datetime:
        return NOON


@pytest.fixture
async def publisher(bus: Bus, channel: Channel, running: Running) -> Publisher:
    await make_graveyard(channel)
    await make_queue(channel)
    made = Publisher()
    await running.up(bus.login, made)
    return made


@pytest.fixture
def dead(publisher: Publisher) -> DeadLetters:
    return DeadLetters(publisher, Noon())


def delivery(body: bytes, key: str = "q") -> Delivery:
    return Delivery(body, "", key, 1, user_id="pos.lyon-1", type="customer.added")


async def test_a_parked_message_is_kept_with_who_where_when_and_why(
    channel: Channel, dead: DeadLetters
) -> None:
    await dead.park("q", delivery(b"body"), Bad("unknown_type", "customer.exploded"))
    (letter,) = await peek(channel, 5)
    assert (letter.code, letter.text) == ("unknown_type", "customer.exploded")
    assert (letter.queue, letter.exchange, letter.key) == ("q", "", "q")
    assert letter.user_id == "pos.lyon-1"
    assert datetime.fromisoformat(letter.time) == NOON
    assert (letter.body, letter.complete) == (b"body", True)
    routed = await channel.get(DEAD_QUEUE)
    assert routed is not None
    assert (routed.exchange, routed.key, routed.type) == ("comptoir.dead", "q", "customer.added")


async def test_looking_removes_nothing_and_shows_the_same_again(
    channel: Channel, dead: DeadLetters
) -> None:
    for number in range(3):
        await dead.park("q", delivery(b"%d" % number), Bad("code", "text"))
    first = await peek(channel, 2)
    assert len(first) == 2
    everything = await peek(channel, 10)
    assert {letter.body for letter in everything} == {b"0", b"1", b"2"}
    assert {letter.id for letter in first} <= {letter.id for letter in everything}
    assert len({letter.id for letter in everything}) == 3


async def test_an_oversized_body_is_cut_and_says_so(
    channel: Channel, publisher: Publisher, dead: DeadLetters
) -> None:
    await dead.park("q", delivery(b"x" * (LARGEST + 5)), Bad("oversized", ""))
    (letter,) = await peek(channel, 1)
    assert (len(letter.body), letter.size, letter.complete) == (LARGEST, LARGEST + 5, False)
    with pytest.raises(ValueError, match="only"):
        await reinject(channel, publisher, letter.id)
    assert len(await peek(channel, 10)) == 1


async def test_a_letter_put_back_arrives_as_it_was_and_is_gone_from_the_dead(
    channel: Channel, publisher: Publisher
) -> None:
    unsigned = Delivery(b"again", "", "q", 1, headers={"h": "x"}, type="t", correlation_id="c")
    dead = DeadLetters(publisher, Noon())
    for body in (b"other", b"again"):
        await dead.park("q", Delivery(body, "", "q", 1, headers={"h": "x"}, type="t"), Bad("c", ""))
    wanted = next(letter for letter in await peek(channel, 5) if letter.body == unsigned.body)
    assert await within(reinject(channel, publisher, wanted.id))
    assert not await within(reinject(channel, publisher, wanted.id))
    seen = Seen()
    await channel.consume("q", seen)
    (back,) = await seen.wait(1)
    assert (back.body, dict(back.headers), back.type) == (b"again", {"h": "x"}, "t")
    assert [letter.body for letter in await peek(channel, 5)] == [b"other"]


async def test_a_letter_whose_place_is_gone_stays_among_the_dead(
    channel: Channel, publisher: Publisher, dead: DeadLetters
) -> None:
    await dead.park("gone", Delivery(b"x", "", "gone", 1), Bad("c", ""))
    (letter,) = await peek(channel, 5)
    with pytest.raises(Returned):
        await within(reinject(channel, publisher, letter.id))
    assert [each.id for each in await peek(channel, 5)] == [letter.id]


async def test_a_letter_put_away_is_gone_and_the_others_stay(
    channel: Channel, dead: DeadLetters
) -> None:
    for body in (b"0", b"1", b"2"):
        await dead.park("q", delivery(body), Bad("code", "text"))
    letter = next(one for one in await peek(channel, 5) if one.body == b"1")
    assert await within(remove(channel, letter.id))
    assert not await within(remove(channel, letter.id))
    assert {one.body for one in await peek(channel, 5)} == {b"0", b"2"}


async def test_viewing_putting_back_and_removing_look_equally_far(
    channel: Channel, publisher: Publisher, dead: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    for body in (b"0", b"1", b"2"):
        await dead.park("q", delivery(body), Bad("code", "text"))
    monkeypatch.setattr("messaging.dead.LOOKED_THROUGH", 2)
    letters = await peek(channel, 5)
    assert len(letters) == 2
    assert [await within(find(channel, one.id)) for one in letters] == letters
    monkeypatch.setattr("messaging.dead.LOOKED_THROUGH", 0)
    for one in letters:
        assert await within(find(channel, one.id)) is None
        assert not await within(reinject(channel, publisher, one.id))
        assert not await within(remove(channel, one.id))
    monkeypatch.undo()
    assert len(await peek(channel, 5)) == 3


async def test_what_the_broker_buried_itself_is_read_the_same_way(
    bus: Bus, channel: Channel, publisher: Publisher
) -> None:
    await bus.admin.put_policy(Policy("limit", "^limited$", {"delivery-limit": 0, **DEAD_LETTERS}))
    await make_queue(channel, "limited")
    await publish(channel, [Message(b"poison", "", "limited")])
    taken = await channel.get("limited")
    assert taken is not None
    channel.nack(taken.tag, requeue=True)
    seen = Seen()
    consumer = await channel.consume(DEAD_QUEUE, seen)
    (buried,) = await seen.wait(1)
    await channel.cancel(consumer)
    channel.nack(buried.tag, requeue=True)
    (letter,) = await peek(channel, 5)
    assert (letter.code, letter.queue, letter.key) == ("delivery_limit", "limited", "limited")
    assert letter.time
