"""Answering questions: several at once, only those somebody still waits for."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from contracts.topology import REPLIES, reply_queue
from messaging.channel import (
    Channel,
    Connection,
    Delivery,
    Headers,
    Message,
    MessagingError,
)
from messaging.consumer import DAMAGED, Bad, Park
from messaging.failures import describe
from messaging.observer import Event, Observer, Outcome, ignore

PARK_AGAIN = 1.0
"""Seconds before a request that could not be parked goes back to its queue."""

FORGED = Bad("forged", "the broker does not vouch for the sender: no user_id")

_log = structlog.get_logger("responder")


@dataclass(frozen=True, slots=True)
class Reply:
    """What an `answer` sends back."""

    body: bytes
    content_encoding: str | None = None
    headers: Headers = field(default_factory=dict)
    type: str | None = None


class BadRequest(Exception):
    """The request can never be answered; it is parked with `code`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


Answer: TypeAlias = Callable[[Delivery], Awaitable[Reply | None]]
"""Answers one request, or with None leaves its asker to the deadline."""

Refuse: TypeAlias = Callable[[Delivery, Exception], Reply | None]
"""What the asker is told when `answer` raised; None tells nothing."""


@dataclass(frozen=True, slots=True)
class _Request:
    channel: Channel
    delivery: Delivery
    arrived: float

    def left(self, now: float) -> float | None:
        """Seconds its asker still waits, at most: what it waited in the queue is not known here."""
        limit = self.delivery.expiration_ms
        return None if limit is None else limit / 1000 - (now - self.arrived)


@dataclass(frozen=True, slots=True)
class _Done:
    """A request that was dealt with, and what its asker is told, if anything."""

    outcome: Outcome
    reply: Reply | None = None


class Responder:
    """A role that answers, `concurrency` requests at a time.

    The answer goes to the queue of the user the broker vouched for, never where the message says.
    A request without user_id is parked as `forged`. A request whose time ran out while it waited
    here is not executed. A request is acked when it is executed, on the channel that carries the answer and just
    before it: prefetch limits what one process takes, one that dies leaves its requests to another within their
    expiration, so that questions must bear being executed twice; but not once an answer has come.
    """

    def __init__(
        self,
        queue: str,
        answer: Answer,
        park: Park,
        *,
        concurrency: int = 16,
        refuse: Refuse | None = None,
        observer: Observer = ignore,
    ) -> None:
        self.name = queue
        self._answer = answer
        self._park = park
        self._concurrency = concurrency
        self._refuse = refuse
        self._observer = observer
        self._waiting: deque[_Request] = deque()
        self._busy = 0
        self._user: str | None = None
        self._group: asyncio.TaskGroup | None = None
        self._attached = asyncio.Event()

    async def wait_attached(self) -> None:
        """Returns when the queue is being consumed."""
        await self._attached.wait()

    async def attach(self, connection: Connection) -> Channel:
        channel = await connection.channel(confirms=False, prefetch=2 * self._concurrency)
        self._user = connection.user
        loop = asyncio.get_running_loop()

        def take(delivery: Delivery) -> None:
            self._waiting.append(_Request(channel, delivery, loop.time()))
            self._begin()

        await channel.consume(self.name, take)
        self._attached.set()
        return channel

    def detach(self, reason: MessagingError) -> None:
        self._attached.clear()
        self._waiting.clear()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as self._group:
                self._begin()
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None

    def _begin(self) -> None:
        while self._group is not None and self._waiting and self._busy < self._concurrency:
            self._busy += 1
            self._group.create_task(self._serve(self._waiting.popleft()))

    async def _serve(self, request: _Request) -> None:
        try:
            done = await self._deal_with(request)
            if done is None:
                request.channel.nack(request.delivery.tag, requeue=True)
            else:
                request.channel.ack(request.delivery.tag)
                self._send(request, done.reply)
                self._observe(request, done.outcome)
        except MessagingError:
            self._observe(request, "link_down")
        except (
            Exception
        ) as error:  # of the callbacks; it must not end the others, nor keep its place in the queue
            self._log_failure("callback_failed", error)
            with contextlib.suppress(MessagingError):
                request.channel.nack(request.delivery.tag, requeue=False)
        finally:
            self._busy -= 1
            self._begin()

    async def _deal_with(self, request: _Request) -> _Done | None:
        """What is to be answered; None of a request that could not be parked, and is not done with."""
        delivery = request.delivery
        if delivery.damaged:
            return await self._put_aside(request, DAMAGED)
        if delivery.user_id is None:
            return await self._put_aside(request, FORGED)
        left = request.left(asyncio.get_running_loop().time())
        if left is not None and left <= 0:
            return _Done("expired")
        try:
            reply = await self._answer(delivery)
        except BadRequest as error:
            return await self._put_aside(
                request, Bad(error.code, error.text), self._refusal(delivery, error)
            )
        except Exception as error:
            self._log_failure("answer_failed", error)
            return _Done("failed", self._refusal(delivery, error))
        return _Done("ok", reply)

    def _refusal(self, delivery: Delivery, error: Exception) -> Reply | None:
        return None if self._refuse is None else self._refuse(delivery, error)

    def _send(self, request: _Request, reply: Reply | None) -> None:
        """To the asker's own queue, if it is there and somebody still waits."""
        left = request.left(asyncio.get_running_loop().time())
        if reply is None or request.delivery.user_id is None or (left is not None and left <= 0):
            return
        message = Message(
            reply.body,
            REPLIES,
            reply_queue(request.delivery.user_id),
            mandatory=False,
            persistent=False,
            user_id=self._user,
            correlation_id=request.delivery.correlation_id,
            expiration_ms=None if left is None else max(1, int(left * 1000)),
            headers=reply.headers,
            content_encoding=reply.content_encoding,
            type=reply.type,
        )
        request.channel.send(message)
        self._observer(Event("sent", "ok", message, self.name))

    async def _put_aside(
        self, request: _Request, bad: Bad, refusal: Reply | None = None
    ) -> _Done | None:
        try:
            await self._park(request.delivery, bad)
        except MessagingError:
            await asyncio.sleep(PARK_AGAIN)
            return None
        sender = request.delivery.user_id
        _log.warning(
            "request parked", action="parked", queue=self.name, code=bad.code, sender=sender
        )
        return _Done("parked", refusal)

    def _log_failure(self, action: str, error: Exception) -> None:
        _log.error("answering failed", action=action, queue=self.name, error=describe(error))

    def _observe(self, request: _Request, outcome: Outcome) -> None:
        self._observer(Event("answered", outcome, request.delivery, self.name))
