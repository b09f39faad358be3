"""Handling a queue strictly in order, in batches, with one ack for many."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import structlog

from messaging.channel import Channel, Connection, Delivery, MessagingError
from messaging.failures import describe
from messaging.observer import Event, Observer, Outcome, ignore
from messaging.pause import Pauses

PAUSES = Pauses(first=0.1, longest=5.0)

_log = structlog.get_logger("consumer")


class Transient(Exception):
    """The message cannot be handled now, through no fault of its own; try again later."""


@dataclass(frozen=True, slots=True)
class Bad:
    """Why a message can never be handled: `code` in one word, `text` for people."""

    code: str
    text: str


DAMAGED = Bad("malformed", "a property of the message cannot be decoded (not UTF-8?)")

Handle: TypeAlias = Callable[[Sequence[Delivery]], Awaitable[Sequence[Bad | None]]]
"""Handles a batch, in order; answers one None (handled) or Bad (to be parked) per delivery."""

Park: TypeAlias = Callable[[Delivery, Bad], Awaitable[None]]
"""Puts a bad delivery aside, durably, before its original is acked (`DeadLetters.of(queue)`, or a
till's own quarantine: tills may not write to comptoir.dead)."""


class OrderedConsumer:
    """A role: one batch at a time; deliveries are acked after `handle` returned.

    Transient, OSError, TimeoutError, MessagingError and the exceptions in `transient` pause, longer
    each time, and the same batch is handled again. Any other exception: the batch is handled one by
    one, and a delivery that fails alone `patience` times is parked with the code `failed`. When the
    channel is lost meanwhile, the batch is left to its redelivery: handling must be idempotent.
    """

    def __init__(
        self,
        queue: str,
        handle: Handle,
        park: Park,
        *,
        rng: random.Random,
        batch: int = 64,
        prefetch: int = 256,
        patience: int = 3,
        transient: tuple[type[Exception], ...] = (),
        observer: Observer = ignore,
    ) -> None:
        self.name = queue
        self._handle = handle
        self._park = park
        self._rng = rng
        self._batch = batch
        self._prefetch = prefetch
        self._patience = patience
        expected = (Transient, OSError, TimeoutError, MessagingError)
        self._transient: tuple[type[Exception], ...] = (*expected, *transient)
        self._observer = observer
        self._inbox: _Inbox | None = None
        self._attached = asyncio.Event()

    async def attach(self, connection: Connection) -> Channel:
        channel = await connection.channel(confirms=False, prefetch=self._prefetch)
        self._inbox = inbox = _Inbox(channel)
        await channel.consume(self.name, inbox.put)
        self._attached.set()
        return channel

    def detach(self, reason: MessagingError) -> None:
        self._attached.clear()
        if self._inbox is not None:
            self._inbox.close()
        self._inbox = None

    async def wait_attached(self) -> None:
        """Returns when the queue is being consumed."""
        await self._attached.wait()

    async def run(self) -> None:
        while True:
            await self._attached.wait()
            if (inbox := self._inbox) is None:
                continue
            while batch := await inbox.take(self._batch):
                await self._settle(inbox, batch)
            await inbox.detached.wait()

    async def _settle(self, inbox: "_Inbox", batch: Sequence[Delivery]) -> None:
        """Handles a batch until it is done, or lost with its channel; then acks it."""
        attempt = 1
        while not inbox.closed:
            try:
                verdicts = await self._judge(batch)
            except self._transient as error:
                self._note(batch, "retry", attempt, error)
            except Exception as error:
                if len(batch) > 1:
                    for delivery in batch:
                        await self._settle(inbox, [delivery])
                    return
                self._note(batch, "failed", attempt, error)
                if attempt >= self._patience:
                    verdicts = [Bad("failed", describe(error))]
                    await self._finish(inbox, batch, verdicts, attempt)
                    return
            else:
                await self._finish(inbox, batch, verdicts, attempt)
                return
            attempt += 1
            await inbox.pause(PAUSES.before(attempt, self._rng))

    async def _judge(self, batch: Sequence[Delivery]) -> Sequence[Bad | None]:
        """One verdict per delivery; damaged ones do not reach the handler."""
        sound = [delivery for delivery in batch if not delivery.damaged]
        answers = list(await self._handle(sound)) if sound else []
        if len(answers) != len(sound):
            raise ValueError(f"{len(answers)} verdicts for {len(sound)} deliveries")
        verdicts = iter(answers)
        return [DAMAGED if delivery.damaged else next(verdicts) for delivery in batch]

    async def _finish(
        self,
        inbox: "_Inbox",
        batch: Sequence[Delivery],
        verdicts: Sequence[Bad | None],
        attempt: int,
    ) -> None:
        for delivery, bad in zip(batch, verdicts, strict=True):
            if bad is not None:
                await self._put_aside(inbox, delivery, bad)
            if inbox.closed:
                return
            outcome: Outcome = "ok" if bad is None else "parked"
            self._observer(Event("handled", outcome, delivery, self.name, attempt))
        inbox.ack(batch)

    async def _put_aside(self, inbox: "_Inbox", delivery: Delivery, bad: Bad) -> None:
        """Parks one delivery, until that succeeds or the channel is lost.

        One that cannot be parked as it came is parked without what its sender wrote around the
        body; not even so, it is left to the broker's own dead-lettering.
        """
        attempt, bare = 1, False
        while not inbox.closed:
            try:
                await self._park(delivery, bad)
            except self._transient as error:
                self._note([delivery], "retry", attempt, error)
            except Exception as error:
                self._note([delivery], "failed", attempt, error)
                if bare:
                    inbox.reject(delivery)
                    return
                delivery, bare = _bare(delivery), True
                continue
            else:
                _log.warning(
                    "message parked", action="parked", queue=self.name, code=bad.code, text=bad.text
                )
                return
            attempt += 1
            await inbox.pause(PAUSES.before(attempt, self._rng))

    def _note(
        self, batch: Sequence[Delivery], outcome: Outcome, attempt: int, error: Exception
    ) -> None:
        """Tells once in words, and each time to the observer. Never the body."""
        if attempt == 1 or outcome == "failed":
            _log.warning(
                "handling failed, will be tried again",
                action="handling_failed",
                queue=self.name,
                error=describe(error),
                deliveries=len(batch),
            )
        for delivery in batch:
            self._observer(Event("handled", outcome, delivery, self.name, attempt))


def _bare(delivery: Delivery) -> Delivery:
    return replace(delivery, headers={}, type=None, content_encoding=None, correlation_id=None)


class _Inbox:
    """What one channel delivered and nobody has handled yet."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: deque[Delivery] = deque()
        self._changed = asyncio.Event()
        self._rejected: set[int] = set()
        self.detached = asyncio.Event()

    @property
    def closed(self) -> bool:
        """What is in it then will be delivered again."""
        return self.detached.is_set() or self._channel.closed.done()

    def put(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        self._changed.set()

    def close(self) -> None:
        self.detached.set()
        self._changed.set()

    async def take(self, most: int) -> list[Delivery]:
        """What has arrived, in order, at least one; none at all once closed."""
        while not self._waiting and not self.closed:
            self._changed.clear()
            await self._changed.wait()
        if self.closed:
            return []
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def ack(self, batch: Sequence[Delivery]) -> None:
        """Acks a batch, but for what was rejected. On a lost channel nothing is to be done."""
        tags = [one.tag for one in batch if one.tag not in self._rejected]
        self._rejected.clear()
        if tags and not self.closed:
            self._channel.ack(tags[-1], multiple=True)

    def reject(self, delivery: Delivery) -> None:
        """Leaves a delivery to the broker: it dead-letters it."""
        if not self.closed:
            self._rejected.add(delivery.tag)
            self._channel.nack(delivery.tag, requeue=False)

    async def pause(self, seconds: float) -> None:
        """Waits, less when the channel is lost."""
        await asyncio.wait([self._channel.closed], timeout=seconds)
