"""One queue: order, consumers, limits. Synchronous; it tells others through callbacks."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from contracts.topology import Queue
from messaging.channel import Message
from messaging.memory.stored import Death, Stored

Bury: TypeAlias = Callable[[Message, str, Death, str], None]
"""What becomes of a message that died: (message, queue, reason, dead-letter exchange)."""

Hand: TypeAlias = Callable[[Stored], None]


@dataclass(eq=False, slots=True)
class Consumer:
    """Somebody a queue delivers to, `prefetch` unacked messages at most (0: any number)."""

    hand: Hand
    ended: Callable[[], None]
    prefetch: int
    unacked: int = 0

    @property
    def has_room(self) -> bool:
        return self.prefetch == 0 or self.unacked < self.prefetch


@dataclass(frozen=True, slots=True)
class Limits:
    """What a policy says, in seconds, messages and bytes; None is no limit."""

    ttl: float | None = None
    length: int | None = None
    bytes: int | None = None
    returns: int | None = None
    rejects: bool = False
    dead_letter_exchange: str | None = None

    @classmethod
    def of(cls, definition: dict[str, str | int]) -> "Limits":
        def number(name: str) -> int | None:
            value = definition.get(name)
            return int(value) if value is not None else None

        ttl = number("message-ttl")
        graveyard = definition.get("dead-letter-exchange")
        return cls(
            None if ttl is None else ttl / 1000,
            number("max-length"),
            number("max-length-bytes"),
            number("delivery-limit"),
            definition.get("overflow") == "reject-publish",
            None if graveyard is None else str(graveyard),
        )


@dataclass(eq=False, slots=True)
class MemoryQueue:
    spec: Queue
    bury: Bury
    limits: Limits = Limits()
    ready: deque[Stored] = field(default_factory=deque)
    unacked: set[int] = field(default_factory=set)
    consumers: deque[Consumer] = field(default_factory=deque)
    _seq: int = 0
    _bytes: int = 0
    _timer: asyncio.TimerHandle | None = None

    def offer(self, message: Message, *, damaged: bool = False) -> bool:
        """Takes a message, unless the queue is full and refuses rather than drops."""
        if self.limits.rejects and self._over(1, len(message.body)):
            return False
        self._seq += 1
        self._push([Stored(message, self._seq, self._expiry(message), damaged=damaged)])
        while self.ready and self._over(0, 0):
            self._drop("maxlen")
        self.deliver()
        return True

    def take(self) -> Stored | None:
        """The next message, now unacked."""
        self._expire()
        return self._pop() if self.ready else None

    def acked(self, stored: Iterable[Stored]) -> None:
        for message in stored:
            self.unacked.discard(message.seq)

    def give_back(self, returned: Iterable[Stored]) -> None:
        """Puts unacked messages back to their places, those returned too often aside."""
        kept: list[Stored] = []
        for stored in returned:
            if stored.seq not in self.unacked:
                continue
            self.unacked.discard(stored.seq)
            stored.redelivered = True
            stored.returns += 1
            limit = self.limits.returns if self.spec.kind == "quorum" else None
            if limit is not None and stored.returns > limit:
                self._bury(stored, "delivery_limit")
            else:
                kept.append(stored)
        self._push(kept)

    def reject(self, rejected: Iterable[Stored]) -> None:
        for stored in rejected:
            if stored.seq in self.unacked:
                self.unacked.discard(stored.seq)
                self._bury(stored, "rejected")

    # Those who call these call `deliver` when all is in place again.

    def add(self, consumer: Consumer) -> None:
        self.consumers.append(consumer)
        self.deliver()

    def leave(self, consumer: Consumer) -> None:
        if consumer in self.consumers:
            self.consumers.remove(consumer)

    def purge(self) -> int:
        count = len(self.ready)
        self.ready.clear()
        self._bytes = 0
        return count

    def set_limits(self, limits: Limits) -> None:
        self.limits = limits
        for stored in self.ready:
            stored.expires_at = self._expiry(stored.message)
        self.deliver()

    def lose_transient(self) -> None:
        """A restart: unacked messages come back, and only quorum queues keep what was not
        persistent."""
        keeps_all = self.spec.kind == "quorum"
        kept = [s for s in self.ready if keeps_all or s.message.persistent]
        self.ready.clear()
        self._bytes = 0
        self._push(kept)

    def deliver(self) -> None:
        """Hands out what can be handed out, to each consumer in turn."""
        self._expire()
        while self.ready and (consumer := self._next_consumer()) is not None:
            consumer.unacked += 1
            consumer.hand(self._pop())
            self._expire()
        self._watch_head()

    def _next_consumer(self) -> Consumer | None:
        if self.spec.single_active_consumer:
            active = self.consumers[0] if self.consumers else None
            return active if active is not None and active.has_room else None
        for _ in range(len(self.consumers)):
            self.consumers.rotate(-1)
            if self.consumers[-1].has_room:
                return self.consumers[-1]
        return None

    def _pop(self) -> Stored:
        stored = self.ready.popleft()
        self._bytes -= len(stored.message.body)
        self.unacked.add(stored.seq)
        return stored

    def _push(self, arrived: list[Stored]) -> None:
        self._bytes += sum(len(stored.message.body) for stored in arrived)
        ahead = bool(self.ready and arrived and arrived[0].seq < self.ready[-1].seq)
        self.ready.extend(arrived)
        if ahead:
            self.ready = deque(sorted(self.ready, key=lambda stored: stored.seq))

    def _over(self, messages: int, size: int) -> bool:
        length, most = self.limits.length, self.limits.bytes
        too_many = length is not None and len(self.ready) + messages > length
        return too_many or (most is not None and self._bytes + size > most)

    def _drop(self, reason: Death) -> None:
        stored = self.ready.popleft()
        self._bytes -= len(stored.message.body)
        self._bury(stored, reason)

    def _bury(self, stored: Stored, reason: Death) -> None:
        if (exchange := self.limits.dead_letter_exchange) is not None:
            self.bury(stored.message, self.spec.name, reason, exchange)

    def _expiry(self, message: Message) -> float | None:
        own = None if message.expiration_ms is None else message.expiration_ms / 1000
        times = [seconds for seconds in (own, self.limits.ttl) if seconds is not None]
        return asyncio.get_running_loop().time() + min(times) if times else None

    def _expire(self) -> None:
        """Only the head of a queue expires, as in RabbitMQ."""
        now = asyncio.get_running_loop().time()
        while self.ready and (at := self.ready[0].expires_at) is not None and at <= now:
            self._drop("expired")

    def _watch_head(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.ready and (at := self.ready[0].expires_at) is not None:
            self._timer = asyncio.get_running_loop().call_at(at, self.deliver)
