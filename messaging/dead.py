"""The dead-letter queue: messages that cannot be handled, kept with the reason for operators."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from contracts.topology import DEAD, DEAD_QUEUE
from messaging.channel import Channel, Delivery, Headers, HeaderValue, Message
from messaging.clock import Clock
from messaging.consumer import Bad, Park
from messaging.foreign import legible, writable
from messaging.publisher import Publisher

LARGEST = 1024 * 1024
"""Bytes of a body that are kept."""
LONGEST_TEXT = 1000
"""Bytes of the reason."""
LOOKED_THROUGH = 1_000
"""So many of the oldest letters are looked at, and can be put back or away."""

CODE, TEXT, QUEUE, EXCHANGE, KEY, USER, TIME, SIZE = (
    f"comptoir-{name}"
    for name in ("code", "text", "queue", "exchange", "key", "user", "time", "size")
)
OWN_HEADERS = (CODE, TEXT, QUEUE, EXCHANGE, KEY, USER, TIME, SIZE)
DELIVERIES = "x-delivery-count"
BROKER_HEADERS = ("x-death", "x-first-death-", "x-last-death-", DELIVERIES)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message of the dead queue, as operators see it.

    `id` names it as long as it stays there. `code` is the consumer's reason, or the broker's own
    (`delivery_limit`, `expired`, `maxlen`). `size` is the body's before it was cut to LARGEST.
    """

    id: str
    code: str
    text: str
    queue: str
    exchange: str
    key: str
    user_id: str | None
    time: str
    size: int
    body: bytes
    content_encoding: str | None
    headers: Headers

    @property
    def complete(self) -> bool:
        return self.size == len(self.body)


class DeadLetters:
    """Parks deliveries in comptoir.dead; the routing key is the queue they came from."""

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock

    async def park(self, queue: str, delivery: Delivery, bad: Bad) -> None:
        """Returns when the broker confirmed the copy. Raises LinkDown, Returned, Refused."""
        time = self._clock.now().isoformat(timespec="milliseconds")
        await self._publisher.publish(dead_letter(queue, delivery, bad, time))

    def of(self, queue: str) -> Park:
        """`park` for one queue, as consumers and responders take it."""
        return partial(self.park, queue)


def dead_letter(queue: str, delivery: Delivery, bad: Bad, time: str) -> Message:
    """The copy that is kept: the body as it was, its headers as far as they can be written again,
    and the reason beside them."""
    reason: Headers = {
        CODE: bad.code,
        TEXT: legible(bad.text, LONGEST_TEXT),
        QUEUE: queue,
        EXCHANGE: delivery.exchange,
        KEY: delivery.key,
        USER: delivery.user_id or "",
        TIME: time,
        SIZE: len(delivery.body),
    }
    return Message(
        delivery.body[:LARGEST],
        DEAD,
        queue,
        headers={**writable(_senders(delivery.headers)), **reason},
        content_encoding=delivery.content_encoding,
        type=delivery.type,
    )


async def peek(channel: Channel, limit: int) -> list[DeadLetter]:
    """The oldest dead letters, LOOKED_THROUGH at most; they stay where they are, but may change places."""
    async with _taken(channel, limit) as taken:
        return [letter async for letter, _ in taken]


async def count_codes(channel: Channel) -> Counter[str]:
    """Why how many of the oldest LOOKED_THROUGH dead letters could not be handled; they stay, as with `peek`."""
    async with _taken(channel, LOOKED_THROUGH) as taken:
        return Counter([letter.code async for letter, _ in taken])


async def find(channel: Channel, dead_id: str) -> DeadLetter | None:
    """One of the oldest LOOKED_THROUGH dead letters, or None; it stays where it is."""
    async with _taken(channel) as taken:
        found = await _search(taken, dead_id)
        return found and found[0]


async def reinject(channel: Channel, publisher: Publisher, dead_id: str) -> bool:
    """Publishes one dead letter where it came from, then removes it; False when `find` finds none.

    It keeps its original user, so the publisher's own needs RabbitMQ's tag `impersonator`. Raises
    Returned, Refused, LinkDown; the dead letter is then still there. ValueError: it was cut.
    """
    async with _taken(channel) as taken:
        found = await _search(taken, dead_id)
        if found is None:
            return False
        letter, delivery = found
        if not letter.complete:
            raise ValueError(f"only {len(letter.body)} of {letter.size} bytes were kept")
        await publisher.publish(_original(letter, delivery))
        taken.ack()
        return True


async def remove(channel: Channel, dead_id: str) -> bool:
    """Puts one dead letter away for good; False when `find` finds none."""
    async with _taken(channel) as taken:
        found = await _search(taken, dead_id) is not None
        if found:
            taken.ack()
        return found


class _Taken:
    """The dead letters, oldest first, each held until the end; bodies are not kept."""

    def __init__(self, channel: Channel, limit: int) -> None:
        self._channel = channel
        self._limit = min(limit, LOOKED_THROUGH)
        self._held: list[int] = []

    async def __aiter__(self) -> AsyncIterator[tuple[DeadLetter, Delivery]]:
        while len(self._held) < self._limit:
            delivery = await self._channel.get(DEAD_QUEUE)
            if delivery is None:
                return
            self._held.append(delivery.tag)
            yield read_dead(delivery), delivery

    def ack(self) -> None:
        """Removes the one that was taken last."""
        self._channel.ack(self._held.pop())

    def put_back(self) -> None:
        if self._held and not self._channel.closed.done():
            self._channel.nack(self._held[-1], requeue=True, multiple=True)


@asynccontextmanager
async def _taken(channel: Channel, limit: int = LOOKED_THROUGH) -> AsyncIterator[_Taken]:
    taken = _Taken(channel, limit)
    try:
        yield taken
    finally:
        taken.put_back()


async def _search(taken: _Taken, dead_id: str) -> tuple[DeadLetter, Delivery] | None:
    async for letter, delivery in taken:
        if letter.id == dead_id:
            return letter, delivery
    return None


def read_dead(delivery: Delivery) -> DeadLetter:
    """What a consumer parked, or the broker dead-lettered by itself.

    The broker tells a death of its own, and then what stands in our headers is the sender's word, not ours (I10).
    """
    headers = {name: value for name, value in delivery.headers.items() if name != DELIVERIES}
    death = _death(headers)
    ours = {} if death else {name: headers.get(name) for name in OWN_HEADERS}
    size = ours.get(SIZE)
    return DeadLetter(
        id=hashlib.sha256(repr(sorted(headers.items())).encode() + delivery.body).hexdigest()[:16],
        code=_text(ours.get(CODE) or death.get("reason")) or "unknown",
        text=_text(ours.get(TEXT)),
        queue=_text(ours.get(QUEUE) or death.get("queue")),
        exchange=_text(ours.get(EXCHANGE, death.get("exchange"))),
        key=_text(ours.get(KEY, _first(death.get("routing-keys")))) or delivery.key,
        user_id=_text(ours.get(USER, delivery.user_id)) or None,
        time=_text(ours.get(TIME) or death.get("time")),
        size=size if isinstance(size, int) else len(delivery.body),
        body=delivery.body,
        content_encoding=delivery.content_encoding,
        headers=headers,
    )


def _original(letter: DeadLetter, delivery: Delivery) -> Message:
    """The message as it was published, without what was added on its way."""
    return Message(
        letter.body,
        letter.exchange,
        letter.key,
        headers=writable(_senders(letter.headers)),
        user_id=letter.user_id,
        correlation_id=delivery.correlation_id,
        content_encoding=letter.content_encoding,
        type=delivery.type,
    )


def _senders(headers: Headers) -> Headers:
    """Without what is the broker's or ours to say."""
    added = (*OWN_HEADERS, *BROKER_HEADERS)
    return {name: value for name, value in headers.items() if not name.startswith(added)}


def _death(headers: Headers) -> dict[str, HeaderValue]:
    """The broker lists the newest first; older ones may be the sender's invention."""
    match headers.get("x-death"):
        case [dict(death), *_]:
            return death
        case _:
            return {}


def _first(values: HeaderValue) -> HeaderValue:
    return values[0] if isinstance(values, list) and values else None


def _text(value: HeaderValue) -> str:
    return "" if value is None else str(value)
