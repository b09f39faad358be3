"""The broker's side of one channel: what it consumes, what is unacked, and by which rights."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from contracts.topology import Binding
from messaging.channel import (
    ChannelClosed,
    Delivery,
    LinkDown,
    Message,
    MessagingError,
    OnDelivery,
    Refused,
    Return,
    Returned,
)
from messaging.memory.queue import Consumer, MemoryQueue
from messaging.memory.stored import Stored

if TYPE_CHECKING:
    from messaging.memory.broker import MemoryBroker

NO_ROUTE = "NO_ROUTE"


class Client(Protocol):
    """What a session tells the other end; the calls arrive there later, in order."""

    def hand(self, on_delivery: OnDelivery, delivery: Delivery) -> None: ...

    def confirm(self, number: int, error: MessagingError | None) -> None: ...

    def give_return(self, note: Return) -> None: ...

    def end(self, reason: MessagingError) -> None: ...


@dataclass(eq=False, frozen=True, slots=True)
class Unacked:
    queue: MemoryQueue
    stored: Stored
    consumer: Consumer | None


class Session:
    """Methods raise MessagingError for what RabbitMQ closes a channel for."""

    def __init__(self, broker: "MemoryBroker", user: str, client: Client, prefetch: int) -> None:
        self.over = False
        self._broker = broker
        self._user = user
        self._client = client
        self._prefetch = prefetch
        self._tag = 0
        self._unacked: dict[int, Unacked] = {}
        self._consumers: dict[str, tuple[MemoryQueue, Consumer]] = {}

    def check(self, right: str, kind: str, name: str) -> None:
        self._broker.check(self._user, right, kind, name)

    def publish(self, message: Message, number: int | None) -> None:
        """`number`: to be confirmed under it."""
        routed, accepted = self._broker.publish(self._user, message)
        returned = message.mandatory and not routed
        if number is not None:
            self._client.confirm(number, _failure(message, returned, accepted))
        elif returned:
            self._client.give_return(
                Return(message.exchange, message.key, message.correlation_id, NO_ROUTE)
            )

    def consume(self, tag: str, name: str, on_delivery: OnDelivery, acks: bool) -> None:
        self.check("read", "queue", name)
        queue = self._broker.queue(name)

        def hand(stored: Stored) -> None:
            self._client.hand(on_delivery, self._hand_out(queue, stored, consumer, acks))

        consumer = Consumer(hand, self._queue_deleted, self._prefetch if acks else 0)
        self._consumers[tag] = queue, consumer
        queue.add(consumer)

    def cancel(self, tag: str) -> None:
        if (known := self._consumers.pop(tag, None)) is not None:
            queue, consumer = known
            queue.leave(consumer)
            queue.deliver()

    def get(self, name: str) -> Delivery | None:
        self.check("read", "queue", name)
        queue = self._broker.queue(name)
        if queue.spec.single_active_consumer:
            raise ChannelClosed(
                f"RESOURCE_LOCKED - cannot obtain access to locked queue '{name}': no basic.get"
                " with single active consumer"
            )
        stored = queue.take()
        return None if stored is None else self._hand_out(queue, stored, None, True)

    def ack(self, tag: int, multiple: bool) -> None:
        for queue, stored in _by_queue(self._need_unacked(tag, multiple)):
            queue.acked(stored)
            queue.deliver()

    def nack(self, tag: int, requeue: bool, multiple: bool) -> None:
        for queue, stored in _by_queue(self._need_unacked(tag, multiple)):
            if requeue:
                queue.give_back(stored)
            else:
                queue.reject(stored)
            queue.deliver()

    def bind(self, binding: Binding) -> None:
        self.check("write", "queue", binding.queue)
        self.check("read", "exchange", binding.exchange)
        self._broker.bind(binding)

    def leave(self) -> None:
        """Ends it: consumers go first, then what they held goes back, then others get it."""
        self.over = True
        consumed = [queue for queue, _ in self._consumers.values()]
        for queue, consumer in self._consumers.values():
            queue.leave(consumer)
        self._consumers.clear()
        returned = _by_queue(self._take_unacked(max(self._unacked, default=0), multiple=True))
        for queue, stored in returned:
            queue.give_back(stored)
        for queue in (*consumed, *(queue for queue, _ in returned)):
            queue.deliver()

    def _queue_deleted(self) -> None:
        self.leave()
        reason = "the broker ended the consumer: its queue was deleted or has moved"
        self._client.end(LinkDown(reason))

    def _hand_out(
        self, queue: MemoryQueue, stored: Stored, consumer: Consumer | None, acks: bool
    ) -> Delivery:
        self._tag += 1
        if acks:
            self._unacked[self._tag] = Unacked(queue, stored, consumer)
        else:
            queue.acked([stored])
        return stored.delivery(self._tag, queue.spec.kind)

    def _take_unacked(self, tag: int, *, multiple: bool) -> list[Unacked]:
        tags = [known for known in self._unacked if known <= tag] if multiple else [tag]
        taken = [self._unacked.pop(known) for known in tags if known in self._unacked]
        for unacked in taken:
            if unacked.consumer is not None:
                unacked.consumer.unacked -= 1
        return taken

    def _need_unacked(self, tag: int, multiple: bool) -> list[Unacked]:
        taken = self._take_unacked(tag, multiple=multiple)
        if not taken:
            raise ChannelClosed(f"PRECONDITION_FAILED - unknown delivery tag {tag}")
        return taken


def _failure(message: Message, returned: bool, accepted: bool) -> MessagingError | None:
    if returned:
        return Returned(f"{message.exchange!r} {message.key!r}: {NO_ROUTE}")
    return None if accepted else Refused()


def _by_queue(taken: Iterable[Unacked]) -> list[tuple[MemoryQueue, list[Stored]]]:
    found: dict[int, tuple[MemoryQueue, list[Stored]]] = {}
    for unacked in taken:
        found.setdefault(id(unacked.queue), (unacked.queue, []))[1].append(unacked.stored)
    return list(found.values())
