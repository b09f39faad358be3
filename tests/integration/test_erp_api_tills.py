"""Tills and dead letters over the ERP's API, on PostgreSQL and RabbitMQ."""

import asyncio
import random
import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from contracts.presence import Hello
from contracts.topology import JOURNAL, Binding, Queue, erp_topology
from erp_node.api.services import Broker
from erp_node.store import tills as store
from messaging.admin import Admin
from messaging.amqp import AmqpBroker
from messaging.channel import Channel, Connection, Delivery, LinkDown, Message
from messaging.clock import SystemClock
from messaging.connection import Link
from messaging.consumer import Bad
from messaging.dead import dead_letter
from messaging.publisher import Publisher
from messaging.topology import declare
from tests.databases import Database, Migrate
from tests.erp import TillJournal, retail
from tests.integration.erp_api import Api, erp_api, migrate_erp, till_url
from tests.vhosts import Vhost


@pytest.fixture
def migrate() -> Migrate:
    return migrate_erp


@dataclass
class Bus:
    """A virtual host as its administrator sees it."""

    connection: Connection
    channel: Channel
    broker: Broker


@pytest.fixture
async def bus(vhost: Vhost) -> AsyncIterator[Bus]:
    amqp = AmqpBroker(vhost.admin_url)
    publisher = Publisher()
    link = Link(amqp, "test", clock=SystemClock(), rng=random.Random(1))
    link.add(publisher)
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(Admin(vhost.api, vhost.name))
        connection = await amqp.connect("test")
        stack.push_async_callback(connection.close)
        channel = await connection.channel(confirms=True, prefetch=0)
        await declare(channel, erp_topology())

        @asynccontextmanager
        async def open_channel() -> AsyncIterator[Channel]:
            opened = await connection.channel(confirms=True, prefetch=0)
            try:
                yield opened
            finally:
                await opened.close()

        running = asyncio.create_task(link.run())
        await publisher.wait_attached()
        yield Bus(
            connection,
            channel,
            Broker(open_channel, publisher, lambda: {"test": link.state}, till_url, admin),
        )
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture
async def api(database: Database, bus: Bus) -> AsyncIterator[Api]:
    async with erp_api(database.dsn, bus.broker) as opened:
        yield opened


@pytest.fixture
async def lonely(database: Database) -> AsyncIterator[Api]:
    """An ERP without a broker."""
    async with erp_api(database.dsn) as opened:
        yield opened


async def test_a_till_is_enrolled_may_connect_and_is_retired(
    api: Api, bus: Bus, vhost: Vhost
) -> None:
    new = {"pos_id": "test-lyon-1", "centre": "lyon", "mode": "local_only"}
    made = await api.send("POST", "/tills", new, status=201)
    assert {name: made[name] for name in new} == new
    assert made["amqp_url"].startswith("amqp://pos.test-lyon-1:")
    assert tomllib.loads(made["file"]) == {**new, "amqp_url": made["amqp_url"]}
    password = made["amqp_url"].removeprefix("amqp://pos.test-lyon-1:").partition("@")[0]
    till = AmqpBroker(vhost.amqp_url("pos.test-lyon-1", password))
    connection = await till.connect("till")
    await connection.close()
    shown = await api.get("/tills/test-lyon-1")
    assert (shown["online"], shown["seen_at"], shown["behind"]) == (False, None, 0)
    assert [one["scope"] for one in shown["scopes"]] == ["all", "centre.lyon", "pos.test-lyon-1"]
    await api.send("DELETE", "/tills/test-lyon-1", status=204)
    with pytest.raises(LinkDown):
        await till.connect("till")
    await api.send("DELETE", "/tills/test-lyon-1", status=204)
    await api.get("/tills/test-lyon-1", status=404)
    problem = await api.send("DELETE", "/tills/nobody", status=404)
    assert problem["code"] == "till.unknown"


async def test_sync_7_each_till_shows_how_far_it_is(api: Api) -> None:
    await api.pool.execute(
        "INSERT INTO till (pos_id, centre, partition, password_hash) VALUES ('lyon-1', 'lyon', 0, '')"
    )
    await api.pool.execute(
        "INSERT INTO feed_scope (scope, head) VALUES ('all', 10), ('all.customers', 100)"
    )
    oldest = api.time.now() - timedelta(seconds=90)
    hello = Hello(
        instance="i", software="1.2", epoch="e", last_seq=9, waiting=3, oldest_waiting_at=oldest,
        cursors={"all": 10, "all.customers": 40},
    )  # fmt: skip
    await store.hear(api.pool, "lyon-1", hello)
    (till,) = (await api.get("/tills"))["rows"]
    assert (till["online"], till["waiting"], till["behind"]) == (True, 3, 60)
    assert till["oldest_waiting_s"] == 90
    assert {one["scope"]: one["behind"] for one in till["scopes"]} == {
        "all": 0,
        "centre.lyon": 0,
        "pos.lyon-1": 0,
        "all.customers": 60,
        "centre.lyon.customers": 0,
    }


async def test_wrong_till_names_are_refused(lonely: Api) -> None:
    new = {"pos_id": "Lyon 1", "centre": "lyon ville", "mode": "half"}
    problem = await lonely.send("POST", "/tills", new, status=422)
    assert {one["name"] for one in problem["fields"]} == {"pos_id", "centre", "mode"}


async def test_without_the_brokers_administration_no_till_is_enrolled(lonely: Api) -> None:
    new = {"pos_id": "lyon-1", "centre": "lyon"}
    problem = await lonely.send("POST", "/tills", new, status=409)
    assert problem["code"] == "till.no_administration"
    problem = await lonely.send("DELETE", "/tills/lyon-1", status=409)
    assert problem["code"] == "till.no_administration"
    assert (await lonely.get("/tills"))["rows"] == []


async def test_a_broker_that_is_away_is_said_so(lonely: Api) -> None:
    answer = await lonely.http.get("/dead")
    assert (answer.status_code, answer.json()["code"]) == (503, "broker.unavailable")
    assert answer.headers["Retry-After"] == "2"


def _bad(body: bytes, key: str, sender: str = "pos.lyon-1") -> Message:
    delivery = Delivery(body, JOURNAL, key, 1, user_id=sender)
    return dead_letter("erp.journal.0", delivery, Bad("malformed", "data: not JSON"), "2026-03-01")


async def test_dead_letters_are_listed_with_their_reason_and_stay(api: Api, bus: Bus) -> None:
    await bus.channel.publish(_bad(b"caf\xe9", "lyon-1"))
    for _ in range(2):
        (row,) = (await api.get("/dead"))["rows"]
        assert (row["code"], row["reason"]) == ("malformed", "data: not JSON")
        assert (row["queue"], row["key"], row["sender"]) == (
            "erp.journal.0",
            "lyon-1",
            "pos.lyon-1",
        )
        assert (row["size"], row["complete"]) == (4, True)
        assert "body" not in row
    whole = await api.get(f"/dead/{row['id']}")
    assert whole["body"] == "caf\ufffd"
    assert (await api.get("/dead/0123", status=404))["code"] == "dead.unknown"


async def test_a_dead_letter_is_put_back_where_it_came_from(api: Api, bus: Bus) -> None:
    await bus.channel.declare_queue(Queue("mended", "classic"))
    await bus.channel.bind(Binding(JOURNAL, "lyon-1", "mended"))
    itself = bus.connection.user
    await bus.channel.publish(_bad(b"one", "lyon-1", itself))
    await bus.channel.publish(_bad(b"two", "nowhere", itself))
    one, two = (await api.get("/dead"))["rows"]
    await api.send("POST", f"/dead/{one['id']}/reinject", status=204)
    mended = await bus.channel.get("mended")
    assert mended is not None
    assert mended.body == b"one"
    problem = await api.send("POST", f"/dead/{two['id']}/reinject", status=409)
    assert problem["code"] == "dead.no_queue"
    gone = await api.send("POST", f"/dead/{one['id']}/reinject", status=404)
    assert gone["code"] == "dead.unknown"
    assert [row["id"] for row in (await api.get("/dead"))["rows"]] == [two["id"]]


async def test_a_dead_letter_is_put_away(api: Api, bus: Bus) -> None:
    for body in (b"one", b"two"):
        await bus.channel.publish(_bad(body, "lyon-1"))
    one, two = (await api.get("/dead"))["rows"]
    await api.send("DELETE", f"/dead/{one['id']}", status=204)
    assert [row["id"] for row in (await api.get("/dead"))["rows"]] == [two["id"]]
    gone = await api.send("DELETE", f"/dead/{one['id']}", status=404)
    assert gone["code"] == "dead.unknown"


async def test_i9_a_parked_entry_whose_number_is_used_up_stays_instead_of_being_dropped(
    api: Api, bus: Bus
) -> None:
    journal = TillJournal("lyon-1", seq=6)
    used, next_one = (journal.add(retail(code)) for code in ("A", "B"))
    for entry in (used, next_one):
        await bus.channel.publish(_bad(entry.body, journal.pos_id))
    await api.pool.execute(
        "INSERT INTO journal_progress (pos_id, epoch, applied_seq) VALUES ($1, $2, 7)",
        journal.pos_id,
        journal.epoch,
    )
    first, second = (await api.get("/dead"))["rows"]
    problem = await api.send("POST", f"/dead/{first['id']}/reinject", status=409)
    assert problem["code"] == "dead.number_used"
    other = await api.send("POST", f"/dead/{second['id']}/reinject", status=409)
    assert other["code"] == "dead.not_allowed", "its number is still to come"
    assert [row["id"] for row in (await api.get("/dead"))["rows"]] == [first["id"], second["id"]]


async def test_putting_back_in_the_name_of_another_needs_the_brokers_leave(
    api: Api, bus: Bus
) -> None:
    await bus.channel.publish(_bad(b"one", "lyon-1"))
    (row,) = (await api.get("/dead"))["rows"]
    problem = await api.send("POST", f"/dead/{row['id']}/reinject", status=409)
    assert problem["code"] == "dead.not_allowed"
    assert [one["id"] for one in (await api.get("/dead"))["rows"]] == [row["id"]]
