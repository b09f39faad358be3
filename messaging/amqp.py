"""Connections to RabbitMQ: plain ones, never rebuilt here (messaging.connection does that)."""

import asyncio
import logging
from urllib.parse import parse_qs, unquote, urlsplit

from aiormq.channel import Channel as LibraryChannel
from aiormq.connection import Connection as LibraryConnection
from pamqp.common import FieldTable

from messaging.amqp_channel import AmqpChannel
from messaging.amqp_errors import read_close, read_failure
from messaging.amqp_inbound import Transport
from messaging.channel import LinkDown, MessagingError, OnReturn

HEARTBEAT = 10
"""Seconds. The broker gives up after two without a frame, and so does this side."""
FAREWELL = 3.0
PORT, TLS_PORT = 5672, 5671


class Stream(LibraryConnection):
    """The library's connection; writes are queued without limit, for publishers have a window."""

    FRAME_BUFFER_SIZE = 0
    HEARTBEAT_GRACE_MULTIPLIER = 2

    def __init__(self, url: str, name: str) -> None:
        self.transport = Transport()
        properties: FieldTable = {"connection_name": name, "product": "comptoir"}
        super().__init__(url, transport_factory=self.transport, client_properties=properties)

    def failure(self, error: BaseException | None) -> MessagingError:
        """Why the connection ended: in the broker's words, if it said any."""
        words = self.transport.words
        return read_close(words.code, words.farewell) if words.code else read_failure(error)


class AmqpBroker:
    """One RabbitMQ virtual host, as one user: `amqp://user:password@host:port/vhost`."""

    def __init__(self, url: str, *, heartbeat: int = HEARTBEAT) -> None:
        self._url = (
            url if "heartbeat" in parse_qs(urlsplit(url).query) else _beating(url, heartbeat)
        )
        # The library writes message bodies into its debug and error records. What it would tell is
        # in the reasons this package reports.
        logging.getLogger("aiormq").setLevel(logging.CRITICAL)

    async def connect(self, name: str) -> "AmqpConnection":
        stream = Stream(self._url, name)
        try:
            await stream.connect()
        except Exception as error:
            # The library lets anything through, such as StopAsyncIteration at an early end: it costs this try alone.
            raise stream.failure(error) from None
        except asyncio.CancelledError:
            stream.transport.abort()
            raise
        return AmqpConnection(stream)


class AmqpConnection:
    """messaging.channel.Connection over RabbitMQ."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._closed: asyncio.Future[MessagingError] = asyncio.get_running_loop().create_future()
        stream.closing.add_done_callback(self._stream_closed)

    @property
    def user(self) -> str:
        return unquote(self._stream.url.user or "guest")

    @property
    def blocked(self) -> str:
        return self._stream.transport.words.blocked

    @property
    def closed(self) -> asyncio.Future[MessagingError]:
        return self._closed

    async def channel(
        self, *, confirms: bool, prefetch: int, on_return: OnReturn | None = None
    ) -> AmqpChannel:
        if self._closed.done():
            raise LinkDown(self._closed.result().reason)
        number = next(n for n in range(1, 65536) if n not in self._stream.channels)
        wire = LibraryChannel(self._stream, number, publisher_confirms=confirms)
        self._stream.channels[number] = wire
        channel = AmqpChannel(wire, self._stream.transport, on_return, self._until_silent)
        await channel.open(prefetch)
        return channel

    async def close(self) -> None:
        self._end(LinkDown("closed here"))
        try:
            await self._stream.close(timeout=FAREWELL)
        except TimeoutError:
            self._stream.transport.abort()

    def drop(self, reason: MessagingError) -> None:
        self._end(reason)
        self._stream.transport.abort()

    async def _until_silent(self, work: asyncio.Task[None]) -> None:
        """Waits for something the broker is to answer, at most for the time between two of its
        heartbeats: if nothing at all was heard by then, it is not there any more."""
        words = self._stream.transport.words
        before = words.frames
        await asyncio.wait([work], timeout=self._stream.heartbeat_timeout / 2 + 1)
        if not work.done() and words.frames == before:
            self.drop(LinkDown("the broker does not answer"))

    def _stream_closed(self, closing: asyncio.Future[object]) -> None:
        self._end(self._stream.failure(None if closing.cancelled() else closing.exception()))

    def _end(self, reason: MessagingError) -> None:
        if not self._closed.done():
            self._closed.set_result(reason)


def address_of(url: str) -> str:
    """Where a broker is, without user and password: `host:port`."""
    parts = urlsplit(url)
    port = parts.port or (TLS_PORT if parts.scheme == "amqps" else PORT)
    return f"{parts.hostname or 'localhost'}:{port}"


def _beating(url: str, heartbeat: int) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}heartbeat={heartbeat}"
