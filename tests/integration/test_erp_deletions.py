"""What somebody deletes while the ERP is connected comes back by itself (I11)."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote, unquote, urlsplit

import httpx
import pytest

from contracts.topology import (
    ALL,
    FEED,
    JOURNAL,
    RPC,
    Rights,
    TillAddress,
    erp_topology,
    till_topology,
    user_of,
)
from erp_node.declarations import SLICE, Declarations
from erp_node.store.pool import Pool, open_pool
from erp_node.store.tills import EnrolledTill
from erp_node.store.tills import enrol as store_till
from erp_node.tills import put_user, take_back
from messaging.admin import Admin, hash_password
from messaging.amqp import AmqpBroker
from messaging.channel import Channel, Message, NotAllowed, NotFound, Returned
from messaging.connection import Link
from messaging.topology import declare
from tests.conformance.watching import Running, within
from tests.databases import Database, Migrate
from tests.erp import migrated
from tests.vhosts import Vhost

LIMIT = 10.0
"""Seconds until traffic flows again (I11)."""
PASSWORD = "only here"


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.dsn, max_size=3)
    yield opened
    await opened.close()


@pytest.fixture
async def admin(vhost: Vhost) -> AsyncIterator[Admin]:
    async with Admin(vhost.api, vhost.name) as opened:
        yield opened


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    started = Running()
    yield started
    await started.close()


@pytest.fixture
async def channel(vhost: Vhost) -> AsyncIterator[Channel]:
    connection = await AmqpBroker(vhost.admin_url).connect("somebody")
    yield await connection.channel(confirms=True, prefetch=0)
    await connection.close()


@pytest.fixture
async def till(pool: Pool, admin: Admin) -> AsyncIterator[EnrolledTill]:
    """Users belong to the whole broker, so every test has its own."""
    enrolled = till_named(f"t{secrets.token_hex(5)}")
    await store_till(pool, enrolled)
    await put_user(admin, enrolled)
    yield enrolled
    if user_of(enrolled.pos_id) in {one.name for one in await admin.users()}:
        await admin.delete_user(user_of(enrolled.pos_id))


def till_named(pos_id: str, centre: str = "C1") -> EnrolledTill:
    return EnrolledTill(pos_id, centre, "full", 0, hash_password(PASSWORD, b"salt"))


async def eventually(true: Callable[[], Awaitable[bool]], seconds: float = LIMIT) -> None:
    """Asks the broker until it is so: nobody is told when a queue or a right comes."""
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.1)


async def start(running: Running, vhost: Vhost, pool: Pool, admin: Admin | None) -> Link:
    link = running.link(AmqpBroker(vhost.admin_url), Declarations(pool, admin))
    await within(link.wait_up())
    return link


async def delete(vhost: Vhost, kind: str, *names: str) -> None:
    """Through the management API, as a person would."""
    path = "/".join(quote(name, safe="") for name in names)
    async with httpx.AsyncClient(trust_env=False) as http:
        (await http.delete(f"{vhost.api}/api/{kind}/{path}")).raise_for_status()


async def arrives(channel: Channel, exchange: str, key: str) -> bool:
    """Whether a queue takes it: all is bound again."""
    try:
        await channel.publish(Message(b"x", exchange, key))
    except Returned:
        return False
    return True


async def enters(vhost: Vhost, till: EnrolledTill) -> bool:
    """Whether the till's user may connect and read its feed."""
    try:
        connection = await AmqpBroker(vhost.amqp_url(user_of(till.pos_id), PASSWORD)).connect("t")
    except NotAllowed:
        return False
    try:
        await (await connection.channel(confirms=False, prefetch=0)).get(till.address.feed_queue)
    except (NotAllowed, NotFound):
        return False
    finally:
        await connection.close()
    return True


@pytest.mark.parametrize("administered", [True, False])
async def test_i11_a_deleted_queue_is_back_with_its_bindings_within_ten_seconds(
    vhost: Vhost, pool: Pool, admin: Admin, till: EnrolledTill, running: Running,
    channel: Channel, administered: bool,
) -> None:  # fmt: skip
    link = await start(running, vhost, pool, admin if administered else None)
    routes = {
        "erp.journal.0": (JOURNAL, till.pos_id),
        "erp.rpc.presence": (RPC, "presence"),
        till.address.feed_queue: (FEED, f"pos.{till.pos_id}"),
        till.address.reply_queue: ("", till.address.reply_queue),
    }
    for queue in routes:
        await delete(vhost, "queues", vhost.name, queue)
    for exchange, key in routes.values():
        await eventually(lambda to=(exchange, key): arrives(channel, *to))  # type: ignore[misc]
    assert link.state.ready, "nobody else was disturbed"


async def test_i11_a_deleted_exchange_is_back_with_the_bindings_of_every_till(
    vhost: Vhost, pool: Pool, admin: Admin, till: EnrolledTill, running: Running, channel: Channel
) -> None:
    await start(running, vhost, pool, admin)
    await delete(vhost, "exchanges", vhost.name, JOURNAL)

    async def journal_arrives() -> bool:
        connection = await AmqpBroker(vhost.admin_url).connect("till")
        try:
            return await arrives(
                await connection.channel(confirms=True, prefetch=0), JOURNAL, till.pos_id
            )
        except NotFound:
            return False
        finally:
            await connection.close()

    await eventually(journal_arrives)


async def test_i11_without_the_management_api_every_tills_turn_comes(
    vhost: Vhost, pool: Pool, running: Running, channel: Channel
) -> None:
    many = [till_named(f"t{number:02}") for number in range(SLICE + 2)]
    for one in many:
        await store_till(pool, one)
    await start(running, vhost, pool, None)
    for one in (many[0], many[-1]):
        await delete(vhost, "queues", vhost.name, one.address.feed_queue)
    for one in (many[0], many[-1]):
        await eventually(lambda key=f"pos.{one.pos_id}": arrives(channel, FEED, key), 2 * LIMIT)  # type: ignore[misc]


async def test_i11_a_virtual_host_deleted_and_made_again_lets_the_tills_in(
    vhost: Vhost, pool: Pool, admin: Admin, till: EnrolledTill, running: Running
) -> None:
    await start(running, vhost, pool, admin)
    assert await enters(vhost, till)
    await delete(vhost, "vhosts", vhost.name)
    await admin.put_vhost(vhost.name)
    await admin.put_rights(
        unquote(urlsplit(vhost.admin_url).username or ""), Rights(".*", ".*", ".*")
    )
    await eventually(lambda: enters(vhost, till))
    limits = {policy.name for policy in erp_topology().policies}
    assert limits <= {policy.name for policy in await admin.policies()}


async def test_i10_i11_rights_taken_or_changed_are_put_right_while_the_erp_is_connected(
    vhost: Vhost, pool: Pool, admin: Admin, till: EnrolledTill, running: Running
) -> None:
    link = await start(running, vhost, pool, admin)
    since = link.state.since
    user, right = user_of(till.pos_id), till.address.rights

    async def is_right() -> bool:
        return (await admin.rights()).get(user) == right

    await delete(vhost, "permissions", vhost.name, user)
    await eventually(is_right)
    await admin.put_rights(user, Rights(".*", ".*", ".*"))
    await eventually(is_right)
    await admin.delete_user(user)
    await eventually(lambda: enters(vhost, till))
    assert link.state.since == since


async def test_i10_what_was_declared_for_a_till_retired_meanwhile_is_taken_away(
    pool: Pool, channel: Channel, admin: Admin
) -> None:
    await declare(channel, erp_topology())
    gone, moved = till_named("gone"), till_named("moved")
    for one in (gone, moved):
        await declare(channel, till_topology(one.address, one.partition))
    await store_till(pool, till_named("moved", "C2"))
    await take_back(pool, channel, [gone, moved])
    left = {name for name in await admin.queue_names() if name.startswith("pos.")}
    assert left == {f"pos.moved.{kind}" for kind in ("feed", "urgent", "reply")}
    for centre, reached in (("C1", False), ("C2", True)):
        scope = next(s for s in TillAddress("moved", centre).scopes if centre in s and s != ALL)
        assert await arrives(channel, FEED, scope) is reached
