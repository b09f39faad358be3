"""What becomes of tills' questions about cards, many in one transaction: lock, confirm, issue, release (CARD-8, CARD-9,
CARD-13, CARD-15)."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

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
    Lock,
    beside,
    decide_assign,
    decide_block,
    decide_issue,
    decide_lock,
    decide_release,
    virtual_number,
)
from erp_node.card_table import CardTable, Deed, open_table, write_cards
from erp_node.refusals import Refusal
from erp_node.search import scope_at
from erp_node.store import cards as rows
from erp_node.store import customers as customer_rows
from erp_node.store.customers import Held
from erp_node.store.letters import Letter
from erp_node.store.pool import Connection

Asked: TypeAlias = CardLock | CardConfirm | CardIssue | CardRelease


@dataclass(frozen=True, slots=True)
class Case:
    """A question, its number, who asks it, until when that makes sense (on the event loop's clock), and where the
    answer is waited for."""

    till: Till
    question: UUID
    asked: Asked
    until: float
    answer: "asyncio.Future[BaseModel | None]"


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
    till, whom = case.till, asked.customer_id
    card, deed = table.card(asked.card.number), _deed(table, till)
    until = table.now + timedelta(seconds=till.settings.card_lock_s)
    lock = Lock(till.pos_id, token, until, whom, case.question)
    scene, asker = table.scene(customers.get(whom)), _asker(table, till)
    decided = decide_lock(card, asked.card, scene, asker, lock)
    if isinstance(decided, Refusal):
        table.refuse(card, decided, whom, deed)
        return CardLocked(
            number=asked.card.number, refusal=decided.code, params=dict(decided.params)
        )
    if decided is not card:
        table.put_lock(decided, "locked", deed, token=token, until=until.isoformat())
    held = decided.lock
    assert held is not None
    left = (held.until - table.now).total_seconds()
    return CardLocked(number=asked.card.number, token=held.token, lasts_s=left)


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
    if blocked is not None:
        scene = beside(scene, blocked)
    decided = decide_assign(card, asked.card, scene, _asker(table, till), asked.token)
    if isinstance(decided, Refusal):
        return _refused(table, card, decided, asked.customer_id, deed)
    if blocked is not None:
        blocked = table.put(blocked, "blocked", deed, reason=asked.reason)
    given = _given(table.put(decided, "assigned", deed, token=asked.token), customer, till)
    if blocked is None:
        return given
    return given.model_copy(update={"blocked": blocked.wire, "blocked_version": blocked.version})


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
    card = table.card(asked.number)
    asker = replace(_asker(table, case.till), question=case.question)
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
