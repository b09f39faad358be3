"""What the broker sends, taken apart where it arrives.

Deliveries, returns and confirms go straight to their channel, by plain calls; everything else goes
to the client library: the handshake, heartbeats, answers to methods. The library would carry every
frame through two queues and two tasks, which takes longer than all that is done with a message.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiormq.connection import TransportFactory
from yarl import URL

from messaging.amqp_frames import (
    ACK,
    BODY,
    DELIVER,
    FRAME,
    HEADER,
    HEARTBEAT,
    METHOD,
    NACK,
    RETURN,
    SILENCE,
    body_size,
    read_header,
)

CLOSE, BLOCKED, UNBLOCKED = (b"\x00\x0a\x00" + method for method in (b"\x32", b"\x3c", b"\x3d"))
SIGN_OF_LIFE = 1.0
"""The broker sends no heartbeat while it sends anything else; what goes past the library is made
known to it as one, this many seconds apart."""


class Ear(Protocol):
    """A channel, as far as it is told things by the broker. Payloads are without frame and end."""

    def hear_delivery(self, method: bytes, header: bytes, body: bytes) -> None: ...

    def hear_return(self, method: bytes, header: bytes) -> None: ...

    def hear_confirm(self, method: bytes, *, acked: bool) -> None: ...


@dataclass(slots=True)
class Words:
    """What the broker said about the whole connection; the library keeps it to itself.

    `frames`: how many it sent. `blocked`: why it takes no messages, or "". `code`, `farewell`: why it
    closed the connection.
    """

    frames: int = 0
    blocked: str = ""
    code: int = 0
    farewell: str = ""

    def hear(self, payload: bytes) -> None:
        """Takes a method frame of channel 0."""
        if payload.startswith(BLOCKED):
            self.blocked = _short_text(payload[4:])
        elif payload.startswith(UNBLOCKED):
            self.blocked = ""
        elif payload.startswith(CLOSE):
            self.code = int.from_bytes(payload[4:6], "big")
            self.farewell = _short_text(payload[6:])


def _short_text(field: bytes) -> str:
    return field[1 : 1 + field[0]].decode(errors="replace")


@dataclass(slots=True)
class _Content:
    """A message of which not everything has come."""

    ear: Ear
    method: bytes
    header: bytes = b""
    missing: int = 0
    parts: list[bytes] = field(default_factory=list)

    def take(self, kind: int, payload: bytes) -> bool:
        """Takes its header or a part of its body; whether that was all."""
        if kind == HEADER:
            self.header, self.missing = payload, body_size(payload)
        else:
            self.parts.append(payload)
            self.missing -= len(payload)
        return self.missing <= 0

    def tell(self) -> None:
        if self.method.startswith(DELIVER):
            body = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
            self.ear.hear_delivery(self.method, self.header, body)
        else:
            self.ear.hear_return(self.method, self.header)


class Frames:
    """Takes bytes as they come, tells `ears` what is theirs, and leaves the rest, frame by frame."""

    def __init__(self, words: Words, ears: dict[int, Ear]) -> None:
        self._words = words
        self._ears = ears
        self._begun = b""
        self._contents: dict[int, _Content] = {}
        self._foreign = False

    def take(self, data: bytes) -> bytes:
        """The frames among these bytes that are the library's."""
        if self._foreign:
            return data
        data = self._begun + data if self._begun else data
        at, size = 0, len(data)
        left: list[bytes] = []
        while size - at >= FRAME.size:
            kind, channel, length = FRAME.unpack_from(data, at)
            if kind not in (METHOD, HEADER, BODY, HEARTBEAT):
                self._foreign = True  # no AMQP: the library says so better
                return b"".join((*left, data[at:]))
            end = at + FRAME.size + length + 1
            if end > size:
                break
            self._words.frames += 1
            if not self._is_told(kind, channel, data[at + FRAME.size : end - 1]):
                left.append(_legible(kind, data[at:end]))
            at = end
        self._begun = data[at:]
        return b"".join(left)

    def _is_told(self, kind: int, channel: int, payload: bytes) -> bool:
        if kind == METHOD:
            return self._is_method_told(channel, payload)
        content = self._contents.get(channel)
        if content is None:
            return False
        if content.take(kind, payload):
            del self._contents[channel]
            content.tell()
        return True

    def _is_method_told(self, channel: int, payload: bytes) -> bool:
        if channel == 0:
            self._words.hear(payload)
            return False
        ear = self._ears.get(channel)
        if ear is None:
            return False
        method = payload[:4]
        if method in (DELIVER, RETURN):
            self._contents[channel] = _Content(ear, payload)
        elif method in (ACK, NACK):
            ear.hear_confirm(payload, acked=method == ACK)
        else:
            return False
        return True


def _legible(kind: int, frame: bytes) -> bytes:
    """A frame as the library can decode it."""
    if kind != HEADER:
        return frame
    return frame[: FRAME.size] + read_header(frame[FRAME.size :])


class Inbound(asyncio.StreamReaderProtocol):
    """The stream the library reads, without what was told already."""

    def __init__(
        self, reader: asyncio.StreamReader, frames: Frames, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(reader, loop=loop)
        self._frames = frames
        self._time = loop.time
        self._library_heard = loop.time()
        self._greeted = False

    def data_received(self, data: bytes) -> None:
        left = self._frames.take(data)
        now = self._time()
        if not left and self._greeted and now - self._library_heard >= SIGN_OF_LIFE:
            left = SILENCE
        if left:
            self._library_heard = now
            super().data_received(left)

    def greeted(self) -> None:
        """The handshake is over."""
        self._greeted = True


class Transport(TransportFactory):
    """TCP or TLS as the URL says, read through Inbound."""

    def __init__(self) -> None:
        self.words = Words()
        self.ears: dict[int, Ear] = {}
        self._inbound: Inbound | None = None
        self._out: asyncio.WriteTransport | None = None
        self._unsent: list[bytes] = []

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        contexts = kwargs.pop("ssl_context_provider")
        secure = await contexts.get_context() if url.scheme == "amqps" else None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        inbound = Inbound(reader, Frames(self.words, self.ears), loop)
        out, _ = await loop.create_connection(
            lambda: inbound, url.host or "localhost", url.port or 5672, ssl=secure, **kwargs
        )
        self._inbound, self._out = inbound, out
        return reader, asyncio.StreamWriter(out, inbound, reader, loop)

    def listen(self, channel: int, ear: Ear) -> None:
        """Tells `ear` from now on what comes for a channel."""
        if self._inbound is not None:
            self._inbound.greeted()
        self.ears[channel] = ear

    def write(self, frames: bytes) -> None:
        """Writes past the library, which must have nothing waiting to be written.

        What is written in one turn of the event loop goes out together: each call of the system
        takes longer than all else that is done to send a message.
        """
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._send)
        self._unsent.append(frames)

    def _send(self) -> None:
        frames, self._unsent = self._unsent, []
        if self._out is not None and not self._out.is_closing():
            self._out.write(b"".join(frames))

    def abort(self) -> None:
        """Ends a connection whose other side does not answer."""
        if self._out is not None:
            self._out.abort()
