"""AMQP frames at the border: what other senders wrote, and what this one writes.

The client library drops the whole connection at a message whose properties it cannot decode, and
again at every redelivery: one till could keep the ERP from hearing all others. Such a header is
therefore emptied here, before the library sees it, and marked; the message then goes the way of
every other bad message.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import pamqp.frame
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from yarl import URL

from messaging.channel import Delivery, Headers, Message, Return

METHOD, HEADER = 1, 2
CLOSE, BLOCKED, UNBLOCKED = (b"\x00\x0a\x00" + method for method in (b"\x32", b"\x3c", b"\x3d"))
HAS_HEADERS, HAS_TIMESTAMP = 0x20, 0x40
DAMAGED = "?"
DAMAGED_PROPERTIES = b"\x00\x20\x01?"
"""Properties of nothing but the type `?`: no longer than the shortest that can be damaged."""


def read_header(payload: bytes) -> bytes:
    """The payload of a content header as the library can decode it: as it came, or emptied."""
    first, second = payload[12:14]
    if not first & HAS_HEADERS and not second & HAS_TIMESTAMP and payload[14:-1].isascii():
        return payload
    try:
        ContentHeader().unmarshal(payload[:-1])
    except Exception:  # whatever the decoder raises would cost the connection
        kept, end = payload[:12], payload[-1:]
        return (kept + DAMAGED_PROPERTIES).ljust(len(payload) - 1, b"\0") + end
    return payload


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


class FrameReader:
    """What the library reads from: per frame 1 byte, 6 bytes, and the payload with its end."""

    def __init__(self, stream: asyncio.StreamReader, words: Words) -> None:
        self._stream = stream
        self._words = words
        self._reads = 0
        self._kind = 0
        self._control = False

    def at_eof(self) -> bool:
        return self._stream.at_eof()

    async def read(self, size: int = -1) -> bytes:
        return await self._stream.read(size)

    async def readexactly(self, size: int) -> bytes:
        data = await self._stream.readexactly(size)
        self._reads += 1
        if self._reads == 1:
            self._kind = data[0]
        elif self._reads == 2:
            self._control = data[:2] == b"\0\0"
        else:
            self._reads = 0
            self._words.frames += 1
            if self._kind == HEADER:
                return read_header(data)
            if self._kind == METHOD and self._control:
                self._words.hear(data)
        return data


class Transport(TransportFactory):
    """TCP or TLS as the URL says, read through FrameReader."""

    def __init__(self) -> None:
        self.words = Words()
        self.writer: asyncio.StreamWriter | None = None

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        factory = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        stream, self.writer = await factory.create(url, **kwargs)
        reader = FrameReader(stream, self.words)
        return cast(asyncio.StreamReader, reader), self.writer

    def abort(self) -> None:
        """Ends a connection whose other side does not answer."""
        if self.writer is not None:
            self.writer.transport.abort()


def write_message(
    message: Message, channel: int, largest: int, message_id: str | None = None
) -> bytes:
    """The frames of one publish, with bodies of at most `largest` bytes per frame."""
    body = message.body
    frames: list[pamqp.frame.FrameTypes] = [
        commands.Basic.Publish(
            exchange=message.exchange, routing_key=message.key, mandatory=message.mandatory
        ),
        ContentHeader(body_size=len(body), properties=_properties(message, message_id)),
        *(ContentBody(body[at : at + largest]) for at in range(0, len(body), largest)),
    ]
    return b"".join(pamqp.frame.marshal(frame, channel) for frame in frames)


def _properties(message: Message, message_id: str | None) -> commands.Basic.Properties:
    expiration = message.expiration_ms
    return commands.Basic.Properties(
        content_encoding=message.content_encoding,
        headers=cast(Any, dict(message.headers)) or None,
        delivery_mode=2 if message.persistent else 1,
        correlation_id=message.correlation_id,
        expiration=None if expiration is None else str(expiration),
        message_id=message_id,
        timestamp=message.timestamp,
        message_type=message.type,
        user_id=message.user_id,
    )


def read_delivery(
    frame: commands.Basic.Deliver | commands.Basic.GetOk, header: ContentHeader, body: bytes
) -> Delivery:
    """The message one delivery carried."""
    properties = header.properties
    damaged = properties.message_type == DAMAGED
    return Delivery(
        body,
        frame.exchange,
        frame.routing_key or "",
        frame.delivery_tag or 0,
        bool(frame.redelivered),
        properties.user_id or None,
        properties.correlation_id or None,
        _milliseconds(properties.expiration),
        cast(Headers, properties.headers) if properties.headers else {},
        properties.content_encoding or None,
        None if damaged else properties.message_type or None,
        damaged,
    )


def read_return(frame: commands.Basic.Return, header: ContentHeader) -> Return:
    """The message one return carried, without its body."""
    correlation = header.properties.correlation_id or None
    return Return(frame.exchange, frame.routing_key or "", correlation, frame.reply_text or "")


def _milliseconds(expiration: str | None) -> int | None:
    """Another client may write anything here that RabbitMQ takes for a number."""
    return int(expiration) if expiration and expiration.isdecimal() else None
