"""The client's side of a channel of the memory broker."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from contracts.topology import Binding, Exchange, Queue
from messaging.channel import (
    Delivery,
    LinkDown,
    Message,
    MessagingError,
    OnDelivery,
    OnReturn,
    Return,
)
from messaging.failures import fail
from messaging.memory.session import Session

if TYPE_CHECKING:
    from messaging.memory.connection import MemoryConnection

T = TypeVar("T")


class MemoryChannel:
    """messaging.channel.Channel. Its session does the work, as far as the pipes let it."""

    def __init__(
        self, connection: "MemoryConnection", prefetch: int, on_return: OnReturn | None
    ) -> None:
        self._connection = connection
        self._broker = connection.broker
        self._on_return = on_return
        self._closed: asyncio.Future[MessagingError] = asyncio.get_running_loop().create_future()
        self._unconfirmed: dict[int, asyncio.Future[None]] = {}
        self._answers: set[asyncio.Future[None]] = set()
        self._sent = 0
        self._consumed = 0
        self.session = Session(self._broker, connection.user, self, prefetch)

    async def open(self) -> None:
        await self._ask(lambda: None)

    @property
    def closed(self) -> asyncio.Future[MessagingError]:
        return self._closed

    def publish(self, message: Message) -> asyncio.Future[None]:
        self._check_open()
        self._sent += 1
        number = self._sent
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unconfirmed[number] = confirmed
        self._publish(message, number)
        return confirmed

    def send(self, message: Message) -> None:
        self._check_open()
        self._publish(message, None)

    async def consume(self, queue: str, on_delivery: OnDelivery, *, acks: bool = True) -> str:
        self._consumed += 1
        tag = f"consumer-{self._consumed}"
        await self._ask(lambda: self.session.consume(tag, queue, on_delivery, acks))
        return tag

    async def cancel(self, consumer: str) -> None:
        await self._ask(lambda: self.session.cancel(consumer))

    async def get(self, queue: str) -> Delivery | None:
        return await self._ask(lambda: self.session.get(queue))

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        self._check_open()
        self._tell(lambda: self.session.ack(tag, multiple))

    def nack(self, tag: int, *, requeue: bool, multiple: bool = False) -> None:
        self._check_open()
        self._tell(lambda: self.session.nack(tag, requeue, multiple))

    async def declare_exchange(self, exchange: Exchange) -> None:
        def declare() -> None:
            self.session.check("configure", "exchange", exchange.name)
            self._broker.declare_exchange(exchange)

        await self._ask(declare)

    async def declare_queue(self, queue: Queue) -> None:
        def declare() -> None:
            self.session.check("configure", "queue", queue.name)
            self._broker.declare_queue(queue)

        await self._ask(declare)

    async def bind(self, binding: Binding) -> None:
        await self._ask(lambda: self.session.bind(binding))

    async def unbind(self, binding: Binding) -> None:
        def unbind() -> None:
            self.session.check("write", "queue", binding.queue)
            self._broker.unbind(binding)

        await self._ask(unbind)

    async def purge(self, queue: str) -> int:
        def purge() -> int:
            self.session.check("read", "queue", queue)
            return self._broker.queue(queue).purge()

        return await self._ask(purge)

    async def delete_queue(self, queue: str) -> None:
        def delete() -> None:
            self.session.check("configure", "queue", queue)
            self._broker.delete_queue(queue)

        await self._ask(delete)

    async def delete_exchange(self, exchange: str) -> None:
        def delete() -> None:
            self.session.check("configure", "exchange", exchange)
            self._broker.delete_exchange(exchange)

        await self._ask(delete)

    def drop(self, reason: MessagingError) -> None:
        self._tell(self.session.leave)
        self.end_here(reason)

    async def close(self) -> None:
        self.drop(LinkDown("closed here"))

    # What the session tells

    def hand(self, on_delivery: OnDelivery, delivery: Delivery) -> None:
        def arrive() -> None:
            if not self._closed.done():
                on_delivery(delivery)

        self._connection.to_client(arrive)

    def confirm(self, number: int, error: MessagingError | None) -> None:
        def arrive() -> None:
            if (confirmed := self._unconfirmed.pop(number, None)) is not None:
                _settle(confirmed, error)

        self._connection.to_client(arrive)

    def give_return(self, note: Return) -> None:
        if (on_return := self._on_return) is not None:
            self._connection.to_client(lambda: on_return(note))

    def end(self, reason: MessagingError) -> None:
        self._connection.to_client(lambda: self.end_here(reason))

    def end_here(self, reason: MessagingError) -> None:
        """The client's side ends; whatever it waits for fails."""
        if self._closed.done():
            return
        self._closed.set_result(reason)
        self._connection.forget(self)
        for waiting in (*self._unconfirmed.values(), *self._answers):
            _settle(waiting, type(reason)(reason.reason))
        self._unconfirmed.clear()

    # On its way to the session

    def _check_open(self) -> None:
        if self._closed.done():
            reason = self._closed.result()
            raise type(reason)(reason.reason)

    def _publish(self, message: Message, number: int | None) -> None:
        def arrive() -> None:
            if self._broker.alarm:
                self._connection.block(arrive)
            else:
                self._do(lambda: self.session.publish(message, number))

        self._connection.to_broker(arrive)

    def _tell(self, act: Callable[[], None]) -> None:
        self._connection.to_broker(lambda: self._do(act))

    def _do(self, act: Callable[[], None]) -> None:
        """At the broker; an error there closes the channel."""
        if self.session.over:
            return
        try:
            act()
        except MessagingError as error:
            self.session.leave()
            self.end(error)

    async def _ask(self, act: Callable[[], T]) -> T:
        """Has the broker do something and waits for its answer."""
        self._check_open()
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        results: list[T] = []

        def do() -> None:
            results.append(act())
            self._connection.to_client(lambda: _settle(answered, None))

        self._answers.add(answered)
        self._tell(do)
        try:
            await answered
        finally:
            self._answers.discard(answered)
        return results[0]


def _settle(future: asyncio.Future[None], error: MessagingError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        fail(future, error)
