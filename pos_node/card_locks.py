"""Asking the ERP for a card: its lock, its confirmation, a virtual one (CARD-8, CARD-9, CARD-15)."""

import asyncio
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import structlog
from pydantic import BaseModel

from contracts import envelope
from contracts.cards import (
    CardConfirm,
    CardGiven,
    CardIssue,
    CardLock,
    CardLocked,
    CardRelease,
    CardReleased,
    Wanted,
    card_key,
)
from contracts.envelope import MessageError
from messaging.channel import MessagingError
from pos_node.card_wishes import at_number
from pos_node.questions import AnswerRefused, Questions
from pos_node.refusal import Refusal

ANSWER_S = 3.0
"""How long a cashier waits for the ERP's word on a card."""

M = TypeVar("M", bound=BaseModel)

_log = structlog.get_logger("cards")


@dataclass(frozen=True, slots=True)
class Reserved:
    """A card this till has locked in the ERP for a customer; `until` on the event loop's clock."""

    customer_id: UUID
    card: Wanted
    token: int
    until: float

    @property
    def left_s(self) -> float:
        """Seconds it still lasts, never below 0."""
        return max(0.0, self.until - _monotonic())


class CardLocks:
    """The locks this till holds. A lock that nobody uses ends by itself."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._reserved: dict[str, Reserved] = {}

    async def reserve(self, customer_id: UUID, card: Wanted) -> Reserved:
        """Has a card verified and locked. Raises Refusal: card.verify_offline when there is no answer, and what the
        ERP refuses with, the number marked."""
        asked = _monotonic()
        locked = await self._ask(CardLock(customer_id=customer_id, card=card), CardLocked)
        if locked is None:
            raise Refusal("card.verify_offline")
        if locked.token is None:
            raise at_number(locked.refusal or "card.in_use", locked.params)
        reserved = Reserved(customer_id, card, locked.token, asked + locked.lasts_s)
        self._reserved = {key: one for key, one in self._reserved.items() if one.until > asked}
        self._reserved[card_key(card.number)] = reserved
        return reserved

    async def use(self, customer_id: UUID, card: Wanted) -> Reserved:
        """The lock this till has already, if it will last long enough to be used, or a new one; it is not used again.

        Raises as `reserve`.
        """
        held = self._reserved.pop(card_key(card.number), None)
        same = held is not None and (held.customer_id, held.card) == (customer_id, card)
        if held is not None and same and held.left_s > ANSWER_S:
            return held
        reserved = await self.reserve(customer_id, card)
        del self._reserved[card_key(card.number)]
        return reserved

    async def find(self, customer_id: UUID, number: str) -> Reserved | None:
        """Has a card locked whose type only the ERP knows, because it was predefined there (CARD-6).

        None: the ERP has no such card, or does not answer. Raises Refusal for whatever else it refuses with.
        """
        try:
            return await self.reserve(customer_id, Wanted(number=number))
        except Refusal as refusal:
            if refusal.code in ("card.unknown", "card.verify_offline"):
                return None
            raise

    async def release(self, customer_id: UUID, number: str) -> bool:
        """Gives a card back that was reserved for a customer; False when it was not, or its time was over."""
        reserved = self._reserved.get(card_key(number))
        if reserved is None or reserved.customer_id != customer_id:
            return False
        del self._reserved[card_key(number)]
        return await self.give_back(reserved)

    async def give_back(self, reserved: Reserved) -> bool:
        """Whether the lock had still been held."""
        asked = CardRelease(number=reserved.card.number, token=reserved.token)
        answer = await self._ask(asked, CardReleased)
        return answer is not None and answer.released

    async def confirm(self, confirm: CardConfirm) -> CardGiven | None:
        """What the ERP says to a confirmation; None: nothing in time."""
        return await self._ask(confirm, CardGiven)

    async def issue(self, issue: CardIssue) -> CardGiven | None:
        """What the ERP says to the wish for a virtual card; None: nothing in time."""
        return await self._ask(issue, CardGiven)

    async def _ask(self, question: BaseModel, answer: type[M]) -> M | None:
        """None: the ERP did not answer in time, or not in a way that this till understands."""
        try:
            found = await self._questions.ask(question, ANSWER_S)
            return envelope.read_data(answer, found.raw)
        except AnswerRefused as refused:
            _log.info("question refused", action="card_refused", code=refused.code)
        except (MessagingError, MessageError) as error:
            _log.info("no answer about a card", action="card_unanswered", reason=str(error))
        return None


def _monotonic() -> float:
    return asyncio.get_running_loop().time()
