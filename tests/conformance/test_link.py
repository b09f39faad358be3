"""A link is rebuilt by itself, with all its roles, and tells how it is (SYNC-7, I11)."""

import asyncio
import random

import pytest

from contracts.topology import Rights
from messaging.channel import Channel, LinkDown, Message, NotAllowed
from messaging.connection import LinkState
from messaging.publisher import Publisher
from messaging.rpc import Requester
from tests.conformance.buses import Bus
from tests.conformance.watching import Batches, Running, Seen, make_queue, until_state, within


async def test_sync_7_a_cut_link_comes_back_with_its_roles_and_tells_since_when(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    batches = Batches()
    publisher = Publisher()
    link = await running.up(bus.fragile, publisher, batches.consumer("q"))
    states: list[LinkState] = []
    link.listen(states.append)
    before = link.state
    bus.cut()
    down = await until_state(link, lambda state: not state.up)
    assert down.reason
    assert down.since >= before.since
    await within(link.wait_up(), 10)
    await within(publisher.publish(Message(b"x", "", "q")))
    await batches.wait(1)
    assert [state.up for state in states][-1]
    assert link.state.since >= down.since
    assert all(role.attached for role in link.state.roles)


async def test_what_is_in_flight_fails_at_once_when_the_link_is_lost(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel, "replies", "classic")
    await make_queue(channel, "questions", "classic")
    requester = Requester("replies", rng=random.Random(1))
    link = await running.up(bus.fragile, requester)
    asking = asyncio.create_task(requester.ask(Message(b"?", "", "questions"), 60))
    asked = Seen()
    await channel.consume("questions", asked)
    await asked.wait(1)
    bus.cut()
    with pytest.raises(LinkDown):
        await within(asking)
    await within(link.wait_up())


async def test_a_role_that_cannot_attach_is_told_with_the_reason_and_disturbs_no_other(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    publisher, batches = Publisher(), Batches()
    link = running.link(bus.login, publisher, batches.consumer("later"))
    state = await until_state(
        link, lambda state: any("later" in role.reason for role in state.roles)
    )
    assert state.up
    assert not state.ready
    await within(publisher.wait_attached())
    await within(publisher.publish(Message(b"x", "", "q")))
    await make_queue(channel, "later")
    await within(link.wait_up(), 10)
    await within(publisher.publish(Message(b"x", "", "later")))
    await batches.wait(1)


async def test_a_consumer_whose_queue_is_deleted_is_attached_again_once_it_is_back(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    batches = Batches()
    link = await running.up(bus.login, batches.consumer("q"))
    await channel.delete_queue("q")
    state = await until_state(link, lambda state: not state.ready)
    assert state.up
    await make_queue(channel)
    await within(link.wait_up(), 10)
    await within(channel.publish(Message(b"x", "", "q")))
    await batches.wait(1)


async def test_a_forbidden_publish_fails_with_the_reason_and_the_next_one_works(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    await make_queue(channel, "other")
    login = await bus.user("till", Rights("^$", r"^amq\.default$", "^$"))
    publisher = Publisher()
    link = await running.up(login, publisher)
    with pytest.raises(NotAllowed, match="user_id"):
        await within(publisher.publish(Message(b"x", "", "q", user_id="another")))
    await within(link.wait_up())
    await within(publisher.publish(Message(b"y", "", "q")))
    got = await channel.get("q")
    assert got is not None
    assert (got.body, got.user_id) == (b"y", "till")


async def test_a_link_that_fell_silent_is_noticed_and_rebuilt(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    batches = Batches()
    link = await running.up(bus.fragile, batches.consumer("q"))
    bus.fall_silent()
    await until_state(link, lambda state: not state.up)
    await within(link.wait_up(), 10)
    await within(channel.publish(Message(b"x", "", "q")))
    await batches.wait(1)


async def test_a_publish_into_silence_ends_by_its_own_time_limit(
    bus: Bus, channel: Channel, running: Running
) -> None:
    await make_queue(channel)
    publisher = Publisher(timeout=0.5)
    link = await running.up(bus.fragile, publisher)
    bus.fall_silent()
    with pytest.raises(LinkDown):
        await within(publisher.publish(Message(b"x", "", "q")), 5)
    await within(link.wait_up(), 15)
    await within(publisher.publish(Message(b"y", "", "q")))
