"""What a broker can be asked to do, the values that travel, and what may go wrong.

Two implementations: `messaging.amqp` (RabbitMQ) and `messaging.memory` (the same rules in one
process). Everything else in this package is written once, on top of these protocols.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias, Union

from contracts.topology import Binding, Exchange, Queue

HeaderValue: TypeAlias = Union[  # noqa: UP007 - the recursive names are strings
    str, int, float, bool, bytes, datetime, list["HeaderValue"], dict[str, "HeaderValue"], None
]
Headers: TypeAlias = Mapping[str, HeaderValue]


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish.

    `mandatory`: a message no queue takes comes back as Returned. `expiration_ms`: the broker
    drops it when it waited that long. `timestamp`: lets the broker tell how old the oldest message
    of a queue is. `user_id`: the broker refuses any name but the connection's
    own; publishers and requesters fill it in when it is None.
    """

    body: bytes
    exchange: str
    key: str
    mandatory: bool = True
    persistent: bool = True
    correlation_id: str | None = None
    expiration_ms: int | None = None
    headers: Headers = field(default_factory=dict)
    user_id: str | None = None
    content_encoding: str | None = None
    type: str | None = None
    timestamp: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it came out of a queue.

    `tag` is what ack and nack take, on the channel it came by and no other. `user_id` was
    validated by the broker; None means nobody vouches for the sender. `damaged`: a property could
    not be decoded (for instance, was not UTF-8); all properties are then missing.
    """

    body: bytes
    exchange: str
    key: str
    tag: int
    redelivered: bool = False
    user_id: str | None = None
    correlation_id: str | None = None
    expiration_ms: int | None = None
    headers: Headers = field(default_factory=dict)
    content_encoding: str | None = None
    type: str | None = None
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Return:
    """A mandatory message no queue took, on a channel without confirms."""

    exchange: str
    key: str
    correlation_id: str | None
    reason: str


class MessagingError(Exception):
    """Something went wrong between this process and the broker."""

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        summary = (type(self).__doc__ or "").strip().splitlines()[0].rstrip(".")
        super().__init__(f"{summary}: {reason}" if reason else summary)


class Returned(MessagingError):
    """No queue takes this message; the broker sent it back."""


class Refused(MessagingError):
    """The broker did not take responsibility for this message."""


class NoAnswer(MessagingError):
    """No answer came before the deadline."""


class LinkDown(MessagingError):
    """The connection is down; what was in flight may or may not have arrived."""


class ChannelClosed(LinkDown):
    """The broker closed the channel; what was in flight may or may not have arrived."""


class NotAllowed(ChannelClosed):
    """The broker does not allow this user to do this."""


class NotFound(ChannelClosed):
    """The queue or exchange does not exist."""


class Mismatch(ChannelClosed):
    """The queue or exchange exists with other properties."""


OnDelivery: TypeAlias = Callable[[Delivery], None]
OnReturn: TypeAlias = Callable[[Return], None]


class Channel(Protocol):
    """A conversation with the broker. Once closed, every method raises LinkDown or a kind of it."""

    @property
    def closed(self) -> asyncio.Future[MessagingError]:
        """Done, with the reason, when the channel is gone, also when a consumer was cancelled by
        the broker. Wait for it under asyncio.shield or with asyncio.wait: it is shared."""
        ...

    def publish(self, message: Message) -> asyncio.Future[None]:
        """On a confirming channel: writes at once, in the order of the calls; done when the broker
        took responsibility, fails with Returned or Refused. Cancelling it disturbs no other."""
        ...

    def send(self, message: Message) -> None:
        """On a channel without confirms: writes at once; returned messages go to `on_return`."""
        ...

    async def consume(self, queue: str, on_delivery: OnDelivery, *, acks: bool = True) -> str:
        """Delivers in order, by plain calls, from now on; returns the consumer's tag."""
        ...

    async def cancel(self, consumer: str) -> None: ...

    async def get(self, queue: str) -> Delivery | None:
        """One message, to be acked or nacked, or None when the queue is empty."""
        ...

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """`multiple`: this delivery and all before it on this channel."""
        ...

    def nack(self, tag: int, *, requeue: bool, multiple: bool = False) -> None:
        """Not handled: back to its place in the queue, or dead-lettered."""
        ...

    async def declare_exchange(self, exchange: Exchange) -> None:
        """Durable. Idempotent; raises Mismatch when it exists with another type."""
        ...

    async def declare_queue(self, queue: Queue) -> None:
        """Durable. Idempotent; raises Mismatch when it exists with other arguments."""
        ...

    async def bind(self, binding: Binding) -> None: ...

    async def unbind(self, binding: Binding) -> None: ...

    async def purge(self, queue: str) -> int:
        """Removes what waits; returns how many messages that were."""
        ...

    async def delete_queue(self, queue: str) -> None: ...

    async def delete_exchange(self, exchange: str) -> None: ...

    def drop(self, reason: MessagingError) -> None:
        """Ends the channel at once, for this reason; whatever is in flight fails with it. A broker
        that does not even agree to that loses the connection."""
        ...

    async def close(self) -> None:
        """Ends the channel; unacked deliveries go back to their queues."""
        ...


class Connection(Protocol):
    @property
    def user(self) -> str:
        """The user the broker knows this connection by; the only user_id it may send."""
        ...

    @property
    def blocked(self) -> str:
        """Why the broker takes no messages at the moment (memory, disk), or ""."""
        ...

    @property
    def closed(self) -> asyncio.Future[MessagingError]:
        """Done, with the reason, when the connection is gone. Shared: never cancel it."""
        ...

    async def channel(
        self, *, confirms: bool, prefetch: int, on_return: OnReturn | None = None
    ) -> Channel:
        """Opens a channel. `prefetch`: unacked deliveries at most, 0 for no limit. `on_return` is
        called for returned messages when there are no confirms to carry them."""
        ...

    def drop(self, reason: MessagingError) -> None:
        """Ends a connection whose other side does not answer, without a word."""
        ...

    async def close(self) -> None: ...


class Broker(Protocol):
    """Where to connect, and as whom."""

    async def connect(self, name: str) -> Connection:
        """Opens one connection, shown to operators under `name`. Raises LinkDown, or NotAllowed
        when user or password are wrong."""
        ...
