"""A TCP proxy between one node and the broker that understands AMQP frames, and does to them what it is told."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chaos.frames import FrameCutter
from chaos.rules import Fate, Rule, Silence, Way, fate_of

CHUNK = 65_536
LINGER_NOT = struct.pack("ii", 1, 0)
"""A socket closed so is reset."""


@dataclass(eq=False)
class Wire:
    """One connection through the proxy: the node's socket and the broker's."""

    node: asyncio.StreamWriter
    broker: asyncio.StreamWriter

    def cut(self) -> None:
        """Reset towards the node. Towards the broker it is closed, so that what was written before arrives."""
        _reset(self.node)
        self.broker.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection without the words that usually end one."""
    opened = writer.get_extra_info("socket")
    if opened is not None and opened.fileno() >= 0:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()


class Proxy:
    """Forwards a port of 127.0.0.1 to the broker. Several faults may be at it at the same time."""

    def __init__(self, host: str, port: int) -> None:
        self.rules: list[Rule] = []
        self._delays: list[float] = []
        self._shut: list[object] = []
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._wires: set[Wire] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """The port it listens on from now on."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> int:
        """Cuts every connection, and says how many there were."""
        wires = tuple(self._wires)
        for wire in wires:
            wire.cut()
        return len(wires)

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Nobody comes through as long as the block runs: a connection is reset as soon as it is made."""
        shutter = object()
        self._shut.append(shutter)
        self.cut()
        try:
            yield
        finally:
            self._shut.remove(shutter)

    @contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """As long as the block runs whatever was read at once waits so long before it goes on."""
        self._delays.append(seconds)
        try:
            yield
        finally:
            self._delays.remove(seconds)

    @contextmanager
    def ruled(self, rule: Rule) -> Iterator[None]:
        """The rule judges every frame as long as the block runs."""
        self.rules.append(rule)
        try:
            yield
        finally:
            self.rules.remove(rule)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._shut.append(self)
        self.cut()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._shut:
            _reset(writer)
            return
        try:
            answers, broker = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        wire = Wire(writer, broker)
        self._wires.add(wire)
        for way, source, sink in ((Way.UP, reader, broker), (Way.DOWN, answers, writer)):
            task = asyncio.create_task(self._forward(wire, way, source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._shut:
            wire.cut()

    async def _forward(
        self, wire: Wire, way: Way, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        cutter = FrameCutter(greeting=way is Way.UP)
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if self._delays:
                    await asyncio.sleep(max(self._delays))
                if self._write(way, cutter.feed(data), sink):
                    wire.cut()
                    break
                await sink.drain()
        if not self._silent(way):
            self._end(wire)

    def _write(self, way: Way, frames: list[bytes], sink: asyncio.StreamWriter) -> bool:
        """Writes what passes of these frames; whether the connection is to be cut behind it."""
        for frame in frames:
            fate = fate_of(frame, way, tuple(self.rules)) if self.rules else Fate()
            if not sink.transport.is_closing():  # beyond a half-open link its end is not known
                sink.write(frame if fate.passing is None else frame[: fate.passing])
            if fate.cut:
                return True
        return False

    def _silent(self, way: Way) -> bool:
        """Whether not even the end of a connection is heard this way: who is beyond goes on believing in it."""
        return any(isinstance(rule, Silence) and way in rule.ways for rule in self.rules)

    def _end(self, wire: Wire) -> None:
        """One end is gone: so is the other."""
        self._wires.discard(wire)
        wire.node.close()
        wire.broker.close()
