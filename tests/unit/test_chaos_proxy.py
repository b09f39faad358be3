"""The proxy of chaos runs: on real sockets, it does to AMQP frames exactly what it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from chaos.proxy import Proxy
from chaos.rules import NoConfirms, Place, PublishCut, Silence, Way
from contracts.topology import JOURNAL
from messaging.amqp_frames import SILENCE, write_ack, write_message
from messaging.channel import Message

GREETING = b"AMQP\x00\x00\x09\x01"
PUBLISH = write_message(Message(exchange=JOURNAL, key="p1", body=b"b" * 300), 1, 100)
METHOD_BYTES = PUBLISH.index(b"\xce\x02") + 1
HEADER_BYTES = PUBLISH.index(b"\xce\x03") + 1
BODY_FRAME_BYTES = 108
CONFIRM = write_ack(1, 1, multiple=False)


@dataclass
class Broker:
    """Keeps what it is sent, and says what it is given to say."""

    heard: bytes = b""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with suppress(ConnectionError):
            while data := await reader.read(1000):
                self.heard += data
                self.grown.set()
        self.ended.set()
        writer.close()

    async def until_heard(self, wanted: bytes) -> None:
        async with asyncio.timeout(5):
            while self.heard != wanted:
                self.grown.clear()
                await self.grown.wait()


@dataclass
class Between:
    """A node that has greeted the broker through a proxy."""

    broker: Broker
    proxy: Proxy
    port: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ended(self) -> None:
        """Returns when the node's connection is cut."""
        with suppress(ConnectionError):
            assert await asyncio.wait_for(self.reader.read(), 5) == b""


@pytest.fixture
async def between() -> AsyncIterator[Between]:
    broker = Broker()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    proxy = Proxy("127.0.0.1", server.sockets[0].getsockname()[1])
    port = await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GREETING)
    await broker.until_heard(GREETING)
    yield Between(broker, proxy, port, reader, writer)
    writer.close()
    await proxy.close()
    server.close()
    for one in broker.writers:
        one.close()


async def test_whole_frames_pass_however_they_were_cut_on_the_way(between: Between) -> None:
    for at in range(0, len(PUBLISH), 7):
        await between.send(PUBLISH[at : at + 7])
    await between.broker.until_heard(GREETING + PUBLISH)
    between.broker.writers[0].write(CONFIRM)
    assert await asyncio.wait_for(between.reader.readexactly(len(CONFIRM)), 5) == CONFIRM


@pytest.mark.parametrize(
    ("place", "arrived"),
    [
        ("method", METHOD_BYTES),
        ("header", HEADER_BYTES),
        ("body", HEADER_BYTES + BODY_FRAME_BYTES // 2),
    ],
)
async def test_a_publish_is_cut_exactly_where_asked(
    between: Between, place: Place, arrived: int
) -> None:
    rule = PublishCut(place)
    with between.proxy.ruled(rule):
        await between.send(SILENCE + PUBLISH + PUBLISH)
        await between.ended()
    await asyncio.wait_for(between.broker.ended.wait(), 5)
    assert rule.sprung
    assert between.broker.heard == GREETING + SILENCE + PUBLISH[:arrived]


async def test_only_one_publish_is_cut(between: Between) -> None:
    with between.proxy.ruled(PublishCut("method")):
        await between.send(PUBLISH)
        await between.ended()
        _, writer = await asyncio.open_connection("127.0.0.1", between.port)
        writer.write(GREETING + PUBLISH)
        await between.broker.until_heard(GREETING + PUBLISH[:METHOD_BYTES] + GREETING + PUBLISH)
        writer.close()


async def test_confirms_are_swallowed_and_nothing_else(between: Between) -> None:
    said, rule = between.broker.writers[0], NoConfirms()
    with between.proxy.ruled(rule):
        said.write(CONFIRM + SILENCE + CONFIRM)
        assert await asyncio.wait_for(between.reader.readexactly(len(SILENCE)), 5) == SILENCE
        await between.send(CONFIRM)
        await between.broker.until_heard(GREETING + CONFIRM)
    said.write(CONFIRM)
    assert await asyncio.wait_for(between.reader.readexactly(len(CONFIRM)), 5) == CONFIRM
    assert rule.swallowed == 2


async def test_a_half_open_link_carries_the_other_way_only(between: Between) -> None:
    rule = Silence(frozenset({Way.UP}))
    with between.proxy.ruled(rule):
        await between.send(PUBLISH)
        between.broker.writers[0].write(SILENCE)
        assert await asyncio.wait_for(between.reader.readexactly(len(SILENCE)), 5) == SILENCE
        assert between.broker.heard == GREETING
    await between.send(SILENCE)
    await between.broker.until_heard(GREETING + SILENCE)
    assert rule.swallowed == 5


async def test_whoever_is_beyond_a_half_open_link_does_not_hear_its_end(between: Between) -> None:
    with between.proxy.ruled(Silence(frozenset(Way))):
        between.writer.close()
        await between.writer.wait_closed()
        between.broker.writers[0].write(SILENCE)
        await between.broker.writers[0].drain()
        assert not between.broker.ended.is_set()
    assert between.proxy.cut() == 1
    await asyncio.wait_for(between.broker.ended.wait(), 5)


async def test_a_shut_proxy_ends_connections_and_takes_none(between: Between) -> None:
    with between.proxy.shut(), between.proxy.shut():
        await between.ended()
        reader, writer = await asyncio.open_connection("127.0.0.1", between.port)
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(reader.readexactly(1), 5)
        writer.close()
    _, writer = await asyncio.open_connection("127.0.0.1", between.port)
    writer.write(GREETING)
    await between.broker.until_heard(GREETING * 2)
    writer.close()


async def test_a_slow_link_keeps_what_it_carries_back_for_so_long(between: Between) -> None:
    loop = asyncio.get_running_loop()
    with between.proxy.slow(0.05), between.proxy.slow(0.2):
        began = loop.time()
        await between.send(PUBLISH)
        await between.broker.until_heard(GREETING + PUBLISH)
        assert loop.time() - began >= 0.19
