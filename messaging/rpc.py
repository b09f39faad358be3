"""Asking questions: many at once, each with its own deadline."""

import asyncio
import random
from dataclasses import replace

from messaging.channel import (
    Channel,
    Connection,
    Delivery,
    LinkDown,
    Message,
    MessagingError,
    NoAnswer,
    Return,
    Returned,
)
from messaging.failures import fail
from messaging.observer import Event, Observer, ignore, outcome_of


class Requester:
    """A role that asks: one channel, to send questions and to take answers from `reply_queue`.

    Questions go out without confirms: a lost one costs its asker the wait it was ready for.
    """

    def __init__(
        self, reply_queue: str, *, rng: random.Random, observer: Observer = ignore
    ) -> None:
        self.name = reply_queue
        self._observer = observer
        self._prefix = f"{rng.getrandbits(64):016x}."
        self._asked = 0
        self._late = 0
        self._waiting: dict[str, asyncio.Future[Delivery]] = {}
        self._user: str | None = None
        self._channel: Channel | None = None
        self._why_not = "not attached yet"
        self._attached = asyncio.Event()

    @property
    def late(self) -> int:
        """Answers that came after their question had ended."""
        return self._late

    @property
    def waiting(self) -> int:
        """Questions in flight."""
        return len(self._waiting)

    async def ask(self, message: Message, timeout: float) -> Delivery:
        """Sends a question and waits for its answer, `timeout` seconds at most.

        Sets correlation id, expiration (the time left) and user_id. Raises NoAnswer at the
        deadline, Returned at once when nobody can ever answer, LinkDown at once when the link is
        lost. When cancelled, or too late, the answer changes nothing (SEARCH-12).
        """
        self._asked += 1
        correlation = f"{self._prefix}{self._asked}"
        question = replace(
            message,
            correlation_id=correlation,
            expiration_ms=max(1, int(timeout * 1000)),
            user_id=message.user_id or self._user,
        )
        answer: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        self._waiting[correlation] = answer
        try:
            return await self._answer_to(question, answer, timeout)
        except asyncio.CancelledError:
            self._observer(Event("asked", "cancelled", question, self.name))
            raise
        finally:
            del self._waiting[correlation]

    async def wait_attached(self) -> None:
        """Returns when questions can be asked."""
        await self._attached.wait()

    async def attach(self, connection: Connection) -> Channel:
        channel = await connection.channel(confirms=False, prefetch=0, on_return=self._take_return)
        await channel.consume(self.name, self._take, acks=False)
        self._user, self._channel = connection.user, channel
        self._attached.set()
        return channel

    def detach(self, reason: MessagingError) -> None:
        self._attached.clear()
        self._channel = None
        self._why_not = reason.reason
        for answer in self._waiting.values():
            if not answer.done():
                fail(answer, LinkDown(reason.reason))

    async def run(self) -> None:
        """Works in the tasks of those who ask."""

    async def _answer_to(
        self, question: Message, answer: asyncio.Future[Delivery], timeout: float
    ) -> Delivery:
        failure: MessagingError
        try:
            if self._channel is None or self._channel.closed.done():
                # Whoever tries again at once must not keep the link from noticing its loss.
                await asyncio.sleep(0)
            if self._channel is None:
                raise LinkDown(self._why_not)
            self._channel.send(question)
            self._observer(Event("sent", "ok", question, self.name))
            async with asyncio.timeout(timeout):
                delivery = await answer
        except TimeoutError:
            failure = NoAnswer(f"{question.key} within {timeout:g} s")
        except MessagingError as error:
            failure = error
        else:
            self._observer(Event("asked", "ok", question, self.name))
            return delivery
        self._observer(Event("asked", outcome_of(failure), question, self.name))
        raise failure

    def _take(self, delivery: Delivery) -> None:
        answer = self._waiting.get(delivery.correlation_id or "")
        if answer is None or answer.done():
            self._late += 1
            self._observer(Event("asked", "late", delivery, self.name))
        else:
            self._observer(Event("handled", "ok", delivery, self.name))
            answer.set_result(delivery)

    def _take_return(self, returned: Return) -> None:
        answer = self._waiting.get(returned.correlation_id or "")
        if answer is not None and not answer.done():
            fail(answer, Returned(f"{returned.key}: {returned.reason}"))
