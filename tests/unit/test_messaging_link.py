"""A link on a clock that jumps, over the memory broker: pauses, liveness, determinism."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from contracts.topology import Queue
from messaging.channel import Channel, Connection, Delivery, LinkDown, Message, MessagingError
from messaging.connection import Link
from messaging.consumer import Bad, OrderedConsumer
from messaging.memory.broker import MemoryBroker
from messaging.observer import Event
from messaging.publisher import Publisher
from tests.fake_time import on_fake_time, until


class LoopClock:
    def now(self) -> datetime:
        return datetime.fromtimestamp(asyncio.get_running_loop().time(), UTC)


class Refusing:
    """A port that stays closed, or swallows, until opened; it notes when it was tried."""

    def __init__(self, broker: MemoryBroker, *, swallows: bool = False) -> None:
        self._login = broker.as_user("guest")
        self.swallows = swallows
        self.open = False
        self.tried: list[float] = []

    async def connect(self, name: str) -> Connection:
        self.tried.append(asyncio.get_running_loop().time())
        if self.open:
            return await self._login.connect(name)
        if self.swallows:
            await asyncio.get_running_loop().create_future()
        raise LinkDown("connection refused")


def make_link(broker: Refusing, seed: int = 1) -> Link:
    return Link(broker, "link", clock=LoopClock(), rng=random.Random(seed), connect_timeout=5.0)


@on_fake_time
async def test_i11_the_first_retry_is_at_once_and_pauses_grow_to_three_seconds() -> None:
    broker = Refusing(MemoryBroker())
    task = asyncio.create_task(make_link(broker).run())
    await asyncio.sleep(600)
    task.cancel()
    pauses = [after - before for before, after in zip(broker.tried, broker.tried[1:], strict=False)]
    assert pauses[0] < 0.01
    assert max(pauses) <= 3.0
    assert min(pauses[6:]) >= 1.5
    assert len(set(pauses[6:])) > 10


@on_fake_time
async def test_i11_traffic_flows_within_ten_seconds_of_the_port_opening() -> None:
    for swallows in (False, True):
        for away in (1.0, 7.3, 3600.0, 20_000.0):
            memory = MemoryBroker()
            broker = Refusing(memory, swallows=swallows)
            link = make_link(broker)
            task = asyncio.create_task(link.run())
            await asyncio.sleep(away)
            broker.open, began = True, asyncio.get_running_loop().time()
            await link.wait_up()
            assert asyncio.get_running_loop().time() - began < 10
            task.cancel()


@on_fake_time
async def test_sync_7_the_state_tells_since_when_and_why() -> None:
    memory = MemoryBroker()
    broker = Refusing(memory)
    link = make_link(broker)
    assert (link.state.up, link.state.reason) == (False, "not started")
    began = link.state.since
    task = asyncio.create_task(link.run())
    await asyncio.sleep(100)
    assert (link.state.reason, link.state.since) == ("connection refused", began)
    broker.open = True
    await link.wait_up()
    up_since = link.state.since
    assert (up_since - began).total_seconds() >= 100
    await asyncio.sleep(50)
    memory.stop()
    broker.open = False
    await until(lambda: not link.state.up)
    assert (link.state.since - up_since).total_seconds() >= 49
    task.cancel()


class Hanging:
    """A role whose first attach is never answered."""

    name = "hanging"

    def __init__(self) -> None:
        self.attempts = 0
        self.reasons: list[str] = []

    async def attach(self, connection: Connection) -> Channel:
        self.attempts += 1
        if self.attempts == 1:
            await asyncio.get_running_loop().create_future()
        return await connection.channel(confirms=False, prefetch=0)

    def detach(self, reason: MessagingError) -> None:
        self.reasons.append(reason.reason)

    async def run(self) -> None:
        return


@on_fake_time
async def test_a_role_that_gets_no_answer_costs_the_connection_which_is_made_anew() -> None:
    broker = Refusing(MemoryBroker())
    broker.open = True
    link, role = make_link(broker), Hanging()
    link.add(role)
    task = asyncio.create_task(link.run())
    await link.wait_up()
    assert role.attempts == 2
    assert role.reasons == ["the broker does not answer"]
    assert len(broker.tried) == 2
    task.cancel()


@on_fake_time
async def test_two_roles_of_one_name_are_a_mistake() -> None:
    link = make_link(Refusing(MemoryBroker()))
    link.add(Publisher("same"))
    with pytest.raises(ValueError, match="same"):
        link.add(Publisher("same"))


async def _play(seed: int) -> list[str]:
    """One run with losses and restarts; everything that was observed, in order."""
    memory = MemoryBroker(delay=random.Random(seed).random)
    setup = await memory.as_user("guest").connect("setup")
    channel = await setup.channel(confirms=True, prefetch=0)
    await channel.declare_queue(Queue("q", "quorum"))
    story: list[str] = []

    def observe(event: Event) -> None:
        story.append(f"{event.action} {event.outcome} {event.what.body!r} {event.attempt}")

    async def handle(batch: Sequence[Delivery]) -> Sequence[Bad | None]:
        await asyncio.sleep(0.3)
        return [None] * len(batch)

    async def park(delivery: Delivery, bad: Bad) -> None:
        return

    rng = random.Random(seed)
    publisher = Publisher(observer=observe)
    consumer = OrderedConsumer("q", handle, park, rng=rng, observer=observe)
    links = [Link(memory.as_user("guest"), n, clock=LoopClock(), rng=rng) for n in ("out", "in")]
    links[0].add(publisher)
    links[1].add(consumer)
    tasks = [asyncio.create_task(link.run()) for link in links]
    await asyncio.gather(*(link.wait_up() for link in links))
    for number in range(30):
        with contextlib.suppress(LinkDown):
            await publisher.publish(Message(b"%d" % number, "", "q"))
        await asyncio.sleep(0.3)
        if number == 20:
            memory.restart()
    await asyncio.sleep(60)
    for task in tasks:
        task.cancel()
    return story


@on_fake_time
async def test_the_same_seed_plays_the_same_story() -> None:
    first, again, other = await _play(1), await _play(1), await _play(2)
    assert first == again
    assert first != other
    handled = [line.split()[2] for line in first if line.startswith("handled ok")]
    assert len(set(handled)) >= 15
