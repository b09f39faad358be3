"""Answers to tills' questions about loyalty cards: lock, confirm, issue, release (CARD-8, CARD-9, CARD-13, CARD-15).

Questions that come while others are decided are decided together next, in one transaction: locks are asked for faster
than a disk can confirm each by itself. Each `answer_…` is a messaging.responder.Answer once it is bound to a desk, and
raises BadRequest as erp_node.questions.read_question does.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from contracts.cards import (
    CardConfirm,
    CardGiven,
    CardIssue,
    CardLock,
    CardLocked,
    CardRelease,
    CardReleased,
)
from contracts.topology import user_of
from erp_node.callers import Till
from erp_node.card_rules import (
    Asker,
    HeldCard,
    decide_assign,
    decide_block,
    decide_issue,
    decide_lock,
    decide_release,
    virtual_number,
)
from erp_node.card_table import CardTable, Deed, open_table, write_cards
from erp_node.questions import Desk, Question, read_question, reply
from erp_node.refusals import Refusal
from erp_node.search import scope_at
from erp_node.store import cards as rows
from erp_node.store import customers as customer_rows
from erp_node.store.customers import Held
from erp_node.store.faults import is_transient
from erp_node.store.letters import Letter
from erp_node.store.pool import Connection, Pool
from messaging.channel import Delivery
from messaging.failures import fail
from messaging.responder import Reply

AT_ONCE = 64
"""Questions decided in one transaction."""

ATTEMPTS = 3
"""Another transaction may have given a customer a card, or held cards in another order: decided again."""

Asked: TypeAlias = CardLock | CardConfirm | CardIssue | CardRelease

_IN_THE_WAY = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)


@dataclass(frozen=True, slots=True)
class Case:
    """A question, its number, who asks it, and where the answer is waited for."""

    till: Till
    question: UUID
    asked: Asked
    answer: "asyncio.Future[BaseModel]"


class Counter:
    """Decides questions, many per transaction, in the order in which they came."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: list[Case] = []
        self._work: asyncio.Task[None] | None = None

    async def serve(self, till: Till, question: UUID, asked: Asked) -> BaseModel:
        """The answer, committed. Raises what the database does."""
        case = Case(till, question, asked, asyncio.get_running_loop().create_future())
        self._waiting.append(case)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._decide_all())
        return await case.answer

    async def _decide_all(self) -> None:
        while cases := list(self._waiting[:AT_ONCE]):
            del self._waiting[: len(cases)]
            cases = [one for one in cases if not one.answer.done()]
            try:
                await self._decide(cases)
            except BaseException as error:
                for one in cases:
                    _fail(one, error)
                if not isinstance(error, Exception):
                    raise

    async def _decide(self, cases: Sequence[Case]) -> None:
        """All together; one by one when one cannot be decided, or is in the others' way."""
        try:
            answers = await self._transact(cases)
        except Exception as error:
            if len(cases) <= 1 or (is_transient(error) and not isinstance(error, _IN_THE_WAY)):
                raise
            for one in cases:
                try:
                    await self._decide([one])
                except Exception as error:
                    _fail(one, error)
            return
        for one, answer in zip(cases, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)

    async def _transact(self, cases: Sequence[Case]) -> list[BaseModel]:
        for attempt in range(ATTEMPTS):
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    return await decide_cases(connection, cases)
            except _IN_THE_WAY:
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")


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
    return reply(desk, headers, await desk.counter.serve(question.till, headers.id, question.data))


async def decide_cases(connection: Connection, cases: Sequence[Case]) -> list[BaseModel]:
    """Decides and writes within a transaction; the answers in the order of the cases."""
    numbers = [number for one in cases for number in _numbers(one.asked)]
    ids = {one.asked.customer_id for one in cases if not isinstance(one.asked, CardRelease)}
    given = {
        one.asked.customer_id for one in cases if isinstance(one.asked, CardConfirm | CardIssue)
    }
    customers = await customer_rows.load_customers(connection, ids - given)
    if given:  # before the cards, as the journal does
        customers |= await customer_rows.lock_customers(connection, given)
    table = await open_table(connection, numbers, ids)
    locks = sum(isinstance(one.asked, CardLock) for one in cases)
    tokens = iter(await rows.take_tokens(connection, locks) if locks else ())
    answers = [_decide(table, customers, one, tokens) for one in cases]
    await write_cards(connection, table.take())
    return answers


def _decide(
    table: CardTable, customers: Mapping[UUID, Held], case: Case, tokens: Iterator[int]
) -> BaseModel:
    match case.asked:
        case CardLock() as asked:
            return _lock(table, customers, case, asked, next(tokens))
        case CardConfirm() as asked:
            return _confirm(table, customers, case.till, asked)
        case CardIssue() as asked:
            return _issue(table, customers, case.till, asked)
        case CardRelease() as asked:
            return _release(table, case, asked)


def _lock(
    table: CardTable, customers: Mapping[UUID, Held], case: Case, asked: CardLock, token: int
) -> CardLocked:
    till = case.till
    card, deed = table.card(asked.card.number), _deed(table, till)
    scene = table.scene(customers.get(asked.customer_id))
    asker = replace(_asker(table, till), question=case.question)
    lasts = timedelta(seconds=till.settings.card_lock_s)
    decided = decide_lock(card, asked.card, scene, asker, token, lasts)
    if isinstance(decided, Refusal):
        table.refuse(card, decided, asked.customer_id, deed)
        return CardLocked(
            number=asked.card.number, refusal=decided.code, params=dict(decided.params)
        )
    lock = decided.lock
    assert lock is not None
    if decided is not card:
        table.put_lock(decided, "locked", deed, token=lock.token, until=lock.until.isoformat())
    left = (lock.until - table.now).total_seconds()
    return CardLocked(number=asked.card.number, token=lock.token, lasts_s=left)


def _confirm(
    table: CardTable, customers: Mapping[UUID, Held], till: Till, asked: CardConfirm
) -> CardGiven:
    deed = _deed(table, till, asked.author.operator)
    customer = customers.get(asked.customer_id)
    card = table.card(asked.card.number)
    old = table.card(asked.blocks) if asked.blocks is not None and asked.reason else None
    scene = table.scene(customer)
    if old is card:
        refusal = Refusal("card.blocked", {"number": card.number})
        return _refused(table, card, refusal, asked.customer_id, deed)
    blocked = decide_block(old, asked.customer_id, asked.reason or "") if old else None
    if isinstance(blocked, Refusal):
        return _refused(table, card, blocked, asked.customer_id, deed)
    if blocked is not None and scene.present == blocked.key:
        scene = type(scene)(scene.customer, None, scene.types)
    decided = decide_assign(card, asked.card, scene, _asker(table, till), asked.token)
    if isinstance(decided, Refusal):
        return _refused(table, card, decided, asked.customer_id, deed)
    if blocked is not None:
        table.put(blocked, "blocked", deed, reason=asked.reason)
    return _given(table.put(decided, "assigned", deed, token=asked.token), customer, till)


def _issue(
    table: CardTable, customers: Mapping[UUID, Held], till: Till, asked: CardIssue
) -> CardGiven:
    deed = _deed(table, till, asked.author.operator)
    customer = customers.get(asked.customer_id)
    card = table.card(virtual_number(asked.request_id))
    decided = decide_issue(
        card, asked.type, asked.request_id, table.scene(customer), _asker(table, till)
    )
    if isinstance(decided, Refusal):
        return _refused(table, card, decided, asked.customer_id, deed)
    if decided is not card:
        table.send(Letter(asked.request_id, card.key, asked.customer_id, till.settings.language))
    return _given(table.put(decided, "assigned", deed, request=asked.request_id), customer, till)


def _release(table: CardTable, case: Case, asked: CardRelease) -> CardReleased:
    card, asker = (
        table.card(asked.number),
        replace(_asker(table, case.till), question=case.question),
    )
    decided = decide_release(card, asked.token, asker)
    if decided is None:
        return CardReleased(number=asked.number, released=False)
    if decided is not card:
        table.put_lock(decided, "released", _deed(table, case.till), token=asked.token)
    return CardReleased(number=asked.number, released=True)


def _given(card: HeldCard, customer: Held | None, till: Till) -> CardGiven:
    assert customer is not None
    scope = scope_at(till, everywhere=customer.everywhere)
    return CardGiven(number=card.number, scope=scope, version=card.version, card=card.wire)


def _refused(
    table: CardTable, card: HeldCard, refusal: Refusal, customer_id: UUID, deed: Deed
) -> CardGiven:
    table.refuse(card, refusal, customer_id, deed)
    return CardGiven(number=card.number, refusal=refusal.code, params=dict(refusal.params))


def _numbers(asked: Asked) -> Iterator[str]:
    match asked:
        case CardLock():
            yield asked.card.number
        case CardConfirm():
            yield asked.card.number
            if asked.blocks is not None:
                yield asked.blocks
        case CardIssue():
            yield virtual_number(asked.request_id)
        case CardRelease():
            yield asked.number


def _asker(table: CardTable, till: Till) -> Asker:
    return Asker(till.pos_id, till.centre, table.now)


def _deed(table: CardTable, till: Till, by: str | None = None) -> Deed:
    origin = user_of(till.pos_id)
    return Deed(by or origin, origin, table.now)


def _fail(case: Case, error: BaseException) -> None:
    if not case.answer.done():
        if isinstance(error, Exception):
            fail(case.answer, error)
        else:
            case.answer.cancel()
