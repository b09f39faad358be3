"""Asking the ERP."""

import asyncio
import random
from datetime import timedelta

import pytest
from pydantic import BaseModel

from contracts.presence import Hello
from contracts.search import CodeCheck, CodeChecked, Refused
from messaging.channel import Delivery, LinkDown, Message, NoAnswer
from pos_node.contact import Contact
from pos_node.questions import AnswerRefused, AnswerUnreadable, Questions
from tests.fake_time import on_fake_time
from tests.pos_parts import NOON, FakeClock, FakeErp, Script, answered, welcome

ASK = CodeCheck(code="A")


def questions(erp: FakeErp) -> tuple[Questions, Contact]:
    contact = Contact(asyncio.get_running_loop().time)
    return Questions(erp, "p1", clock=FakeClock(), rng=random.Random(1), contact=contact), contact


def says(answer: BaseModel) -> Script:
    async def script(question: BaseModel) -> BaseModel:
        return answer

    return script


@on_fake_time
async def test_search_12_a_deadline_is_on_the_erps_clock() -> None:
    erp = FakeErp(says(CodeChecked(code="A", taken=False)))
    asking, contact = questions(erp)
    await asking.ask(ASK, 3)
    contact.set_clock(NOON + timedelta(days=1), asyncio.get_running_loop().time())
    await asyncio.sleep(5)
    await asking.ask(ASK, 3)
    assert erp.expires == [None, NOON + timedelta(days=1, seconds=8)]


@on_fake_time
async def test_an_answer_of_any_kind_is_a_sign_of_life() -> None:
    asking, contact = questions(FakeErp(says(Refused(code="till.unknown", params={"a": "b"}))))
    with pytest.raises(AnswerRefused) as refused:
        await asking.ask(ASK, 3)
    assert (refused.value.code, refused.value.params) == ("till.unknown", {"a": "b"})
    assert contact.alive


@on_fake_time
async def test_no_answer_is_no_sign_of_life() -> None:
    asking, contact = questions(FakeErp())
    with pytest.raises(NoAnswer):
        await asking.ask(ASK, 3)
    assert not contact.alive


@on_fake_time
async def test_a_missing_link_is_said_at_once() -> None:
    erp = FakeErp()
    erp.attached.clear()
    asking, _ = questions(erp)
    with pytest.raises(LinkDown):
        await asking.ask(ASK, 3)


@on_fake_time
async def test_an_answer_to_something_else_is_unreadable() -> None:
    asking, _ = questions(FakeErp(says(welcome())))
    with pytest.raises(AnswerUnreadable):
        await asking.ask(ASK, 3)


@on_fake_time
async def test_bytes_that_are_no_message_are_unreadable() -> None:
    class Broken(FakeErp):
        async def ask(self, message: Message, timeout: float) -> Delivery:
            return Delivery(body=b"\xff", exchange="", key="", tag=1)

    asking, _ = questions(Broken())
    with pytest.raises(AnswerUnreadable):
        await asking.ask(ASK, 3)


@on_fake_time
async def test_a_question_goes_to_its_own_queue_under_the_tills_name() -> None:
    sent: list[Message] = []

    class Recording(FakeErp):
        async def ask(self, message: Message, timeout: float) -> Delivery:
            sent.append(message)
            return answered(welcome())

    asking, _ = questions(Recording())
    await asking.ask(Hello(instance="i", software="0", epoch="e", last_seq=0, waiting=0), 3)
    assert (sent[0].exchange, sent[0].key) == ("comptoir.rpc", "presence")
    assert (sent[0].user_id, sent[0].type, sent[0].persistent) == ("pos.p1", "pos.hello", False)
