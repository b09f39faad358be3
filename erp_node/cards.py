"""Answers to tills' questions about loyalty cards: lock, confirm, issue, release (CARD-8, CARD-9, CARD-13, CARD-15).

Each `answer_…` is a messaging.responder.Answer once it is bound to a desk, and raises BadRequest as
erp_node.questions.read_question does.
"""

from dataclasses import dataclass

from contracts.cards import CardConfirm, CardIssue, CardLock, CardRelease
from erp_node.card_cases import Asked
from erp_node.card_counter import Counter
from erp_node.questions import Desk, Question, read_question, reply
from messaging.channel import Delivery
from messaging.responder import Reply


@dataclass(frozen=True, slots=True)
class CardDesk(Desk):
    """What answering about cards needs."""

    counter: Counter


async def answer_lock(desk: CardDesk, delivery: Delivery) -> Reply | None:
    """Verifies a card and locks it for the till that asks (CARD-15)."""
    return await _answer(desk, await read_question(desk, delivery, CardLock))


async def answer_confirm(desk: CardDesk, delivery: Delivery) -> Reply | None:
    """Gives a locked card to a customer; blocks the one it has in the same step, if asked to (CARD-13)."""
    return await _answer(desk, await read_question(desk, delivery, CardConfirm))


async def answer_issue(desk: CardDesk, delivery: Delivery) -> Reply | None:
    """Makes a virtual card and its letter (CARD-9)."""
    return await _answer(desk, await read_question(desk, delivery, CardIssue))


async def answer_release(desk: CardDesk, delivery: Delivery) -> Reply | None:
    """Gives a lock back."""
    return await _answer(desk, await read_question(desk, delivery, CardRelease))


async def _answer(desk: CardDesk, question: "Question[Asked] | None") -> Reply | None:
    if question is None:
        return None
    headers = question.headers
    served = desk.counter.serve(question.till, headers.id, question.data, question.left_s)
    answer = await served
    return reply(desk, headers, answer) if answer is not None else None
