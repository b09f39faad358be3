"""What a channel does: order, confirms, returns, acks, prefetch, properties."""

import asyncio

import pytest

from contracts.topology import Binding, Exchange, Queue, QueueKind
from messaging.channel import (
    Channel,
    ChannelClosed,
    Connection,
    Message,
    Mismatch,
    NotFound,
    Return,
    Returned,
)
from tests.conformance.buses import Bus
from tests.conformance.watching import Seen, make_queue, numbered, publish, within

KINDS: tuple[QueueKind, ...] = ("classic", "quorum")


@pytest.mark.parametrize("kind", KINDS)
async def test_messages_arrive_in_the_order_they_were_published(
    channel: Channel, kind: QueueKind
) -> None:
    await make_queue(channel, kind=kind)
    await publish(channel, numbered(300))
    seen = Seen()
    await channel.consume("q", seen)
    await seen.wait(300)
    assert seen.bodies == [str(number).encode() for number in range(300)]
    tags = [delivery.tag for delivery in seen.deliveries]
    assert tags == sorted(tags)


async def test_properties_and_bodies_arrive_as_they_were_sent(channel: Channel) -> None:
    await make_queue(channel)
    message = Message(
        bytes(range(256)) * 1200,
        "",
        "q",
        correlation_id="c-1",
        headers={"text": "é", "number": 7, "yes": True, "nested": {"list": ["a", 1]}},
        content_encoding="zstd",
        type="feed.page",
        expiration_ms=60_000,
    )
    await publish(channel, [message, Message(b"", "", "q")])
    seen = Seen()
    await channel.consume("q", seen)
    full, empty = await seen.wait(2)
    assert full.body == message.body
    assert (full.correlation_id, full.content_encoding, full.type) == ("c-1", "zstd", "feed.page")
    assert dict(full.headers) == dict(message.headers)
    assert (full.expiration_ms, full.user_id, full.damaged) == (60_000, None, False)
    assert (full.exchange, full.key) == ("", "q")
    assert empty.body == b""
    assert empty.correlation_id is None


async def test_an_unroutable_message_is_returned_and_only_that_one(channel: Channel) -> None:
    await make_queue(channel)
    messages = [Message(b"x", "", "q" if number % 3 else "nowhere") for number in range(90)]
    futures = [channel.publish(message) for message in messages]
    results = await within(asyncio.gather(*futures, return_exceptions=True))
    for number, result in enumerate(results):
        if number % 3:
            assert result is None
        else:
            assert isinstance(result, Returned)
            assert "nowhere" in str(result)


async def test_an_unroutable_message_that_is_not_mandatory_is_confirmed(channel: Channel) -> None:
    await within(channel.publish(Message(b"x", "", "nowhere", mandatory=False)))


async def test_giving_up_on_a_confirm_does_not_shift_the_others(channel: Channel) -> None:
    await make_queue(channel)
    keys = ["q", "q", "q", "nowhere", "q", "nowhere"]
    futures = [channel.publish(Message(b"x", "", key)) for key in keys]
    futures[1].cancel()
    results = await within(asyncio.gather(*futures, return_exceptions=True))
    assert [type(result) for result in results] == [
        type(None),
        asyncio.CancelledError,
        type(None),
        Returned,
        type(None),
        Returned,
    ]


async def test_without_confirms_returns_are_noticed_with_their_correlation(
    connection: Connection,
) -> None:
    noticed: asyncio.Future[Return] = asyncio.get_running_loop().create_future()
    channel = await connection.channel(confirms=False, prefetch=0, on_return=noticed.set_result)
    channel.send(Message(b"x", "", "nowhere", correlation_id="c-9"))
    note = await within(noticed)
    assert (note.key, note.correlation_id, note.reason) == ("nowhere", "c-9", "NO_ROUTE")


async def test_publishing_to_a_missing_exchange_closes_the_channel_with_the_reason(
    channel: Channel,
) -> None:
    await make_queue(channel)
    first = channel.publish(Message(b"x", "nosuch", "q"))
    second = channel.publish(Message(b"x", "", "q"))
    with pytest.raises(NotFound, match="nosuch"):
        await within(first)
    with pytest.raises(ChannelClosed):
        await within(second)
    assert isinstance(channel.closed.result(), NotFound)
    with pytest.raises(NotFound):
        channel.publish(Message(b"x", "", "q"))


async def test_no_more_than_prefetch_arrives_before_an_ack(connection: Connection) -> None:
    setup = await connection.channel(confirms=True, prefetch=0)
    await make_queue(setup)
    await publish(setup, numbered(5))
    channel = await connection.channel(confirms=False, prefetch=2)
    seen = Seen()
    await channel.consume("q", seen)
    await seen.wait(2)
    held_back = await setup.get("q")
    assert held_back is not None
    assert held_back.body == b"2"
    channel.ack(seen.deliveries[1].tag, multiple=True)
    await seen.wait(4)
    assert seen.bodies == [b"0", b"1", b"3", b"4"]


async def test_acking_many_takes_all_before_and_none_after(connection: Connection) -> None:
    setup = await connection.channel(confirms=True, prefetch=0)
    await make_queue(setup)
    await publish(setup, numbered(4))
    channel = await connection.channel(confirms=False, prefetch=0)
    seen = Seen()
    await channel.consume("q", seen)
    await seen.wait(4)
    channel.ack(seen.deliveries[2].tag, multiple=True)
    await channel.close()
    again = Seen()
    await setup.consume("q", again)
    await again.wait(1)
    assert again.bodies == [b"3"]


async def test_acking_what_was_not_delivered_closes_the_channel(channel: Channel) -> None:
    channel.ack(42)
    reason = await within(asyncio.shield(channel.closed))
    assert isinstance(reason, ChannelClosed)
    assert "unknown delivery tag" in reason.reason


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_lost_connection_held_comes_back_in_order_and_marked(
    bus: Bus, channel: Channel, kind: QueueKind
) -> None:
    await make_queue(channel, kind=kind)
    await publish(channel, numbered(20))
    lost = await bus.fragile.connect("lost")
    holding = await lost.channel(confirms=False, prefetch=10)
    held = Seen()
    await holding.consume("q", held)
    await held.wait(10)
    assert not any(delivery.redelivered for delivery in held.deliveries)
    bus.cut()
    await within(asyncio.shield(lost.closed))
    seen = Seen()
    await channel.consume("q", seen)
    await seen.wait(20)
    by_number = sorted(seen.deliveries, key=lambda delivery: int(delivery.body))
    assert [delivery.redelivered for delivery in by_number] == [True] * 10 + [False] * 10


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_closed_channel_held_comes_before_what_waited(
    connection: Connection, channel: Channel, kind: QueueKind
) -> None:
    await make_queue(channel, kind=kind)
    await publish(channel, numbered(20))
    holding = await connection.channel(confirms=False, prefetch=10)
    held = Seen()
    await holding.consume("q", held)
    await held.wait(10)
    await holding.close()
    seen = Seen()
    await channel.consume("q", seen)
    await seen.wait(20)
    assert seen.bodies == [str(number).encode() for number in range(20)]


async def test_a_requeued_message_is_delivered_again_marked(channel: Channel) -> None:
    await make_queue(channel)
    await publish(channel, numbered(1))
    seen = Seen()
    await channel.consume("q", seen)
    await seen.wait(1)
    channel.nack(seen.deliveries[0].tag, requeue=True)
    await seen.wait(2)
    assert [delivery.redelivered for delivery in seen.deliveries] == [False, True]


async def test_one_active_consumer_and_the_next_takes_over_from_where_it_was(bus: Bus) -> None:
    connections = [await bus.fragile.connect("first"), await bus.login.connect("second")]
    channels = [await each.channel(confirms=True, prefetch=5) for each in connections]
    await channels[0].declare_queue(Queue("q", "quorum", single_active_consumer=True))
    first, second = Seen(), Seen()
    await channels[0].consume("q", first)
    await channels[1].consume("q", second)
    await publish(channels[1], numbered(10))
    await first.wait(5)
    assert second.deliveries == []
    bus.cut()
    await second.wait(5)
    channels[1].ack(second.deliveries[4].tag, multiple=True)
    await second.wait(10)
    assert second.bodies == [str(number).encode() for number in range(10)]
    await connections[1].close()


async def test_a_queue_for_one_active_consumer_gives_nothing_to_others(channel: Channel) -> None:
    await channel.declare_queue(Queue("q", "quorum", single_active_consumer=True))
    with pytest.raises(ChannelClosed, match="RESOURCE_LOCKED"):
        await channel.get("q")


async def test_a_consumer_whose_queue_is_deleted_loses_its_channel(
    connection: Connection, channel: Channel
) -> None:
    await make_queue(channel)
    consuming = await connection.channel(confirms=False, prefetch=0)
    await consuming.consume("q", Seen())
    await channel.delete_queue("q")
    reason = await within(asyncio.shield(consuming.closed))
    assert "deleted" in reason.reason
    assert not channel.closed.done()


async def test_consuming_from_a_missing_queue_names_it(channel: Channel) -> None:
    with pytest.raises(NotFound, match="nosuch"):
        await channel.consume("nosuch", Seen())


async def test_exchanges_route_by_key_and_pattern(channel: Channel) -> None:
    for exchange in (Exchange("topic", "topic"), Exchange("direct", "direct")):
        await channel.declare_exchange(exchange)
    for name in ("a", "b", "c"):
        await make_queue(channel, name, "classic")
    for binding in (
        Binding("topic", "centre.*.customers", "a"),
        Binding("topic", "centre.#", "b"),
        Binding("topic", "centre.1.customers", "b"),
        Binding("direct", "till", "c"),
        Binding("direct", "gone", "c"),
    ):
        await channel.bind(binding)
    await channel.unbind(Binding("direct", "gone", "c"))
    await publish(
        channel,
        [
            Message(b"1", "topic", "centre.1.customers"),
            Message(b"2", "topic", "centre.1"),
            Message(b"3", "direct", "till"),
        ],
    )
    for name, key in (("topic", "all"), ("direct", "gone"), ("direct", "til")):
        with pytest.raises(Returned):
            await within(channel.publish(Message(b"x", name, key)))
    for queue, wanted in (("a", [b"1"]), ("b", [b"1", b"2"]), ("c", [b"3"])):
        got = [await channel.get(queue) for _ in range(len(wanted) + 1)]
        assert [each and each.body for each in got] == [*wanted, None]


async def test_declaring_again_changes_nothing_and_otherwise_is_refused(
    connection: Connection, channel: Channel
) -> None:
    await channel.declare_queue(Queue("q", "quorum", single_active_consumer=True))
    await channel.declare_queue(Queue("q", "quorum", single_active_consumer=True))
    for other in (Queue("q", "classic", True), Queue("q", "quorum", False)):
        with pytest.raises(Mismatch, match=r"inequivalent arg 'x-.*' for queue 'q'"):
            await (await connection.channel(confirms=False, prefetch=0)).declare_queue(other)


async def test_purging_tells_how_many_messages_went(channel: Channel) -> None:
    await make_queue(channel)
    await publish(channel, numbered(3))
    assert await channel.purge("q") == 3
    assert await channel.get("q") is None


async def test_a_dropped_channel_fails_what_is_in_flight_and_leaves_its_neighbour(
    connection: Connection, channel: Channel
) -> None:
    await make_queue(channel)
    doomed = await connection.channel(confirms=True, prefetch=0)
    publishing = doomed.publish(Message(b"x", "", "q"))
    doomed.drop(ChannelClosed("enough"))
    with pytest.raises(ChannelClosed, match="enough"):
        await within(publishing)
    await within(channel.publish(Message(b"y", "", "q")))
