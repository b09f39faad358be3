"""Handling in order, whatever happens to a message, its handler or the link."""

import asyncio
from dataclasses import replace

import pytest

from contracts.topology import Policy
from messaging.channel import Channel, Delivery, Message
from messaging.clock import SystemClock
from messaging.consumer import Bad, Transient
from messaging.dead import DeadLetters, peek
from messaging.observer import Event
from messaging.publisher import Publisher
from tests.conformance.buses import Bus
from tests.conformance.test_limits import DEAD_LETTERS, dead_letters, make_graveyard
from tests.conformance.watching import (
    Batches,
    Running,
    make_queue,
    numbered,
    publish,
    until_state,
    within,
)


def bodies(count: int) -> list[bytes]:
    return [message.body for message in numbered(count)]


async def test_batches_are_handled_in_order_and_acked(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    await publish(channel, numbered(300))
    batches = Batches()
    await running.up(bus.login, batches.consumer("q", batch=32, prefetch=100))
    await batches.wait(300)
    assert batches.bodies == bodies(300)
    assert max(len(batch) for batch in batches.handled) <= 32
    assert len(batches.handled) < 100
    await batches.idle()
    await running.close()
    assert await channel.get("q") is None


async def test_a_transient_error_pauses_and_keeps_the_order(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    await publish(channel, numbered(30))
    batches = Batches()
    batches.fail = [Transient("database away"), OSError("disk"), Transient("again")]
    await running.up(bus.login, batches.consumer("q", batch=10))
    await batches.wait(30)
    assert batches.bodies == bodies(30)
    first = batches.tried[0]
    assert batches.tried[:4] == [first] * 4
    assert not any(delivery.redelivered for batch in batches.handled for delivery in batch)


async def test_a_bad_message_is_parked_with_the_reason_and_the_next_is_handled(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_graveyard(channel)
    await make_queue(channel)
    publisher = Publisher()
    dead = DeadLetters(publisher, SystemClock())
    batches = Batches()
    batches.bad = {b"3": Bad("malformed", "data.name: missing")}
    events: list[Event] = []
    await running.up(bus.login, publisher)
    await publish(
        channel,
        [
            Message(message.body, "", "q", correlation_id="c", headers={"h": "x"})
            for message in numbered(6)
        ],
    )
    consumer = batches.consumer("q", park=dead.of("q"), observer=events.append)
    await running.up(bus.login, consumer, name="consuming")
    await batches.wait(6)
    await batches.idle()
    (letter,) = await peek(channel, 10)
    assert (letter.code, letter.text) == ("malformed", "data.name: missing")
    assert (letter.queue, letter.exchange, letter.key) == ("q", "", "q")
    assert letter.body == b"3"
    assert letter.headers["h"] == "x"
    assert batches.bodies == bodies(6)
    assert [event.outcome for event in events] == ["ok"] * 3 + ["parked"] + ["ok"] * 2


async def test_nothing_is_acked_before_the_bad_message_is_parked(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    await publish(channel, numbered(3))
    parked: list[bytes] = []
    refusals = [Transient("no link"), Transient("no link")]

    async def park(delivery: Delivery, bad: Bad) -> None:
        if refusals:
            raise refusals.pop()
        parked.append(delivery.body)

    batches = Batches()
    batches.bad = {b"1": Bad("malformed", "")}
    await running.up(bus.login, batches.consumer("q", park=park))
    await batches.wait(3)
    await batches.idle()
    assert parked == [b"1"]
    assert batches.bodies == bodies(3)


async def test_what_cannot_be_parked_as_it_came_is_parked_without_its_headers(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    parked: list[Delivery] = []

    async def park(delivery: Delivery, bad: Bad) -> None:
        if delivery.headers:
            raise TypeError("no such header")
        parked.append(delivery)

    batches = Batches()
    batches.bad = {b"1": Bad("malformed", "")}
    await publish(channel, [replace(one, headers={"h": "x"}) for one in numbered(3)])
    await running.up(bus.login, batches.consumer("q", park=park))
    await batches.wait(3)
    await batches.idle()
    assert [(one.body, one.headers) for one in parked] == [(b"1", {})]
    assert batches.bodies == bodies(3)


@pytest.mark.parametrize("last", [b"1", b"2"])
async def test_what_cannot_be_parked_at_all_is_left_to_the_broker_and_the_next_is_handled(
    bus: Bus, channel: Channel, running: Running, last: bytes
) -> None:
    await bus.admin.put_policy(Policy("dead", "^q$", DEAD_LETTERS))
    await make_graveyard(channel)
    await make_queue(channel)

    async def park(delivery: Delivery, bad: Bad) -> None:
        raise TypeError("cannot be written")

    batches = Batches()
    batches.bad = {last: Bad("malformed", "")}
    await publish(channel, numbered(3))
    link = await running.up(bus.login, batches.consumer("q", park=park))
    await batches.wait(3)
    await batches.idle()
    (buried,) = await dead_letters(channel, 1)
    assert buried.body == last
    await publish(channel, [Message(b"next", "", "q")])
    await batches.wait(4)
    await batches.idle()
    assert batches.bodies == [*bodies(3), b"next"]
    assert link.state.ready


async def test_a_handler_that_fails_on_one_message_parks_that_one_alone(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    await publish(channel, numbered(8))
    batches = Batches()
    batches.broken = {b"5"}
    await running.up(bus.login, batches.consumer("q", batch=8))
    await batches.wait(7)
    await batches.idle()
    assert batches.bodies == [body for body in bodies(8) if body != b"5"]
    ((delivery, bad),) = batches.parked
    assert (delivery.body, bad.code) == (b"5", "failed")
    assert "ZeroDivisionError" in bad.text
    assert "secret" not in bad.text


async def test_a_batch_whose_link_is_lost_is_handled_again_in_order(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    await publish(channel, numbered(10))
    batches = Batches()
    batches.gate.clear()
    link = await running.up(bus.fragile, batches.consumer("q", batch=4))
    await within(batches.entered.wait())
    bus.cut()
    await until_state(link, lambda state: not state.up)
    batches.gate.set()
    await batches.wait_for(lambda: batches.seen_all(bodies(10)))
    redelivered = [
        delivery for batch in batches.handled for delivery in batch if delivery.redelivered
    ]
    assert [delivery.body for delivery in redelivered] == bodies(10)


async def test_a_pause_ends_when_the_link_is_lost(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    await publish(channel, numbered(1))
    batches = Batches()
    batches.fail = [Transient("away")] * 5
    link = await running.up(bus.fragile, batches.consumer("q"))
    await within(batches.entered.wait())
    bus.cut()
    await within(link.wait_up())
    await batches.wait(1)
    assert batches.handled[-1][0].redelivered


@pytest.mark.parametrize("answers", [0, 2])
async def test_a_handler_with_the_wrong_number_of_verdicts_acks_nothing_unjudged(
    bus: Bus, channel: Channel, running: Running, answers: int
) -> None:
    await make_queue(channel)
    await publish(channel, numbered(1))
    batches = Batches()
    batches.verdicts = answers
    await running.up(bus.login, batches.consumer("q", patience=2))
    await batches.wait_for(lambda: len(batches.parked) == 1)
    assert batches.parked[0][1].code == "failed"


async def test_two_consumers_of_one_link_do_not_wait_for_each_other(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel, "slow")
    await make_queue(channel, "quick")
    slow, quick = Batches(), Batches()
    slow.gate.clear()
    await running.up(bus.login, slow.consumer("slow"), quick.consumer("quick"))
    await publish(channel, [*numbered(1, "slow"), *numbered(5, "quick")])
    await within(slow.entered.wait())
    await quick.wait(5)
    assert slow.handled == []
    slow.gate.set()
    await slow.wait(1)
    await asyncio.sleep(0)
