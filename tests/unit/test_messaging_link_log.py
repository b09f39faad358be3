"""What operators read in the log about a node's connections: each change once, with its reason."""

import asyncio
import random
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from messaging.amqp import address_of
from messaging.channel import Channel, Connection, LinkDown, MessagingError, NotAllowed, NotFound
from messaging.connection import Link
from messaging.memory.broker import MemoryBroker
from tests.fake_time import on_fake_time, until

Lines = list[MutableMapping[str, Any]]


class LoopClock:
    def now(self) -> datetime:
        return datetime.fromtimestamp(asyncio.get_running_loop().time(), UTC)


class Door:
    """A broker that refuses with `refusal` as long as there is one."""

    def __init__(self, memory: MemoryBroker, refusal: MessagingError | None) -> None:
        self._login = memory.as_user("guest")
        self.refusal = refusal
        self.tried = 0

    async def connect(self, name: str) -> Connection:
        self.tried += 1
        if self.refusal is not None:
            raise self.refusal
        return await self._login.connect(name)


class NoQueue:
    """A role whose queue is not there."""

    name = "feed"

    def __init__(self) -> None:
        self.attempts = 0

    async def attach(self, connection: Connection) -> Channel:
        self.attempts += 1
        raise NotFound("no queue 'pos.lyon-1.feed'")

    def detach(self, reason: MessagingError) -> None:
        return

    async def run(self) -> None:
        return


@pytest.fixture
def lines() -> Iterator[Lines]:
    with capture_logs() as found:
        yield found


def link_to(door: Door) -> Link:
    return Link(door, "erp journal", clock=LoopClock(), rng=random.Random(1), address="rabbit:5672")


def told(lines: Lines) -> list[tuple[str, str | None]]:
    return [(line["action"], line.get("reason")) for line in lines]


@on_fake_time
async def test_sync_7_each_reason_why_there_is_no_connection_is_logged_once(lines: Lines) -> None:
    door = Door(MemoryBroker(), LinkDown("connection refused"))
    task = asyncio.create_task(link_to(door).run())
    await asyncio.sleep(600)
    door.refusal = NotAllowed("ACCESS_REFUSED - Login was refused")
    await asyncio.sleep(600)
    task.cancel()
    assert door.tried > 100
    assert told(lines) == [
        ("link_down", "connection refused"),
        ("link_down", "ACCESS_REFUSED - Login was refused"),
    ]
    assert {(one["link"], one["broker"]) for one in lines} == {("erp journal", "rabbit:5672")}
    assert 0 < lines[1]["next_try_s"] <= 3


@on_fake_time
async def test_sync_7_coming_and_going_of_the_broker_is_logged_and_an_outage_tells_anew(
    lines: Lines,
) -> None:
    memory = MemoryBroker()
    door = Door(memory, LinkDown("connection refused"))
    link = link_to(door)
    task = asyncio.create_task(link.run())
    for _ in range(2):
        await asyncio.sleep(30)
        door.refusal = None
        await link.wait_up()
        door.refusal = LinkDown("connection refused")
        memory.restart()
        await until(lambda: not link.state.up)
    await asyncio.sleep(30)
    task.cancel()
    once = ["link_down", "link_up", "link_lost"]
    assert [action for action, _ in told(lines)] == [*once, *once, "link_down"]
    assert all(reason for action, reason in told(lines) if action != "link_up")


@on_fake_time
async def test_a_role_the_broker_refuses_is_logged_once_while_the_connection_stands(
    lines: Lines,
) -> None:
    link, role = link_to(Door(MemoryBroker(), None)), NoQueue()
    link.add(role)
    task = asyncio.create_task(link.run())
    await asyncio.sleep(600)
    task.cancel()
    assert role.attempts > 100
    assert [(one["action"], one.get("role"), one.get("reason")) for one in lines] == [
        ("link_up", None, None),
        ("link_role_down", "feed", "no queue 'pos.lyon-1.feed'"),
    ]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("amqp://pos.lyon-1:s3cret@rabbit:5673/comptoir", "rabbit:5673"),
        ("amqp://erp:p%40ss@10.0.0.1/comptoir", "10.0.0.1:5672"),
        ("amqps://erp:s3cret@rabbit", "rabbit:5671"),
    ],
)
def test_the_log_names_the_broker_without_user_and_password(url: str, address: str) -> None:
    assert address_of(url) == address
