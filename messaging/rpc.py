"""Questions and answers with deadlines."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from messaging.channel import Delivery, Headers, Message
from messaging.consumer import Park
from messaging.observer import Observer, ignore


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
Refuse: TypeAlias = Callable[[Delivery, Exception], Reply | None]


class Requester:
    """A role that asks: one channel to send questions and to take answers from `reply_queue`."""

    def __init__(
        self, reply_queue: str, *, rng: random.Random, observer: Observer = ignore
    ) -> None:
        raise NotImplementedError

    @property
    def late(self) -> int:
        """Answers that came after their question had ended."""
        raise NotImplementedError

    async def ask(self, message: Message, timeout: float) -> Delivery:
        """Sends a question and waits for its answer, `timeout` seconds at most.

        Sets correlation id, expiration (the time left) and user_id. Raises NoAnswer at the
        deadline, Returned when nobody can ever answer, LinkDown at once when the link is lost. When
        cancelled, or too late, the answer changes nothing (SEARCH-12).
        """
        raise NotImplementedError

    async def wait_attached(self) -> None:
        raise NotImplementedError


class Responder:
    """A role that answers, `concurrency` requests at a time.

    The answer goes to the queue of the user the broker vouched for, never where the message says.
    A request without user_id is parked as `forged`. A request whose time ran out while it waited
    here is not executed. A request is acked after its answer is sent, so prefetch limits what one
    process takes; one that dies leaves its requests to another, within their expiration.
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
        raise NotImplementedError

    async def wait_attached(self) -> None:
        raise NotImplementedError
