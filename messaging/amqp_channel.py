"""A channel to RabbitMQ: the library's channel with its three receiving hooks replaced.

The library's own ways of delivering (a task per message), of returning (bodies in its log, returns
without confirms lost) and of confirming (a cancelled publish is forgotten with a warning) are not
what this system needs; framing, methods with answers and closing are.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeAlias, TypeVar

import pamqp.frame
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel as LibraryChannel
from aiormq.connection import Connection as LibraryConnection
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.common import FieldValue
from pamqp.header import ContentHeader

from contracts.topology import Binding, Exchange, Queue
from messaging.amqp_errors import read_failure
from messaging.amqp_frames import read_delivery, read_return, write_message
from messaging.channel import (
    Delivery,
    LinkDown,
    Message,
    MessagingError,
    OnDelivery,
    OnReturn,
    Refused,
    Return,
    Returned,
)

ConfirmFrame: TypeAlias = commands.Basic.Ack | commands.Basic.Nack | commands.Basic.Reject
T = TypeVar("T")

ANSWER_TIMEOUT = 10.0
"""Seconds the broker has for declaring, consuming and the like."""


class Wire(LibraryChannel):
    """The library's channel, handing what it receives to one AmqpChannel by plain calls."""

    def __init__(self, connection: LibraryConnection, number: int, *, confirms: bool) -> None:
        super().__init__(connection, number, publisher_confirms=confirms)
        self.deliver: Callable[[commands.Basic.Deliver, ContentHeader, bytes], None]
        self.returned: Callable[[commands.Basic.Return, ContentHeader], None]
        self.confirm: Callable[[ConfirmFrame], None]

    async def _on_deliver_frame(self, frame: commands.Basic.Deliver) -> None:
        self.deliver(frame, *await self._content())

    async def _on_return_frame(self, frame: commands.Basic.Return) -> None:
        header, _ = await self._content()
        self.returned(frame, header)

    async def _on_confirm_frame(self, frame: ConfirmFrame) -> None:
        self.confirm(frame)

    async def _content(self) -> tuple[ContentHeader, bytes]:
        header = await self._get_frame()
        if not isinstance(header, ContentHeader):
            raise TypeError(f"{header!r} where a content header should be")
        parts: list[bytes] = []
        missing = header.body_size
        while missing > 0:
            part = await self._get_frame()
            if not isinstance(part, ContentBody):
                raise TypeError(f"{part!r} where a body should be")
            parts.append(part.value)
            missing -= len(part.value)
        return header, parts[0] if len(parts) == 1 else b"".join(parts)


class AmqpChannel:
    """messaging.channel.Channel over RabbitMQ. Made by AmqpConnection.channel."""

    def __init__(
        self,
        wire: Wire,
        on_return: OnReturn | None,
        until_silent: Callable[[asyncio.Task[None]], Coroutine[None, None, None]],
    ) -> None:
        self._wire = wire
        self._on_return = on_return
        self._until_silent = until_silent
        self._closed: asyncio.Future[MessagingError] = asyncio.get_running_loop().create_future()
        self._consumers: dict[str, OnDelivery] = {}
        self._consumed = 0
        self._sent = 0
        self._unconfirmed: dict[int, asyncio.Future[None]] = {}
        self._returns: dict[int, Return] = {}
        self._closing: asyncio.Task[None] | None = None
        self._farewell: asyncio.Task[None] | None = None
        wire.deliver, wire.returned, wire.confirm = self._deliver, self._take_return, self._confirm
        wire.on_consumer_cancel_callbacks.add(self._consumer_cancelled)

    async def open(self, prefetch: int) -> None:
        """Opens it at the broker; the library frees its number when that fails."""
        self._wire.closing.add_done_callback(self._wire_closed)
        await self._answered(self._wire.open(timeout=ANSWER_TIMEOUT))
        if prefetch:
            await self._answered(self._wire.basic_qos(prefetch_count=prefetch))

    @property
    def closed(self) -> asyncio.Future[MessagingError]:
        return self._closed

    @property
    def number(self) -> int:
        """As in its frames."""
        return self._wire.number

    def publish(self, message: Message) -> asyncio.Future[None]:
        number, largest = self._wire.number, self._wire.max_content_size
        tag = self._sent + 1
        self.write(write_message(message, number, largest, message_id=str(tag)))
        self._sent = tag
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unconfirmed[tag] = confirmed
        return confirmed

    def send(self, message: Message) -> None:
        number, largest = self._wire.number, self._wire.max_content_size
        self.write(write_message(message, number, largest))

    async def consume(self, queue: str, on_delivery: OnDelivery, *, acks: bool = True) -> str:
        self._consumed += 1
        tag = f"{self._wire.number}.{self._consumed}"
        self._consumers[tag] = on_delivery
        await self._answered(
            self._wire.basic_consume(queue, _never, no_ack=not acks, consumer_tag=tag)
        )
        return tag

    async def cancel(self, consumer: str) -> None:
        await self._answered(self._wire.basic_cancel(consumer))
        self._consumers.pop(consumer, None)

    async def get(self, queue: str) -> Delivery | None:
        got = await self._answered(self._wire.basic_get(queue))
        if not isinstance(got.delivery, commands.Basic.GetOk):
            return None
        return read_delivery(got.delivery, got.header, got.body)

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        self._write_method(commands.Basic.Ack(delivery_tag=tag, multiple=multiple))

    def nack(self, tag: int, *, requeue: bool, multiple: bool = False) -> None:
        self._write_method(
            commands.Basic.Nack(delivery_tag=tag, multiple=multiple, requeue=requeue)
        )

    async def declare_exchange(self, exchange: Exchange) -> None:
        await self._answered(
            self._wire.exchange_declare(exchange.name, exchange_type=exchange.kind, durable=True)
        )

    async def declare_queue(self, queue: Queue) -> None:
        arguments: dict[str, FieldValue] = {"x-queue-type": queue.kind}
        if queue.single_active_consumer:
            arguments["x-single-active-consumer"] = True
        await self._answered(
            self._wire.queue_declare(queue.name, durable=True, arguments=arguments)
        )

    async def bind(self, binding: Binding) -> None:
        await self._answered(self._wire.queue_bind(binding.queue, binding.exchange, binding.key))

    async def unbind(self, binding: Binding) -> None:
        await self._answered(self._wire.queue_unbind(binding.queue, binding.exchange, binding.key))

    async def purge(self, queue: str) -> int:
        return (await self._answered(self._wire.queue_purge(queue))).message_count or 0

    async def delete_queue(self, queue: str) -> None:
        await self._answered(self._wire.queue_delete(queue))

    async def delete_exchange(self, exchange: str) -> None:
        await self._answered(self._wire.exchange_delete(exchange))

    async def close(self) -> None:
        self.drop(LinkDown("closed here"))
        if self._farewell is not None:
            await asyncio.shield(self._farewell)

    def drop(self, reason: MessagingError) -> None:
        self._end(reason)
        if self._farewell is None and not self._wire.is_closed:
            loop = asyncio.get_running_loop()
            # Not cancelled when it takes long: the library would then say farewell a second time,
            # which the broker takes for an error of the whole connection.
            self._closing = loop.create_task(self._wire.close())
            self._farewell = loop.create_task(self._until_silent(self._closing))

    async def _answered(self, answer: Coroutine[None, None, T]) -> T:
        """Waits for the broker's answer. An error there closes the channel, as AMQP wants it."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await answer
        except (AMQPError, ChannelInvalidStateError, TimeoutError) as error:
            failure = self._closed.result() if self._closed.done() else read_failure(error)
            self.drop(failure)
            raise type(failure)(failure.reason) from None

    def _write_method(self, method: commands.Basic.Ack | commands.Basic.Nack) -> None:
        self.write(pamqp.frame.marshal(method, self._wire.number))

    def write(self, frames: bytes) -> None:
        """Queues frames for this channel as they are."""
        if self._closed.done():
            reason = self._closed.result()
            raise type(reason)(reason.reason)
        self._wire.write_queue.put_nowait(ChannelFrame(payload=frames, should_close=False))

    def _deliver(self, frame: commands.Basic.Deliver, header: ContentHeader, body: bytes) -> None:
        consumer = self._consumers.get(frame.consumer_tag or "")
        if consumer is not None and not self._closed.done():
            consumer(read_delivery(frame, header, body))

    def _take_return(self, frame: commands.Basic.Return, header: ContentHeader) -> None:
        returned = read_return(frame, header)
        if self._wire.publisher_confirms:
            self._returns[int(header.properties.message_id or 0)] = returned
        elif self._on_return is not None:
            self._on_return(returned)

    def _confirm(self, frame: ConfirmFrame) -> None:
        last = frame.delivery_tag or 0
        many = not isinstance(frame, commands.Basic.Reject) and frame.multiple
        tags = [tag for tag in self._unconfirmed if tag <= last] if many else [last]
        for tag in tags:
            self._settle(tag, acked=isinstance(frame, commands.Basic.Ack))

    def _settle(self, tag: int, *, acked: bool) -> None:
        confirmed = self._unconfirmed.pop(tag, None)
        returned = self._returns.pop(tag, None)
        if confirmed is None or confirmed.done():
            return
        if returned is not None:
            confirmed.set_exception(
                Returned(f"{returned.exchange!r} {returned.key!r}: {returned.reason}")
            )
        elif acked:
            confirmed.set_result(None)
        else:
            confirmed.set_exception(Refused())

    def _consumer_cancelled(self, frame: commands.Basic.Cancel) -> None:
        self._consumers.pop(frame.consumer_tag or "", None)
        self.drop(LinkDown("the broker ended the consumer: its queue was deleted or has moved"))

    def _wire_closed(self, closing: asyncio.Future[object]) -> None:
        self._end(read_failure(None if closing.cancelled() else closing.exception()))

    def _end(self, reason: MessagingError) -> None:
        if self._closed.done():
            return
        self._closed.set_result(reason)
        waiting = [future for future in self._unconfirmed.values() if not future.done()]
        self._unconfirmed.clear()
        for future in waiting:
            future.set_exception(type(reason)(reason.reason))


async def _never(message: object) -> None:
    """The library wants a callback for each consumer; Wire delivers past it."""
