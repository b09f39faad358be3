"""Publishing with confirms: many in flight, none lost without a word."""

import asyncio

import pytest

from messaging.channel import Channel, LinkDown, Message, Returned
from messaging.observer import Event
from messaging.publisher import Publisher
from tests.conformance.buses import Bus
from tests.conformance.watching import Running, Seen, make_queue, numbered, within


async def test_all_are_published_in_order_through_a_small_window(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    publisher = Publisher(window=8)
    await running.up(bus.login, publisher)
    await within(publisher.publish_all(numbered(200)))
    seen = Seen()
    await channel.consume("q", seen)
    await seen.wait(200)
    assert seen.bodies == [message.body for message in numbered(200)]
    assert {delivery.user_id for delivery in seen.deliveries} == {seen.deliveries[0].user_id}
    assert seen.deliveries[0].user_id is not None


async def test_the_first_failure_stops_the_rest_and_is_raised(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    publisher = Publisher(window=1)
    await running.up(bus.login, publisher)
    messages = [*numbered(3), Message(b"x", "", "nowhere"), *numbered(3)]
    with pytest.raises(Returned, match="nowhere"):
        await within(publisher.publish_all(messages))
    assert await channel.purge("q") in (3, 4)


async def test_returns_among_many_reach_those_who_published_them(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    events: list[Event] = []
    publisher = Publisher(observer=events.append)
    await running.up(bus.login, publisher)
    keys = ["q" if number % 7 else "nowhere" for number in range(140)]
    results = await within(
        asyncio.gather(
            *(publisher.publish(Message(b"x", "", key)) for key in keys), return_exceptions=True
        )
    )
    assert [isinstance(result, Returned) for result in results] == [
        key == "nowhere" for key in keys
    ]
    assert [event.outcome for event in events].count("returned") == 20
    assert {event.outcome for event in events} == {"ok", "returned"}
    assert all(event.took > 0 for event in events)


async def test_without_a_link_publishing_fails_at_once(bus: Bus) -> None:
    publisher = Publisher()
    for attempt in (publisher.publish(Message(b"x", "", "q")), publisher.publish_all(numbered(2))):
        with pytest.raises(LinkDown, match="not attached"):
            await within(attempt, 1)


async def test_whoever_stops_waiting_leaves_the_others_alone(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    publisher = Publisher()
    await running.up(bus.login, publisher)
    publishing = [asyncio.create_task(publisher.publish(message)) for message in numbered(50)]
    await asyncio.sleep(0)
    for task in publishing[::3]:
        task.cancel()
    results = await within(asyncio.gather(*publishing, return_exceptions=True))
    for number, result in enumerate(results):
        assert (result is None) == bool(number % 3)
    with pytest.raises(Returned):
        await within(publisher.publish(Message(b"x", "", "nowhere")))
