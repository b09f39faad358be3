"""The table of handlers is what the queues are wired with."""

from functools import partial
from typing import Any

import pytest

from contracts.feed import Pull
from contracts.presence import Hello
from contracts.registry import MESSAGES
from contracts.topology import QUESTIONS
from erp_node.feed import Feed
from erp_node.handlers import HANDLED, Handler, Parts, journal_handler, question_handler
from erp_node.journal import Intake, apply_batch
from erp_node.questions import Desk
from erp_node.search import SearchDesk
from messaging.channel import Delivery
from messaging.responder import BadRequest, Reply
from tests.erp import question

PARTS: Parts = {kind: kind.__name__ for kind in (Intake, Feed, SearchDesk, Desk)}


async def answer(part: str, delivery: Delivery) -> Reply:
    return Reply(part.encode())


async def test_a_type_is_answered_where_the_registry_says_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table: dict[str, Any] = {name: Handler(answer, one.part) for name, one in HANDLED.items()}
    monkeypatch.setattr("erp_node.handlers.HANDLED", table)
    hello = question("p1", Hello(instance="i", software="1", epoch="e", last_seq=0, waiting=0))
    pull = question("p1", Pull(scope="all"))
    assert await question_handler("presence", PARTS)(hello) == Reply(b"Desk")
    assert await question_handler("feed", PARTS)(pull) == Reply(b"Feed")
    with pytest.raises(BadRequest) as wrong:
        await question_handler("presence", PARTS)(pull)
    assert wrong.value.code == "wrong_type"


def test_every_question_of_the_registry_is_answered_by_one_queue() -> None:
    asked = {name: one.address for name, one in MESSAGES.items() if one.way == "question"}
    assert set(asked.values()) == set(QUESTIONS)
    assert asked.keys() <= HANDLED.keys()


def test_a_journal_has_one_handler_for_all_its_types() -> None:
    handler = journal_handler(PARTS)
    assert isinstance(handler, partial)
    assert handler.func is apply_batch
