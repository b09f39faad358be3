"""A channel to RabbitMQ: the library's channel for opening, methods with answers and closing.

The library's own ways of delivering (a task per message), of returning (bodies in its log, returns
without confirms lost) and of confirming (a cancelled publish is forgotten with a warning) are not
what this system needs: what the broker tells comes here by messaging.amqp_inbound.
"""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import takewhile
from typing import TypeVar

from aiormq.abc import ChannelFrame
from aiormq.channel import Channel as LibraryChannel
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from pamqp import commands
from pamqp.common import FieldValue

from contracts.topology import Binding, Exchange, Queue
from messaging.amqp_errors import read_failure
from messaging.amqp_frames import (
    read_confirm,
    read_delivery,
    read_got,
    read_return,
    write_ack,
    write_message,
    write_nack,
)
from messaging.amqp_inbound import Transport
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
from messaging.failures import fail

T = TypeVar("T")

ANSWER_TIMEOUT = 10.0
"""Seconds the broker has for declaring, consuming and the like."""


class AmqpChannel:
    """messaging.channel.Channel over RabbitMQ. Made by AmqpConnection.channel."""

    def __init__(
        self,
        wire: LibraryChannel,
        transport: Transport,
        on_return: OnReturn | None,
        until_silent: Callable[[asyncio.Task[None]], Coroutine[None, None, None]],
    ) -> None:
        self._wire = wire
        self._transport = transport
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
        transport.listen(wire.number, self)
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
        return read_got(got.delivery, got.header, got.body)

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        self.write(write_ack(self._wire.number, tag, multiple=multiple))

    def nack(self, tag: int, *, requeue: bool, multiple: bool = False) -> None:
        self.write(write_nack(self._wire.number, tag, multiple=multiple, requeue=requeue))

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

    async def declare_temporary(self, longest_bytes: int) -> str:
        """A queue for this connection alone, gone with it; with more than `longest_bytes` waiting the
        oldest give way. Returns the name the broker made."""
        arguments: dict[str, FieldValue] = {
            "x-queue-type": "classic",
            "x-max-length-bytes": longest_bytes,
            "x-overflow": "drop-head",
        }
        declared = await self._answered(
            self._wire.queue_declare("", exclusive=True, auto_delete=True, arguments=arguments)
        )
        return str(declared.queue)

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

    def write(self, frames: bytes) -> None:
        """Sends frames for this channel as they are, after what the library still has to write."""
        if self._closed.done():
            reason = self._closed.result()
            raise type(reason)(reason.reason)
        waiting = self._wire.write_queue
        if waiting.empty():
            self._transport.write(frames)
        else:
            waiting.put_nowait(ChannelFrame(payload=frames, should_close=False))

    def hear_delivery(self, method: bytes, header: bytes, body: bytes) -> None:
        if self._closed.done():
            return
        tag, delivery = read_delivery(method, header, body)
        consumer = self._consumers.get(tag)
        if consumer is not None:
            consumer(delivery)

    def hear_return(self, method: bytes, header: bytes) -> None:
        number, returned = read_return(method, header)
        if self._wire.publisher_confirms:
            self._returns[number] = returned
        elif self._on_return is not None:
            self._on_return(returned)

    def hear_confirm(self, method: bytes, *, acked: bool) -> None:
        last, many = read_confirm(method)
        tags = list(takewhile(last.__ge__, self._unconfirmed)) if many else [last]
        for tag in tags:
            self._settle(tag, acked=acked)

    def _settle(self, tag: int, *, acked: bool) -> None:
        confirmed = self._unconfirmed.pop(tag, None)
        returned = self._returns.pop(tag, None)
        if confirmed is None or confirmed.done():
            return
        if returned is not None:
            fail(confirmed, Returned(f"{returned.exchange!r} {returned.key!r}: {returned.reason}"))
        elif acked:
            confirmed.set_result(None)
        else:
            fail(confirmed, Refused())

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
            fail(future, type(reason)(reason.reason))


async def _never(message: object) -> None:
    """The library wants a callback for each consumer; deliveries come past it."""
