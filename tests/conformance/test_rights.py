"""Who may speak: a till's user has its own rights and name, and nothing more (I10)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from contracts.topology import (
    FEED,
    JOURNAL,
    RPC,
    Queue,
    TillAddress,
    erp_topology,
    till_topology,
)
from messaging.channel import Channel, Connection, Message, NotAllowed
from messaging.topology import declare
from tests.conformance.buses import Bus
from tests.conformance.watching import Seen, within

LYON = TillAddress("lyon-1", "lyon")
PARIS = TillAddress("paris-1", "paris")


@pytest.fixture
async def till(bus: Bus, channel: Channel) -> AsyncIterator[Connection]:
    """A till of Lyon, connected; Paris has its queues too."""
    await declare(channel, erp_topology())
    for address in (LYON, PARIS):
        await declare(channel, till_topology(address, 0))
    connection = await (await bus.user(LYON.user, LYON.rights)).connect("till")
    yield connection
    await connection.close()


async def test_a_till_publishes_its_journal_and_questions_under_its_name(
    channel: Channel, till: Connection
) -> None:
    mine = await till.channel(confirms=True, prefetch=0)
    await within(mine.publish(Message(b"entry", JOURNAL, LYON.pos_id, user_id=LYON.user)))
    await within(mine.publish(Message(b"question", RPC, "search", user_id=LYON.user)))
    seen = Seen()
    await channel.consume("erp.journal.0", seen)
    (entry,) = await seen.wait(1)
    assert entry.user_id == till.user == LYON.user


async def test_a_till_hears_its_own_queues(channel: Channel, till: Connection) -> None:
    mine = await till.channel(confirms=False, prefetch=0)
    seen = Seen()
    for queue in (LYON.feed_queue, LYON.urgent_queue, LYON.reply_queue):
        await mine.consume(queue, seen)
    await within(channel.publish(Message(b"page", FEED, "centre.lyon.customers")))
    await within(channel.publish(Message(b"answer", "", LYON.reply_queue)))
    await seen.wait(2)
    assert sorted(seen.bodies) == [b"answer", b"page"]


async def test_another_tills_name_is_refused_with_the_reason(till: Connection) -> None:
    mine = await till.channel(confirms=True, prefetch=0)
    with pytest.raises(NotAllowed, match=r"user_id property set to 'pos\.paris-1'"):
        await within(mine.publish(Message(b"x", JOURNAL, "lyon-1", user_id=PARIS.user)))
    assert isinstance(mine.closed.result(), NotAllowed)


@pytest.mark.parametrize(
    ("exchange", "key"), [(FEED, "all"), ("", PARIS.reply_queue), ("", "erp.journal.0")]
)
async def test_a_till_cannot_publish_where_it_has_no_right(
    till: Connection, exchange: str, key: str
) -> None:
    mine = await till.channel(confirms=True, prefetch=0)
    with pytest.raises(NotAllowed, match="ACCESS_REFUSED"):
        await within(mine.publish(Message(b"x", exchange, key, user_id=LYON.user)))


@pytest.mark.parametrize("queue", [PARIS.feed_queue, PARIS.reply_queue, "erp.journal.0", "dead"])
async def test_a_till_cannot_read_what_is_not_its_own(till: Connection, queue: str) -> None:
    mine = await till.channel(confirms=False, prefetch=0)
    with pytest.raises(NotAllowed, match="ACCESS_REFUSED"):
        await mine.consume(queue, Seen())
    another = await till.channel(confirms=False, prefetch=0)
    with pytest.raises(NotAllowed, match="ACCESS_REFUSED"):
        await another.get(queue)


ATTEMPTS: dict[str, Callable[[Channel], Awaitable[object]]] = {
    "declare": lambda channel: channel.declare_queue(Queue("pos.lyon-1.more", "classic")),
    "bind": lambda channel: channel.bind(till_topology(PARIS, 0).bindings[0]),
    "purge": lambda channel: channel.purge(PARIS.feed_queue),
    "delete": lambda channel: channel.delete_queue(LYON.feed_queue),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_a_till_declares_binds_and_deletes_nothing(till: Connection, attempt: str) -> None:
    mine = await till.channel(confirms=False, prefetch=0)
    with pytest.raises(NotAllowed, match="ACCESS_REFUSED"):
        await ATTEMPTS[attempt](mine)
    assert isinstance(await within(asyncio.shield(mine.closed)), NotAllowed)


async def test_an_unknown_user_is_refused_at_the_door(bus: Bus) -> None:
    login = await bus.user("pos.gone", LYON.rights)
    await bus.admin.delete_user("pos.gone")
    with pytest.raises(NotAllowed):
        await login.connect("till")


async def test_a_till_whose_user_is_deleted_is_cut_off(bus: Bus, till: Connection) -> None:
    names: tuple[str, ...] = ()
    async with asyncio.timeout(20):
        while LYON.user not in names:  # the management API counts a moment later
            names = tuple(each.user for each in await bus.admin.connections())
    found = await bus.admin.connections()
    await bus.admin.delete_user(LYON.user)
    for each in found:
        if each.user == LYON.user:
            await bus.admin.close_connection(each.name, "till withdrawn")
    await within(asyncio.shield(till.closed))
