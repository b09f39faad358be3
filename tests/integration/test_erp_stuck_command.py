"""`comptoir erp stuck` on PostgreSQL and RabbitMQ, beside an ERP that says how it is."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest

from contracts.presence import Hello
from contracts.topology import JOURNAL_PARTITIONS, erp_topology, journal_queue
from erp_node.backlog import Backlog, read_backlog
from erp_node.look import look_for_stuck
from erp_node.settings import ErpSettings
from erp_node.store import tills
from erp_node.store.pool import Pool, open_pool
from messaging.admin import Admin
from messaging.amqp import AmqpBroker
from messaging.amqp_channel import AmqpChannel
from messaging.channel import Message
from messaging.consumer import Bad
from messaging.dead import dead_letter
from messaging.topology import declare
from ops.process import run_command
from runtime.settings import load
from tests.databases import Database, Migrate
from tests.erp import deliver, migrated
from tests.vhosts import Vhost

UNCOUNTED = {"amqp_admin_url": None}


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.dsn, max_size=2)
    yield opened
    await opened.close()


@pytest.fixture
async def erp() -> AsyncIterator[dict[str, bool]]:
    """What the running ERP says of its parts, and its port under `port`."""
    parts: dict[str, bool] = {"database": True, "broker": True}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readline()).strip():
            pass
        shown = {name: there for name, there in parts.items() if name != "port"}
        body = json.dumps({"ready": all(shown.values()), "parts": shown}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        parts["port"] = server.sockets[0].getsockname()[1]
        yield parts


@pytest.fixture
def settings(
    vhost: Vhost, database: Database, erp: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> ErpSettings:
    monkeypatch.setenv("COMPTOIR_ERP_DSN", database.dsn)
    monkeypatch.setenv("COMPTOIR_AMQP_URL", vhost.admin_url)
    monkeypatch.setenv("COMPTOIR_AMQP_ADMIN_URL", vhost.api)
    monkeypatch.setenv("COMPTOIR_ERP_HTTP_PORT", str(erp["port"]))
    return load(ErpSettings)


@pytest.fixture
async def channel(vhost: Vhost) -> AsyncIterator[AmqpChannel]:
    """The ERP's queues are there."""
    connection = await AmqpBroker(vhost.admin_url).connect("test")
    opened = await connection.channel(confirms=True, prefetch=0)
    await declare(opened, erp_topology())
    yield opened
    await connection.close()


async def until_counted(vhost: Vhost, wanted: Callable[[Backlog], bool]) -> None:
    """The management API counts every few seconds."""
    async with Admin(vhost.api, vhost.name) as admin, asyncio.timeout(30):
        while not wanted(await read_backlog(admin)):
            pass


def whole(backlog: Backlog) -> bool:
    return all(one.messages is not None for one in backlog.journals)


@pytest.mark.usefixtures("channel")
async def test_sync_7_nothing_is_stuck_in_a_system_that_is_well(
    settings: ErpSettings, vhost: Vhost
) -> None:
    await until_counted(vhost, whole)
    code, out, err = await run_command(["erp", "stuck"], {})
    assert (code, out, err) == (0, "nothing is stuck\n", "")


async def test_sync_7_what_is_stuck_is_shown_with_where_and_why(
    settings: ErpSettings, pool: Pool, channel: AmqpChannel, vhost: Vhost, erp: dict[str, bool]
) -> None:
    erp["broker"] = False
    await until_counted(vhost, whole)
    letter = deliver(b"no envelope", "pos.lyon-1")
    for bad in (Bad("malformed", "x"), Bad("malformed", "y"), Bad("forged", "z")):
        await channel.publish(dead_letter("erp.journal.0", letter, bad, "now"))
    await pool.execute(
        "INSERT INTO till (pos_id, centre, partition, password_hash, seen_at)"
        " VALUES ('lyon-1', 'lyon', 0, '', '2026-03-01T12:00:00Z')"
    )
    code, out, _ = await run_command(["erp", "stuck"], {})
    assert code == 1
    rows = [line.split(maxsplit=1) for line in out.splitlines() if line.strip()]
    assert [first for first, _ in rows[2:]] == ["ERP", "till", "dead", "dead"]
    assert "runs without broker" in out
    assert "2026-03-01 12:00:00" in out
    assert "1 of forged" in out
    assert "2 of malformed" in out


async def test_a_broker_that_is_away_and_an_erp_that_does_not_run_are_told_together(
    settings: ErpSettings,
) -> None:
    away = settings.model_copy(
        update={"amqp_url": "amqp://erp:hush@127.0.0.1:1/x", "http_port": 1, **UNCOUNTED}
    )
    found, uncounted = await look_for_stuck(away, 0)
    assert [(one.what, one.where) for one in found] == [
        ("ERP", "http://127.0.0.1:1"),
        ("broker", "127.0.0.1:1"),
    ]
    assert "hush" not in str(found)
    assert uncounted == "COMPTOIR_AMQP_ADMIN_URL is not set"


async def test_entries_that_nobody_takes_are_stuck_in_their_partition(
    settings: ErpSettings, channel: AmqpChannel, vhost: Vhost
) -> None:
    for _ in range(3):
        await channel.publish(Message(b"entry", "", journal_queue(2)))
    await until_counted(vhost, lambda backlog: backlog.journals[2].messages == 3)
    found, _ = await look_for_stuck(settings, 0)
    assert [(one.where, one.why) for one in found] == [
        (journal_queue(2), "3 entries wait; nobody reads the queue")
    ]


async def test_queues_that_are_not_there_are_told(settings: ErpSettings) -> None:
    found, _ = await look_for_stuck(settings, 0)
    missing = {one.where for one in found if one.why == "the queue is not there"}
    assert missing == {*map(journal_queue, range(JOURNAL_PARTITIONS)), "dead"}


async def test_card_9_letters_that_were_not_sent_are_stuck(
    settings: ErpSettings, pool: Pool, channel: AmqpChannel
) -> None:
    for number, state, age in (
        ("W1", "waiting", "61 s"),
        ("W2", "waiting", "50 s"),
        ("W3", "waiting", "1 day"),
        ("S1", "sending", "-1 s"),
        ("S2", "sent", "61 s"),
        ("U1", "unsure", "6 days"),
        ("G1", "given_up", "1 s"),
        ("G2", "given_up", "8 days"),
    ):
        await pool.execute(
            "INSERT INTO card_letter (request_id, number_key, customer_id, state, wanted_at, due_at, reason)"
            " VALUES (gen_random_uuid(), $1, gen_random_uuid(), $2, clock_timestamp() - $3::text::interval,"
            " clock_timestamp() - $3::text::interval, nullif($2, 'waiting'))",
            number, state, age,
        )  # fmt: skip
    found, _ = await look_for_stuck(settings.model_copy(update=UNCOUNTED), 0)
    assert [(one.what, one.where, one.why) for one in found] == [
        ("letters", "card G1", "given up: given_up"),
        ("letters", "card U1", "sent or not, nobody knows: unsure"),
        ("letters", "card W3 and 1 more", "waiting: COMPTOIR_ERP_SMTP_URL is not set"),
    ]


async def test_a_change_that_is_never_numbered_is_stuck(
    settings: ErpSettings, pool: Pool, channel: AmqpChannel
) -> None:
    await pool.execute(
        "INSERT INTO feed_mark (scope, kind, entity) VALUES ('all', 'x', gen_random_uuid())"
    )
    (one,), _ = await look_for_stuck(settings.model_copy(update=UNCOUNTED), 0)
    assert (one.what, one.why) == ("feeds", "1 changes are not numbered, and none is meanwhile")


async def test_a_till_that_says_hello_and_is_behind_is_stuck_only_while_it_does_not_move(
    settings: ErpSettings, pool: Pool, channel: AmqpChannel
) -> None:
    hello = Hello(instance="i", software="1", epoch="e", last_seq=0, waiting=0, cursors={"all": 2})
    await pool.execute(
        "INSERT INTO till (pos_id, centre, partition, password_hash) VALUES ('a', 'b', 0, '')"
    )
    await pool.execute("INSERT INTO feed_scope (scope, head) VALUES ('all', 9)")
    await tills.hear(pool, "a", hello)
    (one,), _ = await look_for_stuck(settings.model_copy(update=UNCOUNTED), 0)
    assert (one.where, one.why) == ("a (b)", "7 rows behind, and does not move on")
