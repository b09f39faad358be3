"""The node's status and the feeds' digests over the ERP's API, on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from contracts.presence import Hello
from contracts.topology import erp_topology
from erp_node.api.services import Broker
from erp_node.sequencer import sequence_once
from erp_node.store import tills
from messaging.channel import Message
from messaging.connection import LinkState, RoleState
from messaging.memory.admin import MemoryAdmin
from messaging.memory.broker import MemoryBroker
from messaging.topology import declare
from tests.databases import Database, Migrate
from tests.integration.erp_api import NOON, Api, erp_api, migrate_erp, no_broker

DOWN = LinkState(False, NOON, "connection refused", (RoleState("publisher", False, "no link"),))


@pytest.fixture
def migrate() -> Migrate:
    return migrate_erp


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    away = no_broker()
    broker = Broker(away.channel, away.publisher, lambda: {"erp": DOWN}, away.till_url)
    async with erp_api(database.dsn, broker) as opened:
        yield opened


async def test_sync_7_status_shows_feeds_what_waits_tills_and_links(api: Api) -> None:
    new = {"kind": "retail", "code": "A-1", "first_name": "A", "last_name": "B"}
    await api.send("POST", "/customers", {"record": new}, status=201)
    assert (await api.get("/status"))["marks_waiting"] == 1
    await sequence_once(api.pool)
    await api.pool.execute(
        "INSERT INTO till (pos_id, centre, partition, password_hash) VALUES ('lyon-1', 'lyon', 0, '')"
    )
    hello = Hello(instance="i", software="1", epoch="e", last_seq=2, waiting=2)
    await tills.hear(api.pool, "lyon-1", hello)
    shown = await api.get("/status")
    assert shown["marks_waiting"] == 0
    assert {one["scope"]: one["head"] for one in shown["feeds"]}["all.customers"] == 1
    assert shown["epoch"]
    assert shown["tills"] == {"enrolled": 1, "online": 1, "behind": 1, "waiting": 2}
    assert shown["links"] == [
        {
            "name": "erp",
            "up": False,
            "since": "2026-03-01T12:00:00Z",
            "reason": "connection refused",
            "roles": [{"name": "publisher", "attached": False, "reason": "no link"}],
        }
    ]
    assert shown["troubles"] == []


async def test_sync_7_what_nobody_counts_is_null(api: Api) -> None:
    shown = await api.get("/status")
    assert shown["dead_letters"] is None
    assert shown["journals"] == [{"partition": n, "waiting": None} for n in range(4)]
    assert shown["words_waiting"] == 0


async def test_sync_7_status_counts_journals_dead_letters_and_words(
    database: Database,
) -> None:
    memory = MemoryBroker()
    channel = await (await memory.as_user("guest").connect("test")).channel(
        confirms=True, prefetch=0
    )
    await declare(channel, erp_topology())
    for queue in ("erp.journal.2", "erp.journal.2", "dead"):
        await channel.publish(Message(b"x", "", queue))
    away = no_broker()
    broker = Broker(away.channel, away.publisher, dict, away.till_url, MemoryAdmin(memory))
    async with erp_api(database.dsn, broker) as api:
        await api.pool.execute("INSERT INTO word_mark VALUES (gen_random_uuid(), 1)")
        shown = await api.get("/status")
    assert shown["dead_letters"] == 1
    assert [one["waiting"] for one in shown["journals"]] == [0, 0, 2, 0]
    assert shown["words_waiting"] == 1


async def test_a_customer_that_cannot_be_sent_is_shown_with_the_reason(api: Api) -> None:
    new = {"kind": "retail", "code": "A-1", "first_name": "A", "last_name": "B"}
    made = await api.send("POST", "/customers", {"record": new}, status=201)
    await api.pool.execute("UPDATE customer SET record = record - 'kind'")
    await sequence_once(api.pool)
    (trouble,) = (await api.get("/status"))["troubles"]
    assert (trouble["customer_id"], trouble["version"]) == (made["id"], 2)
    assert trouble["reason"]


async def test_sync_6_a_digest_changes_with_the_rows_of_its_scope(api: Api) -> None:
    before = await api.get("/scopes/all.customers/digest")
    assert sum(before["counts"]) == 0
    new = {"kind": "retail", "code": "A-1", "first_name": "A", "last_name": "B"}
    made = await api.send("POST", "/customers", {"record": new}, status=201)
    await sequence_once(api.pool)
    one = await api.get("/scopes/all.customers/digest")
    assert (one["scope"], one["head"], sum(one["counts"])) == ("all.customers", 1, 1)
    await api.send("PATCH", f"/customers/{made['id']}", {"phone": "+33 1"})
    await sequence_once(api.pool)
    two = await api.get("/scopes/all.customers/digest")
    assert (two["counts"], two["head"]) == (one["counts"], 2)
    assert two["sums"] != one["sums"]


@pytest.mark.parametrize("scope", ["everything", "centre.", "pos.A B", "centre.a.b"])
async def test_a_scope_that_cannot_be_is_refused(api: Api, scope: str) -> None:
    problem = await api.get(f"/scopes/{scope}/digest", status=422)
    assert problem["fields"][0]["name"] == "scope"


async def test_without_its_broker_the_node_is_alive_and_not_ready(api: Api) -> None:
    assert (await api.http.get("http://erp/healthz")).status_code == 200
    answer = await api.http.get("http://erp/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "parts": {"database": True, "broker": False}}


async def test_a_database_that_is_away_is_said_so_and_named(api: Api) -> None:
    await api.pool.close()
    problem = await api.get("/customers", status=503)
    assert problem["code"] == "store.failed"
    parts = (await api.http.get("http://erp/readyz")).json()["parts"]
    assert parts == {"database": False, "broker": False}


FAULT = """CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'Dupont' USING ERRCODE = '{code}'; END $$;
CREATE TRIGGER fail BEFORE INSERT ON reference EXECUTE FUNCTION fail();"""
CENTRE = {"kind": "centre", "code": "lyon", "country": "FR"}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("40P01", 503),
        ("40001", 503),
        ("53300", 503),
        ("57P01", 503),
        ("55P03", 503),
        ("22012", 500),
    ],
)
async def test_what_will_pass_in_the_database_is_503_and_to_be_tried_again(
    api: Api, code: str, status: int
) -> None:
    await api.pool.execute(FAULT.format(code=code))
    answer = await api.http.put("/reference/centre/lyon", json=CENTRE)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == ("2" if status == 503 else None)
    assert "Dupont" not in answer.text


async def test_a_pool_without_a_free_connection_makes_the_node_not_ready_instead_of_hanging(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erp_node.api.app.CHECK_S", 0.2)
    lent = [await api.pool.acquire() for _ in range(api.pool.get_max_size())]
    async with asyncio.timeout(10):
        answer = await api.http.get("http://erp/readyz")
    assert answer.json()["parts"]["database"] is False
    for one in lent:
        await api.pool.release(one)
    assert (await api.http.get("http://erp/readyz")).json()["parts"]["database"] is True
