"""A broker that dies, comes back, or takes no more messages."""

import asyncio

import pytest

from contracts.topology import QueueKind
from messaging.channel import LinkDown, Message, MessagingError
from messaging.publisher import Publisher
from tests.conformance.buses import Killable
from tests.conformance.watching import Running, Seen, make_queue, numbered, publish, within


@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_a_broker_killed_while_publishing_loses_no_confirmed_message(
    killable: Killable, running: Running, kind: QueueKind
) -> None:
    setup = await killable.login.connect("setup")
    await make_queue(await setup.channel(confirms=True, prefetch=0), kind=kind)
    await killable.settle()
    publisher = Publisher(window=64)
    link = await running.up(killable.login, publisher)
    confirmed: set[bytes] = set()
    halfway = asyncio.Event()

    async def bring(message: Message) -> None:
        """As a journal's relay does: again until it is confirmed."""
        while message.body not in confirmed:
            try:
                await publisher.publish(message)
                confirmed.add(message.body)
            except LinkDown:
                await link.wait_up()
            if len(confirmed) >= 300:
                halfway.set()

    publishing = [asyncio.create_task(bring(message)) for message in numbered(1000)]
    await within(halfway.wait())
    await killable.stop()
    assert len(confirmed) < 1000
    await killable.start()
    await within(asyncio.gather(*publishing), 60)
    connection = await killable.login.connect("reader")
    channel = await connection.channel(confirms=False, prefetch=0)
    seen = Seen()
    await channel.consume("q", seen)
    async with asyncio.timeout(20):
        while set(seen.bodies) != confirmed:
            await seen.wait(len(seen.deliveries) + 1)
    assert len(confirmed) == 1000
    await connection.close()


async def test_a_link_finds_a_broker_that_comes_back_within_ten_seconds(
    killable: Killable, running: Running
) -> None:
    setup = await killable.login.connect("setup")
    await make_queue(await setup.channel(confirms=True, prefetch=0))
    await killable.settle()
    publisher = Publisher()
    link = await running.up(killable.login, publisher)
    await killable.stop()
    await within(asyncio.shield(setup.closed))
    with pytest.raises(LinkDown):
        await publisher.publish(Message(b"x", "", "q"))
    assert not link.state.ready
    await killable.start()
    await within(link.wait_up(), 10)
    await publisher.publish(Message(b"x", "", "q"))


async def test_while_the_broker_takes_no_messages_the_publisher_says_so_and_recovers(
    killable: Killable, running: Running
) -> None:
    setup = await killable.login.connect("setup")
    await make_queue(await setup.channel(confirms=True, prefetch=0))
    publisher = Publisher(timeout=1.0)
    link = await running.up(killable.login, publisher)
    await killable.set_alarm()
    try:
        with pytest.raises(LinkDown, match=r"no confirm within 1 s \(.*memory.*\)"):
            await within(publisher.publish(Message(b"x", "", "q")))
    finally:
        await killable.clear_alarm()
    async with asyncio.timeout(20):
        while True:
            await link.wait_up()
            try:
                await publisher.publish(Message(b"y", "", "q"))
                break
            except MessagingError:
                continue


async def test_while_the_broker_takes_no_messages_it_still_delivers(killable: Killable) -> None:
    setup = await killable.login.connect("setup")
    channel = await setup.channel(confirms=True, prefetch=0)
    await make_queue(channel)
    await publish(channel, numbered(1))
    await killable.set_alarm()
    try:
        blocked = channel.publish(Message(b"later", "", "q"))
        other = await killable.login.connect("other")
        reading = await other.channel(confirms=False, prefetch=1)
        seen = Seen()
        await reading.consume("q", seen)
        await seen.wait(1)
        reading.ack(seen.deliveries[0].tag)
        assert not blocked.done()
    finally:
        await killable.clear_alarm()
    await within(blocked)
    await seen.wait(2)
    assert seen.bodies == [b"0", b"later"]
    await other.close()
    await setup.close()
