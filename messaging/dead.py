"""The dead-letter queue: messages that cannot be handled, kept with the reason for operators."""

import hashlib
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
        headers={**writable(delivery.headers), **reason},
        content_encoding=delivery.content_encoding,
        type=delivery.type,
    )


async def peek(channel: Channel, limit: int) -> list[DeadLetter]:
    """The oldest dead letters; they stay where they are."""
    seen: list[Delivery] = []
    while len(seen) < limit and (delivery := await channel.get(DEAD_QUEUE)) is not None:
        seen.append(delivery)
    _put_back(channel, seen)
    return [read_dead(delivery) for delivery in seen]


async def reinject(channel: Channel, publisher: Publisher, dead_id: str) -> bool:
    """Publishes one dead letter where it came from, then removes it; False when it is not there.

    It keeps its original user, so the publisher's own needs RabbitMQ's tag `impersonator`. Raises
    Returned, Refused, LinkDown; the dead letter is then still there. ValueError: it was cut.
    """
    seen: list[Delivery] = []
    try:
        while (delivery := await channel.get(DEAD_QUEUE)) is not None:
            letter = read_dead(delivery)
            if letter.id == dead_id:
                break
            seen.append(delivery)
        else:
            return False
        seen.append(delivery)
        if not letter.complete:
            raise ValueError(f"only {len(letter.body)} of {letter.size} bytes were kept")
        await publisher.publish(_original(letter, delivery))
        channel.ack(seen.pop().tag)
        return True
    finally:
        _put_back(channel, seen)


def read_dead(delivery: Delivery) -> DeadLetter:
    """What a consumer parked, or the broker dead-lettered by itself."""
    headers = {name: value for name, value in delivery.headers.items() if name != DELIVERIES}
    death = _first_death(headers)
    size = headers.get(SIZE)
    return DeadLetter(
        id=hashlib.sha256(repr(sorted(headers.items())).encode() + delivery.body).hexdigest()[:16],
        code=_text(headers.get(CODE) or death.get("reason")) or "unknown",
        text=_text(headers.get(TEXT)),
        queue=_text(headers.get(QUEUE) or death.get("queue")),
        exchange=_text(headers.get(EXCHANGE, death.get("exchange"))),
        key=_text(headers.get(KEY, _first(death.get("routing-keys")))) or delivery.key,
        user_id=_text(headers.get(USER, delivery.user_id)) or None,
        time=_text(headers.get(TIME) or death.get("time")),
        size=size if isinstance(size, int) else len(delivery.body),
        body=delivery.body,
        content_encoding=delivery.content_encoding,
        headers=headers,
    )


def _original(letter: DeadLetter, delivery: Delivery) -> Message:
    """The message as it was published, without what was added on its way."""
    added = (*OWN_HEADERS, *BROKER_HEADERS)
    return Message(
        letter.body,
        letter.exchange,
        letter.key,
        headers=writable({n: v for n, v in letter.headers.items() if not n.startswith(added)}),
        user_id=letter.user_id,
        correlation_id=delivery.correlation_id,
        content_encoding=letter.content_encoding,
        type=delivery.type,
    )


def _first_death(headers: Headers) -> dict[str, HeaderValue]:
    """The broker lists the newest first; where the message came from is the oldest."""
    match headers.get("x-death"):
        case [*_, dict(death)]:
            return death
        case _:
            return {}


def _first(values: HeaderValue) -> HeaderValue:
    return values[0] if isinstance(values, list) and values else None


def _text(value: HeaderValue) -> str:
    return "" if value is None else str(value)


def _put_back(channel: Channel, seen: list[Delivery]) -> None:
    if seen and not channel.closed.done():
        channel.nack(seen[-1].tag, requeue=True, multiple=True)
