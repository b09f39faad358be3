"""Tills enrolled on a real broker: their user, queues and bindings; how far each is (SYNC-7, I10)."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from contracts import registry
from contracts.presence import Hello, Welcome
from contracts.topology import ALL_CUSTOMERS, FEED, JOURNAL, centre_scope, customers_of, user_of
from erp_node.callers import Callers
from erp_node.presence import answer_hello
from erp_node.questions import Desk
from erp_node.store.pool import Pool, open_pool
from erp_node.store.tills import read_heads
from erp_node.tills import (
    Enrolment,
    WrongTill,
    declare_everything,
    enrol_till,
    list_standings,
    partition_of,
    put_users_back,
    retire_till,
)
from messaging.admin import Admin, AdminError
from messaging.amqp import AmqpBroker
from messaging.channel import Channel, Connection, Delivery, Message, NotAllowed, NotFound
from messaging.clock import SystemClock
from tests.databases import Database, Migrate
from tests.erp import NOON, migrated, question, retail, store_customer
from tests.feeds import sequence
from tests.vhosts import Vhost


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
async def erp(vhost: Vhost) -> AsyncIterator[Connection]:
    connection = await AmqpBroker(vhost.admin_url).connect("erp")
    yield connection
    await connection.close()


@pytest.fixture
async def channel(erp: Connection) -> Channel:
    return await erp.channel(confirms=True, prefetch=0)


@pytest.fixture
async def pos_id(admin: Admin) -> AsyncIterator[str]:
    """Users belong to the whole broker, so every test has its own."""
    name = f"t{secrets.token_hex(5)}"
    yield name
    if user_of(name) in {one.name for one in await admin.users()}:
        await admin.delete_user(user_of(name))


async def heard(vhost: Vhost, enrolment: Enrolment, channel: Channel, *scopes: str) -> list[str]:
    """Which of these scopes' pages reach the till, as the till's own user reads them."""
    for scope in scopes:
        await channel.publish(Message(b"", FEED, scope, mandatory=False))
    broker = AmqpBroker(vhost.amqp_url(enrolment.user, enrolment.password))
    connection = await broker.connect("till")
    try:
        mine = await connection.channel(confirms=False, prefetch=0)
        found = []
        while delivery := await mine.get(f"pos.{enrolment.pos_id}.feed"):
            mine.ack(delivery.tag)
            found.append(delivery.key)
        return found
    finally:
        await connection.close()


async def refused(vhost: Vhost, enrolment: Enrolment) -> bool:
    try:
        broker = AmqpBroker(vhost.amqp_url(enrolment.user, enrolment.password))
        await (await broker.connect("till")).close()
    except NotAllowed:
        return True
    return False


async def test_sync_1_an_enrolled_till_reads_the_feeds_of_its_centre_with_its_own_user(
    vhost: Vhost, pool: Pool, admin: Admin, channel: Channel, pos_id: str
) -> None:
    enrolment = await enrol_till(pool, admin, channel, pos_id, "C1")
    mine = [ALL_CUSTOMERS, customers_of("C1"), centre_scope("C1"), "all", f"pos.{pos_id}"]
    other = [customers_of("C2"), centre_scope("C2"), "pos.other"]
    assert await heard(vhost, enrolment, channel, *mine, *other) == mine


async def test_sync_2_a_local_only_till_is_sent_no_customers_of_its_centre(
    vhost: Vhost, pool: Pool, admin: Admin, channel: Channel, pos_id: str
) -> None:
    enrolment = await enrol_till(pool, admin, channel, pos_id, "C1", "local_only")
    assert await heard(
        vhost, enrolment, channel, ALL_CUSTOMERS, customers_of("C1"), f"pos.{pos_id}"
    ) == [f"pos.{pos_id}"]


async def test_i10_enrolling_again_gives_a_new_password_and_the_new_centre(
    vhost: Vhost, pool: Pool, admin: Admin, channel: Channel, pos_id: str
) -> None:
    before = await enrol_till(pool, admin, channel, pos_id, "C1")
    after = await enrol_till(pool, admin, channel, pos_id, "C2", "local_only")
    assert await refused(vhost, before)
    scopes = (customers_of("C1"), centre_scope("C1"), ALL_CUSTOMERS, centre_scope("C2"))
    assert await heard(vhost, after, channel, *scopes) == [centre_scope("C2")]


async def test_i10_a_tills_journal_comes_to_its_partition(
    vhost: Vhost, pool: Pool, admin: Admin, channel: Channel, pos_id: str
) -> None:
    enrolment = await enrol_till(pool, admin, channel, pos_id, "C1")
    connection = await AmqpBroker(vhost.amqp_url(enrolment.user, enrolment.password)).connect(
        "till"
    )
    mine = await connection.channel(confirms=True, prefetch=0)
    await mine.publish(Message(b"x", JOURNAL, pos_id, user_id=enrolment.user))
    await connection.close()
    arrived: asyncio.Queue[Delivery] = asyncio.Queue()
    await channel.consume(f"erp.journal.{partition_of(pos_id)}", arrived.put_nowait, acks=False)
    delivery = await asyncio.wait_for(arrived.get(), 10)
    assert (delivery.body, delivery.user_id) == (b"x", enrolment.user)


async def test_i11_all_is_there_again_after_a_wiped_broker(
    vhost: Vhost, pool: Pool, admin: Admin, channel: Channel, pos_id: str
) -> None:
    enrolment = await enrol_till(pool, admin, channel, pos_id, "C1")
    await channel.delete_queue(f"pos.{pos_id}.feed")
    await channel.delete_exchange(FEED)
    await admin.delete_user(enrolment.user)
    assert await put_users_back(pool, admin) == 1
    await declare_everything(pool, channel)
    assert await heard(vhost, enrolment, channel, ALL_CUSTOMERS) == [ALL_CUSTOMERS], (
        "the same password"
    )
    assert await put_users_back(pool, admin) == 0


async def test_i10_a_retired_till_has_neither_user_nor_queue(
    vhost: Vhost, pool: Pool, admin: Admin, erp: Connection, channel: Channel, pos_id: str
) -> None:
    enrolment = await enrol_till(pool, admin, channel, pos_id, "C1")
    await retire_till(pool, admin, channel, pos_id)
    assert await refused(vhost, enrolment)
    with pytest.raises(NotFound):
        await (await erp.channel(confirms=False, prefetch=0)).get(f"pos.{pos_id}.feed")
    with pytest.raises(WrongTill, match="pos_id"):
        await retire_till(pool, admin, channel, "never-enrolled")
    await declare_everything(pool, channel)
    assert await list_standings(pool) == []


class Failing:
    """The broker's users, away at the first attempt to take one away."""

    def __init__(self, admin: Admin) -> None:
        self.put_user, self.put_rights = admin.put_user, admin.put_rights
        self._admin = admin
        self._away = True

    async def delete_user(self, name: str) -> None:
        if self._away:
            self._away = False
            raise AdminError("DELETE", "http://broker/api/users", "not reachable")
        await self._admin.delete_user(name)


async def test_i10_a_retirement_that_failed_halfway_is_repeated(
    vhost: Vhost, pool: Pool, admin: Admin, erp: Connection, channel: Channel, pos_id: str
) -> None:
    enrolment = await enrol_till(pool, admin, channel, pos_id, "C1")
    users = Failing(admin)
    with pytest.raises(AdminError):
        await retire_till(pool, users, channel, pos_id)
    assert not await refused(vhost, enrolment)
    for _ in range(2):
        await retire_till(pool, users, channel, pos_id)
        assert await refused(vhost, enrolment)
    with pytest.raises(NotFound):
        await (await erp.channel(confirms=False, prefetch=0)).get(f"pos.{pos_id}.feed")


async def test_sync_2_nothing_is_numbered_for_a_retired_till_and_its_numbers_go_on(
    pool: Pool, admin: Admin, channel: Channel, pos_id: str
) -> None:
    await enrol_till(pool, admin, channel, pos_id, "C1", "local_only")
    ids = [await store_customer(pool, retail(code)) for code in ("A", "B")]
    for id in ids:
        await pool.execute("INSERT INTO till_holding VALUES ($1, $2)", pos_id, id)
    await sequence(pool)
    head = (await read_heads(pool))[f"pos.{pos_id}"]
    assert head >= 2
    await retire_till(pool, admin, channel, pos_id)
    await pool.execute("UPDATE customer SET is_customer = false")
    await sequence(pool)
    own = "SELECT count(*) FROM feed_entry WHERE scope = $1"
    assert await pool.fetchval(own, f"pos.{pos_id}") == 0
    assert (await read_heads(pool))[f"pos.{pos_id}"] == head
    await enrol_till(pool, admin, channel, pos_id, "C1", "local_only")
    await pool.execute("UPDATE customer SET is_customer = true")
    await pool.execute("INSERT INTO till_holding VALUES ($1, $2)", pos_id, ids[0])
    await sequence(pool)
    assert (await read_heads(pool))[f"pos.{pos_id}"] == head + 1
    assert await pool.fetchval(own, f"pos.{pos_id}") == 1


@pytest.mark.parametrize(
    ("pos_id", "centre", "field"),
    [("P1", "C1", "pos_id"), ("a" * 41, "C1", "pos_id"), ("", "C1", "pos_id"), ("p1", "C 1", "centre"),
     ("p1", "#", "centre"), ("p1", "", "centre")],
)  # fmt: skip
async def test_what_cannot_be_enrolled_is_named_by_field(
    pool: Pool, admin: Admin, channel: Channel, pos_id: str, centre: str, field: str
) -> None:
    with pytest.raises(WrongTill) as wrong:
        await enrol_till(pool, admin, channel, pos_id, centre)
    assert wrong.value.field == field
    assert await list_standings(pool) == []


async def test_partitions_are_stable_and_spread() -> None:
    assert [partition_of(f"p{n}") for n in range(6)] == [partition_of(f"p{n}") for n in range(6)]
    assert {partition_of(f"pos-{n}") for n in range(40)} == {0, 1, 2, 3}


async def test_sync_7_a_greeting_is_answered_and_kept(
    pool: Pool, admin: Admin, channel: Channel, pos_id: str
) -> None:
    await enrol_till(pool, admin, channel, pos_id, "C1")
    await pool.execute(
        "INSERT INTO journal_progress (pos_id, epoch, applied_seq) VALUES ($1, 'mine', 12), ($1, 'old', 99)",
        pos_id,
    )
    await store_customer(pool, retail("A"))
    await store_customer(pool, retail("B"))
    await sequence(pool)
    [before] = await list_standings(pool)
    assert (before.online, before.seen_at, before.behind) == (False, None, 4)
    hello = Hello(
        instance="i", software="1", epoch="mine", last_seq=15, waiting=3,
        oldest_waiting_at=NOON - timedelta(hours=1), cursors={ALL_CUSTOMERS: 1, f"pos.{pos_id}": 2},
    )  # fmt: skip
    desk = Desk(pool, Callers(asyncio.get_running_loop().time), SystemClock(), uuid4)
    asked = question(pos_id, hello, expires_at=SystemClock().now() + timedelta(seconds=10))
    answer = await answer_hello(desk, asked)
    assert answer is not None
    welcome = registry.decode(answer.body).data
    assert isinstance(welcome, Welcome)
    assert (welcome.pos_id, welcome.centre, welcome.full, welcome.applied_seq) == (
        pos_id,
        "C1",
        True,
        12,
    )
    assert ALL_CUSTOMERS in welcome.scopes
    [after] = await list_standings(pool)
    assert (after.online, after.waiting, after.behind) == (True, 3, 1)
    assert after.oldest_waiting_at is not None  # by the till's clock it is noon of another day
    waits = SystemClock().now() - after.oldest_waiting_at
    assert timedelta(minutes=59) < waits < timedelta(minutes=61)
    await pool.execute("UPDATE till SET seen_at = now() - interval '1 hour'")
    [gone] = await list_standings(pool)
    assert not gone.online


async def test_two_tills_under_one_enrolment_are_told_once_the_older_is_heard_again(
    pool: Pool, admin: Admin, channel: Channel, pos_id: str
) -> None:
    await enrol_till(pool, admin, channel, pos_id, "C1")
    desk = Desk(pool, Callers(asyncio.get_running_loop().time), SystemClock(), uuid4)

    async def greets(instance: str) -> bool:
        hello = Hello(instance=instance, software="1", epoch="e", last_seq=0, waiting=0)
        until = SystemClock().now() + timedelta(seconds=10)
        assert await answer_hello(desk, question(pos_id, hello, expires_at=until)) is not None
        return (await list_standings(pool))[0].twice

    with capture_logs() as lines:
        started_again = [await greets(one) for one in ("a", "a", "b", "b", "c", "c")]
        assert not any(started_again)
        assert lines == []
        assert all([await greets(one) for one in ("a", "c", "a", "c")])
    assert [(one["action"], one["pos"]) for one in lines] == [("till_twice", pos_id)]
    await pool.execute(
        "UPDATE till SET presence = presence || jsonb_build_object('twice_at', now() - interval '1 hour')"
    )
    assert not await greets("c")
