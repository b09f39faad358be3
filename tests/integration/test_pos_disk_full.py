"""A full disk never blocks the cashier: the till starts, lets people in, and says what is wrong (SYNC-7, I11)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from pos_node.api.app import make_api
from pos_node.app import Node, open_node
from pos_node.settings import Enrolment, PosSettings
from pos_node.store.cursors import read_cursors
from pos_node.store.database import Priority
from pos_node.store.errors import DiskFull
from pos_node.store.transactions import Outcome, Work, Writer
from tests.pos_parts import put_reference
from tests.pos_till import PASSWORD, operator

WHO = Enrolment(pos_id="p1", centre="C1", amqp_url="amqp://p1:x@127.0.0.1:1/x")


@asynccontextmanager
async def started(folder: Path, who: Enrolment = WHO) -> AsyncIterator[Node]:
    async with AsyncExitStack() as stack:
        settings = PosSettings(enrolment=folder / "p1.toml", data=folder)
        node = await open_node(settings, who, stack)
        yield node


def client(node: Node) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(make_api(node.till, "0"))
    return httpx.AsyncClient(transport=transport, base_url="http://till/api/v1")


def fill_disk(patch: pytest.MonkeyPatch) -> None:
    def refuse(self: Writer, work: Work, priority: Priority) -> Outcome:
        return None, DiskFull(Path("till.db"))

    patch.setattr(Writer, "run", refuse)


async def log_in(http: httpx.AsyncClient, password: str = PASSWORD, name: str = "anne") -> int:
    answer = await http.post("/session", json={"name": name, "password": password})
    return answer.status_code


async def test_i11_a_till_starts_and_lets_people_in_on_a_full_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(folder) as node:
        people = operator("anne"), operator("ben")
        await node.till.store.write(put_reference, *people, priority=Priority.FEED)
    fill_disk(monkeypatch)
    async with started(folder) as node, client(node) as http:
        assert (await http.get("/status")).json()["storage"] == {"writable": True, "reason": None}
        for _ in range(4):
            assert await log_in(http, "wrong") == 401
        assert await log_in(http) == 201
        for _ in range(5):
            assert await log_in(http, "wrong") == 401, "a right password forgets the failures"
        assert await log_in(http) == 429
        assert await log_in(http, name="ben") == 201


async def test_sync_7_the_status_says_that_the_disk_is_full_until_it_is_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(folder) as node, client(node) as http:
        with monkeypatch.context() as patch:
            fill_disk(patch)
            with pytest.raises(DiskFull):
                await node.till.store.write(lambda c: None, priority=Priority.FEED)
        await node.till.store.write(lambda c: None, priority=Priority.CASHIER)
        storage = (await http.get("/status")).json()["storage"]
        assert not storage["writable"], "what little fits says nothing of the feed"
        assert "The disk is full" in storage["reason"]
        await node.till.store.write(lambda c: None, priority=Priority.FEED)
        storage = (await http.get("/status")).json()["storage"]
        assert storage == {"writable": True, "reason": None}


async def test_i11_a_till_with_other_scopes_starts_on_a_full_disk_with_those_it_had(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(folder) as node:
        before = await node.till.store.read(read_cursors)
    moved = Enrolment(pos_id="p1", centre="C2", amqp_url=WHO.amqp_url)
    with monkeypatch.context() as patch:
        fill_disk(patch)
        async with started(folder, moved) as node, client(node) as http:
            assert await node.till.store.read(read_cursors) == before
            assert not (await http.get("/status")).json()["storage"]["writable"]
    async with started(folder, moved) as node:
        assert await node.till.store.read(read_cursors) != before
