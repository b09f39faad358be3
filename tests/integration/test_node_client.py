"""A client in another language, with no other source than the AsyncAPI document, on real RabbitMQ."""

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from contracts import envelope
from contracts.asyncapi import document
from contracts.envelope import Headers
from contracts.registry import TYPE_OF, decode
from contracts.search import CustomerSearch, CustomersFound, FoundCustomer, Refused
from contracts.topology import TillAddress, erp_topology, question_queue, till_topology
from messaging.amqp import AmqpBroker
from messaging.channel import Delivery
from messaging.clock import SystemClock
from messaging.connection import Link
from messaging.consumer import Bad
from messaging.responder import Answer, Reply, Responder
from messaging.topology import declare
from tests.node_tools import NodeTools, node_tools
from tests.vhosts import Vhost

__all__ = ["node_tools"]

pytestmark = pytest.mark.timeout(400)

FOUND = FoundCustomer(
    id=UUID(int=7), version=3, usable=True, editable=False, kind="retail", code="LYO-1",
    name="Dupont Zoé", town="Lyon",
)  # fmt: skip


@pytest.fixture
async def till(vhost: Vhost) -> TillAddress:
    """A till with its queues, on a virtual host of this test."""
    till = TillAddress(f"node-{secrets.token_hex(4)}", "lyon")
    connection = await AmqpBroker(vhost.admin_url).connect("test")
    channel = await connection.channel(confirms=True, prefetch=0)
    await declare(channel, erp_topology())
    await declare(channel, till_topology(till, 0))
    await connection.close()
    return till


@pytest.fixture
async def till_amqp_url(vhost: Vhost, till: TillAddress) -> str:
    """The till's own user, with its rights and no others."""
    rights = till.rights
    return await vhost.create_user(till.user, rights.configure, rights.write, rights.read)


@pytest.fixture
def path(folder: Path) -> Path:
    """The document in a file."""
    file = folder / "asyncapi.json"
    file.write_text(json.dumps(document(), ensure_ascii=False), "utf-8")
    return file


@asynccontextmanager
async def answering(vhost: Vhost, answer: Answer) -> AsyncIterator[list[Bad]]:
    """Answers online searches while it is open; gives what was put aside."""
    parked: list[Bad] = []

    async def park(delivery: Delivery, bad: Bad) -> None:
        parked.append(bad)

    link = Link(AmqpBroker(vhost.admin_url), "erp", clock=SystemClock(), rng=random.Random(1))
    link.add(Responder(question_queue("search"), answer, park))
    running = asyncio.create_task(link.run())
    try:
        await asyncio.wait_for(link.wait_up(), 20)
        yield parked
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _reply(asked: Headers, data: CustomersFound | Refused) -> Reply:
    name = TYPE_OF[type(data)].name
    headers = Headers(
        id=UUID(int=9), type=name, occurred_at=asked.occurred_at, origin="erp", causation=asked.id
    )
    return Reply(envelope.encode(headers, data), type=name)


async def _search(tools: NodeTools, path: Path, url: str, phrase: str) -> tuple[int, Any, str]:
    """The script's exit code, the answer it printed, and what it complained of."""
    process = await asyncio.create_subprocess_exec(
        *tools.command("online_search.mjs", str(path), url, phrase),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, error = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()
        raise
    return process.returncode or 0, json.loads(out) if out else None, error.decode()


async def test_search_4_a_client_that_knows_only_the_document_searches_online(
    vhost: Vhost, till: TillAddress, till_amqp_url: str, node_tools: NodeTools, path: Path
) -> None:
    asked: list[Delivery] = []

    async def answer(delivery: Delivery) -> Reply:
        asked.append(delivery)
        return _reply(decode(delivery.body).headers, CustomersFound(outcome="found", rows=[FOUND]))

    async with answering(vhost, answer) as parked:
        code, told, error = await _search(node_tools, path, till_amqp_url, "dup «lyo» é")
    assert (code, error, parked) == (0, "", [])
    assert told["type"] == "customer.found"
    assert told["data"]["rows"] == [FOUND.model_dump(mode="json", exclude_none=True)]
    (delivery,) = asked
    question = decode(delivery.body)
    assert question.headers.origin == delivery.user_id == till.user
    assert isinstance(question.data, CustomerSearch)
    assert question.data.criteria.phrase == "dup «lyo» é"
    assert delivery.expiration_ms == 10_000


async def test_search_1_a_foreign_client_is_told_why_there_is_no_answer(
    vhost: Vhost, till: TillAddress, till_amqp_url: str, node_tools: NodeTools, path: Path
) -> None:
    async def answer(delivery: Delivery) -> Reply:
        return _reply(decode(delivery.body).headers, Refused(code="search.off"))

    async with answering(vhost, answer):
        code, told, _ = await _search(node_tools, path, till_amqp_url, "dup")
    assert code == 0
    assert (told["type"], told["data"]["code"]) == ("erp.refused", "search.off")


async def test_search_12_a_foreign_client_gives_up_at_the_deadline_of_the_document(
    till: TillAddress, till_amqp_url: str, node_tools: NodeTools, path: Path
) -> None:
    hasty = document()
    hasty["operations"]["till.ask.customer.search"]["bindings"]["amqp"]["expiration"] = 300
    path.write_text(json.dumps(hasty), "utf-8")
    assert await _search(node_tools, path, till_amqp_url, "dup") == (2, None, "")


async def test_i10_a_foreign_client_cannot_ask_as_another_till(
    till: TillAddress, till_amqp_url: str, node_tools: NodeTools, path: Path
) -> None:
    forged = document()
    forged["operations"]["till.ask.customer.search"]["bindings"]["amqp"]["userId"] = "pos.other"
    path.write_text(json.dumps(forged), "utf-8")
    code, told, error = await _search(node_tools, path, till_amqp_url, "dup")
    assert (code, told) == (1, None)
    assert "user_id" in error
