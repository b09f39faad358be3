"""The journal on a real broker, with the till's own user: in order, and again when the broker was killed."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from contracts.changes import Change
from contracts.envelope import split
from contracts.journal import Author, CustomerEdited, Progress
from contracts.topology import TillAddress, erp_topology, journal_queue, till_topology
from messaging.amqp import AmqpBroker
from messaging.channel import Channel, Delivery
from messaging.clock import SystemClock
from messaging.connection import Link
from messaging.publisher import Publisher
from messaging.topology import declare
from ops.services import PrivateBroker
from pos_node import journal
from pos_node.epoch import open_epoch
from pos_node.journal import Stamp, record_change
from pos_node.relay import Relay
from pos_node.store.database import Database, Priority
from pos_node.store.journal import read_epoch
from tests.fake_time import until
from tests.pos_parts import NOON, welcome
from tests.vhosts import Vhost

TILL = TillAddress("p1", "C1")


class Wired:
    """A relay on a real link, over a real file."""

    def __init__(self, store: Database, relay: Relay, link: Link) -> None:
        self.store, self.relay, self.link = store, relay, link
        self._rng = random.Random(5)

    async def change(self, count: int) -> None:
        for _ in range(count):
            stamp = Stamp("p1", UUID(int=self._rng.getrandbits(128), version=4), NOON)
            await self.store.write(record_change, _change(), stamp, priority=Priority.CASHIER)
        self.relay.wake()

    async def apply(self, seq: int) -> None:
        epoch = await self.store.read(read_epoch) or ""
        progress = Progress(epoch=epoch, applied_seq=seq)
        await self.store.write(journal.take_progress, progress, priority=Priority.JOURNAL)


def _change() -> CustomerEdited:
    return CustomerEdited(
        customer_id=UUID(int=1),
        base_version=1,
        changes=[Change(path="phone", old="1", new="2")],
        author=Author(operator="anne", at=NOON),
    )


@asynccontextmanager
async def wired(url: str, folder: Path) -> AsyncIterator[Wired]:
    store, rng = Database(folder / "till.db"), random.Random(1)
    await store.open()
    at_start = await open_epoch(store, folder / "epoch", rng)
    link = Link(AmqpBroker(url), "till p1", clock=SystemClock(), rng=rng)
    publisher = Publisher("journal")
    link.add(publisher)
    relay = Relay(
        store,
        publisher,
        link,
        "p1",
        at_start=at_start,
        epoch_file=folder / "epoch",
        online=lambda: True,
        rng=rng,
    )
    await relay.hear_welcome(welcome(0, at_start.epoch), at_start)
    tasks = [asyncio.create_task(link.run()), asyncio.create_task(relay.run())]
    try:
        yield Wired(store, relay, link)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()


async def till_url(vhost: Vhost) -> str:
    rights = TILL.rights
    return await vhost.create_user(TILL.user, rights.configure, rights.write, rights.read)


@asynccontextmanager
async def administrator(vhost: Vhost) -> AsyncIterator[Channel]:
    connection = await AmqpBroker(vhost.admin_url).connect("test")
    try:
        yield await connection.channel(confirms=True, prefetch=0)
    finally:
        await connection.close()


async def take(channel: Channel, count: int) -> list[Delivery]:
    """The next deliveries of the till's partition."""
    found: list[Delivery] = []
    enough = asyncio.Event()

    def keep(delivery: Delivery) -> None:
        found.append(delivery)
        if len(found) >= count:
            enough.set()

    consumer = await channel.consume(journal_queue(0), keep, acks=False)
    async with asyncio.timeout(30):
        await enough.wait()
    await channel.cancel(consumer)
    return found


def seqs(deliveries: list[Delivery]) -> list[int | None]:
    return [split(one.body)[0].seq for one in deliveries]


async def test_entries_arrive_in_order_under_the_tills_own_name(vhost: Vhost, folder: Path) -> None:
    url = await till_url(vhost)
    async with administrator(vhost) as channel:
        await declare(channel, erp_topology())
        await declare(channel, till_topology(TILL, 0))
        async with wired(url, folder) as till:
            await till.change(300)
            found = await take(channel, 300)
    assert seqs(found) == list(range(1, 301))
    assert {one.user_id for one in found} == {"pos.p1"}


async def test_a_till_that_is_not_enrolled_waits_and_says_why(vhost: Vhost, folder: Path) -> None:
    url = await till_url(vhost)
    async with administrator(vhost) as channel:
        await declare(channel, erp_topology())
        async with wired(url, folder) as till:
            await till.change(2)
            async with asyncio.timeout(30):
                await until(lambda: till.relay.state.reason is not None)
            await declare(channel, till_topology(TILL, 0))
            assert seqs(await take(channel, 2)) == [1, 2]


async def test_i1_after_the_brokers_disk_is_wiped_what_is_not_applied_comes_again(
    private_broker: PrivateBroker, private_vhost: Vhost, folder: Path
) -> None:
    url = await till_url(private_vhost)
    async with administrator(private_vhost) as channel:
        await declare(channel, erp_topology())
        await declare(channel, till_topology(TILL, 0))
        async with wired(url, folder) as till:
            await till.change(20)
            await take(channel, 20)
            await till.apply(12)
            await private_broker.kill()
            await till.change(5)
            await private_broker.start()
            async with administrator(private_vhost) as again:
                assert seqs(await take(again, 13)) == list(range(13, 26))
