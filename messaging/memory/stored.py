"""A message in a queue, and the marks it gets when it dies there."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from contracts.topology import QueueKind
from messaging.channel import Delivery, Headers, HeaderValue, Message

Death: TypeAlias = Literal["rejected", "expired", "maxlen", "delivery_limit"]


@dataclass(slots=True)
class Stored:
    """`seq` is its place in the queue; `returns` counts how often it came back unhandled. `damaged`: a property
    cannot be decoded by whom it is delivered to."""

    message: Message
    seq: int
    expires_at: float | None
    redelivered: bool = False
    returns: int = 0
    damaged: bool = False

    def delivery(self, tag: int, kind: QueueKind) -> Delivery:
        message = self.message
        if self.damaged:
            return Delivery(
                message.body, message.exchange, message.key, tag, self.redelivered, damaged=True
            )
        counted: Headers = {"x-delivery-count": self.returns} if self.returns else {}
        return Delivery(
            message.body,
            message.exchange,
            message.key,
            tag,
            self.redelivered,
            message.user_id,
            message.correlation_id,
            message.expiration_ms,
            {**message.headers, **counted} if kind == "quorum" else message.headers,
            message.content_encoding,
            message.type,
        )


def bury(message: Message, queue: str, reason: Death, exchange: str, now: float) -> Message:
    """The message as it goes to the dead-letter exchange: the newest death first, each counted."""
    deaths = message.headers.get("x-death")
    known = (
        [death for death in deaths if isinstance(death, dict)] if isinstance(deaths, list) else []
    )
    same = [death for death in known if (death["queue"], death["reason"]) == (queue, reason)]
    entry: dict[str, HeaderValue] = {
        "count": 1,
        "reason": reason,
        "queue": queue,
        "time": datetime.fromtimestamp(now, UTC),
        "exchange": message.exchange,
        "routing-keys": [message.key],
    }
    if same:
        count = same[0]["count"]
        entry = {**same[0], "count": count + 1 if isinstance(count, int) else 1}
    others = [death for death in known if death not in same]
    first: Headers = {
        "x-first-death-reason": reason,
        "x-first-death-queue": queue,
        "x-first-death-exchange": message.exchange,
    }
    headers: Headers = {**first, **message.headers, "x-death": [entry, *others]}
    return replace(message, exchange=exchange, headers=headers, expiration_ms=None)
