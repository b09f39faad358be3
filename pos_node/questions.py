"""Asking the ERP: one envelope out, one decoded answer back, within a time limit."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel

from contracts import envelope
from contracts.envelope import Headers, MessageError
from contracts.registry import MESSAGES, TYPE_OF
from contracts.search import Refused as ErpRefused
from contracts.topology import RPC, user_of
from messaging.channel import Delivery, Message, MessagingError
from messaging.clock import Clock
from pos_node.bodies import unpacked
from pos_node.contact import Contact
from pos_node.pages import Page, open_page


class Asks(Protocol):
    """What `messaging.rpc.Requester` does."""

    async def ask(self, message: Message, timeout: float) -> Delivery: ...

    async def wait_attached(self) -> None: ...


class AnswerRefused(MessagingError):
    """The ERP understood the question and does not answer it."""

    def __init__(self, code: str, params: dict[str, str]) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


class AnswerUnreadable(MessagingError):
    """The answer is not a message this till understands."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer's type and its data as JSON, byte for byte as the ERP wrote it; a page may be read already."""

    type: str
    raw: bytes | Page


class Questions:
    """Puts questions of this till to the ERP and tells `contact` that it answered."""

    def __init__(
        self, requester: Asks, pos_id: str, *, clock: Clock, rng: random.Random, contact: Contact
    ) -> None:
        self._requester = requester
        self._origin = user_of(pos_id)
        self._clock = clock
        self._rng = rng
        self._contact = contact

    async def wait_attached(self) -> None:
        """Returns when questions can be sent."""
        await self._requester.wait_attached()

    async def ask(self, question: BaseModel, timeout: float) -> Answer:
        """Waits `timeout` seconds at most for the answer.

        `expires_at` is set on the ERP's clock when that is known (SEARCH-12). Raises NoAnswer,
        Returned, LinkDown, AnswerRefused or AnswerUnreadable: all of them MessagingError.
        """
        kind = TYPE_OF[type(question)]
        message = Message(
            body=envelope.encode(self._headers(kind.name, timeout), question),
            exchange=RPC,
            key=kind.address,
            mandatory=True,
            persistent=False,
            user_id=self._origin,
            type=kind.name,
        )
        delivery = await self._requester.ask(message, timeout)
        self._contact.hear()
        return _read(delivery, kind.answers)

    def _headers(self, name: str, timeout: float) -> Headers:
        erp_now = self._contact.erp_now()
        return Headers(
            id=UUID(int=self._rng.getrandbits(128), version=4),
            type=name,
            version=MESSAGES[name].version,
            occurred_at=self._clock.now(),
            origin=self._origin,
            expires_at=erp_now + timedelta(seconds=timeout) if erp_now else None,
        )


def _read(delivery: Delivery, expected: tuple[str, ...]) -> Answer:
    try:
        read = open_page if "feed.page" in expected else envelope.split
        headers, raw = read(*unpacked(delivery))
        if headers.type == "erp.refused":
            refused = envelope.read_data(ErpRefused, raw)
            raise AnswerRefused(refused.code, refused.params)
    except MessageError as error:
        raise AnswerUnreadable(str(error)) from None
    if headers.type not in expected:
        raise AnswerUnreadable(f"type: {headers.type} is no answer to this")
    return Answer(headers.type, raw)
