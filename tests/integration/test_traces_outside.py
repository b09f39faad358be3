"""Recording a live bus from outside, on a real RabbitMQ."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contracts.topology import (
    FEED,
    JOURNAL,
    RPC,
    URGENT,
    TillAddress,
    erp_topology,
    till_topology,
    user_of,
)
from messaging.admin import Admin, ConnectionInfo
from messaging.amqp import AmqpBroker
from messaging.channel import Channel, LinkDown, Message, NotAllowed
from messaging.observer import Event
from messaging.topology import declare
from ops.clients import until
from tests.traces import ADA, body_of
from tests.vhosts import Vhost
from traces import outside
from traces.outside import record_bus, vhost_of
from traces.reading import WrongTrace, read_trace
from traces.record import Line

EDIT = {"customer_id": str(ADA), "base_version": 0, "changes": [{"path": "town", "new": "Dupont"}]}


@dataclass
class Bus:
    """A virtual host with one till, and what was seen on it."""

    vhost: Vhost
    admin: Admin
    channel: Channel
    till: TillAddress
    seen: list[Event] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def observe(self, event: Event) -> None:
        self.seen.append(event)
        self.changed.set()

    async def recorders(self) -> list[ConnectionInfo]:
        """The connections of recording users."""
        return [one for one in await self.admin.connections() if one.user.startswith(outside.GUEST)]

    async def guests(self) -> list[str]:
        """The users made for recordings of this virtual host: other tests' users come and go meanwhile."""
        here = f"{outside.GUEST}{self.vhost.name}."
        return [user.name for user in await self.admin.users() if user.name.startswith(here)]

    async def until_seen(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.seen) < count:
                self.changed.clear()
                await self.changed.wait()

    async def publish_each(self) -> None:
        """One message through every exchange, and one straight into a queue."""
        for exchange, key in (
            (FEED, "all"), (URGENT, "all"), (JOURNAL, self.till.pos_id), (RPC, "search"),
            ("", self.till.reply_queue),
        ):  # fmt: skip
            body = body_of("customer.edited", EDIT, epoch="e", seq=1, key=str(ADA))
            await self.channel.publish(Message(body, exchange, key))

    @asynccontextmanager
    async def recording(self) -> AsyncIterator["asyncio.Task[None]"]:
        ready = asyncio.Event()
        work = asyncio.create_task(
            record_bus(
                self.vhost.admin_url, self.admin, self.observe, rng=random.Random(), ready=ready
            )
        )
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([work, waiting], timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert ready.is_set()
        yield work
        work.cancel()
        with suppress(asyncio.CancelledError, LinkDown):
            await work


@pytest.fixture
async def bus(vhost: Vhost) -> AsyncIterator[Bus]:
    till = TillAddress(f"till-{random.getrandbits(32):08x}", "lyon")
    rights = till.rights
    await vhost.create_user(till.user, rights.configure, rights.write, rights.read)
    connection = await AmqpBroker(vhost.admin_url).connect("test")
    channel = await connection.channel(confirms=True, prefetch=0)
    await declare(channel, erp_topology())
    await declare(channel, till_topology(till, 0))
    async with Admin(vhost.api, vhost.name) as admin:
        yield Bus(vhost, admin, channel, till)
    await connection.close()


async def test_everything_that_passes_an_exchange_is_seen_and_reaches_its_queue_as_before(
    bus: Bus,
) -> None:
    async with bus.recording():
        await bus.publish_each()
        await bus.until_seen(4)
    assert [event.what.exchange for event in bus.seen] == [FEED, URGENT, JOURNAL, RPC]
    for queue in (bus.till.feed_queue, bus.till.urgent_queue, "erp.journal.0", "erp.rpc.search"):
        assert await bus.channel.purge(queue) == 1


async def test_nothing_is_left_on_the_broker_when_the_recording_ends(bus: Bus) -> None:
    async with bus.recording():
        assert len(await bus.guests()) == 1
    assert await bus.guests() == []
    assert not [one.name for one in await bus.admin.queues() if one.name.startswith("amq.gen")]


async def test_i10_the_recording_user_can_publish_nothing(bus: Bus) -> None:
    url = await bus.vhost.create_user(f"watcher-{random.getrandbits(32)}", *_rights())
    connection = await AmqpBroker(url).connect("test")
    channel = await connection.channel(confirms=True, prefetch=0)
    for exchange in (FEED, JOURNAL, RPC, ""):
        channel = await connection.channel(confirms=True, prefetch=0)
        with pytest.raises(NotAllowed):
            await channel.publish(Message(b"x", exchange, bus.till.pos_id))
    await connection.close()


def _rights() -> tuple[str, str, str]:
    return outside.RIGHTS.configure, outside.RIGHTS.write, outside.RIGHTS.read


async def test_a_till_enrolled_meanwhile_is_recorded_too(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "NEW_TILLS_S", 0.05)
    new = TillAddress(f"{bus.till.pos_id}-new", "lyon")
    async with bus.recording():
        await declare(bus.channel, till_topology(new, 1))
        await bus.vhost.create_user(user_of(new.pos_id), "", "", "")
        async with asyncio.timeout(20):
            while not bus.seen:
                await bus.channel.publish(Message(b"{}", JOURNAL, new.pos_id))
                with suppress(TimeoutError):
                    await asyncio.wait_for(bus.changed.wait(), 0.2)
    assert bus.seen[0].what.key == new.pos_id


async def test_users_that_killed_recordings_left_behind_go(bus: Bus) -> None:
    left = f"{outside.GUEST}{bus.vhost.name}.left"
    await bus.admin.put_user(left, password_hash="")
    assert await bus.guests() == [left]
    async with bus.recording():
        assert left not in await bus.guests()


async def test_a_lost_connection_ends_the_recording_with_its_reason(bus: Bus) -> None:
    async with bus.recording() as work:
        found = await until(
            bus.recorders, lambda found: found, "the connection", timeout=30
        )  # the broker lists it seconds later
        for one in found:
            await bus.admin.close_connection(one.name, "looked long enough")
        with pytest.raises(LinkDown, match="looked long enough"):
            await asyncio.wait_for(work, 20)


async def test_the_command_records_until_told_to_stop_without_a_name(
    bus: Bus, folder: Path
) -> None:
    trace = folder / "trace"

    async def lines() -> tuple[Line, ...]:
        with suppress(WrongTrace):  # its first line is not there yet
            return read_trace([trace] if trace.exists() else []).lines
        return ()

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops", "trace", "record", str(trace), "--outside",
        "--amqp-url", bus.vhost.admin_url, "--admin-url", bus.vhost.api,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert b"recording into" in await asyncio.wait_for(process.stdout.readline(), 30)
        await bus.publish_each()
        await until(lines, lambda lines: len(lines) >= 4, "four lines")
        process.send_signal(signal.SIGINT)
        out, error = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, error) == (0, b"")
    assert b"4 lines" in out
    written = await lines()
    assert {line.node for line in written} == {"bus"}
    assert {line.action for line in written} == {"seen"}
    assert not any(b"Dupont" in file.read_bytes() for file in trace.iterdir())


@pytest.mark.parametrize(
    ("url", "name"),
    [("amqp://a:b@host:5672/shop", "shop"), ("amqp://host/%2F", "/"), ("amqp://host", "/")],
)
def test_the_virtual_host_is_the_addresss(url: str, name: str) -> None:
    assert vhost_of(url) == name


async def _refused(*argv: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops", "trace", "record", *argv, "--outside",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip
    out, error = await asyncio.wait_for(process.communicate(), 60)
    assert out == b""
    return process.returncode, error.decode()


async def test_a_file_that_is_no_folder_is_refused_and_nothing_is_made(folder: Path) -> None:
    file = folder / "x.csv"
    file.write_text("mine")
    code, said = await _refused(
        str(file), "--amqp-url", "amqp://127.0.0.1:1/", "--admin-url", "http://127.0.0.1:1"
    )
    assert (code, said.count("\n")) == (2, 1)
    assert str(file) in said
    assert [one.name for one in folder.iterdir()] == ["x.csv"]


async def test_what_cannot_be_used_is_told_in_one_line_with_its_option(
    bus: Bus, folder: Path
) -> None:
    url, api, trace = bus.vhost.admin_url, bus.vhost.api, str(folder / "trace")
    wrong = f"http://nobody:x@{api.rpartition('@')[2]}"
    nowhere = url.replace(bus.vhost.name, "nosuch")
    for amqp, admin, named in (
        (url, wrong, "--admin-url (COMPTOIR_AMQP_ADMIN_URL): "),
        (url, "http://127.0.0.1:1", "--admin-url (COMPTOIR_AMQP_ADMIN_URL): "),
        (nowhere, api, "--amqp-url (COMPTOIR_AMQP_URL): there is no virtual host nosuch"),
        (f"amqp://127.0.0.1:1/{bus.vhost.name}", api, "--amqp-url (COMPTOIR_AMQP_URL): "),
    ):
        code, said = await _refused(trace, "--amqp-url", amqp, "--admin-url", admin)
        assert (code, said.count("\n")) == (1, 1), said
        assert named in said
        assert list(folder.iterdir()) == []  # neither a folder nor a key
