"""Which function handles which message: the one table to look into."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from contracts import envelope
from contracts.envelope import MessageError
from contracts.registry import MESSAGES
from erp_node.cards import CardDesk, answer_confirm, answer_issue, answer_lock, answer_release
from erp_node.feed import Feed, answer_digest, answer_pull
from erp_node.journal import Intake, apply_batch
from erp_node.presence import answer_hello
from erp_node.questions import Desk
from erp_node.search import SearchDesk, answer_code_check, answer_fetch, answer_search
from messaging.channel import Delivery
from messaging.consumer import Handle
from messaging.responder import Answer, BadRequest, Reply

Parts = Mapping[type, Any]
"""The parts of the node that handlers work with, by their type."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A function whose first argument is one of the node's parts."""

    function: Callable[..., Any]
    part: type

    def bound(self, parts: Parts) -> Callable[..., Any]:
        return partial(self.function, parts[self.part])


HANDLED: Mapping[str, Handler] = MappingProxyType(
    {
        "customer.added": Handler(apply_batch, Intake),
        "customer.edited": Handler(apply_batch, Intake),
        "card.assigned": Handler(apply_batch, Intake),
        "card.blocked": Handler(apply_batch, Intake),
        "card.requested": Handler(apply_batch, Intake),
        "card.lock": Handler(answer_lock, CardDesk),
        "card.confirm": Handler(answer_confirm, CardDesk),
        "card.issue": Handler(answer_issue, CardDesk),
        "card.release": Handler(answer_release, CardDesk),
        "feed.pull": Handler(answer_pull, Feed),
        "feed.digest_ask": Handler(answer_digest, Feed),
        "customer.search": Handler(answer_search, SearchDesk),
        "customer.fetch": Handler(answer_fetch, SearchDesk),
        "customer.code_check": Handler(answer_code_check, SearchDesk),
        "pos.hello": Handler(answer_hello, Desk),
    }
)


def journal_handler(parts: Parts) -> Handle:
    """What takes batches of a journal's queue: one function for all its types, to keep their order."""
    (handler,) = {one for name, one in HANDLED.items() if MESSAGES[name].way == "journal"}
    return handler.bound(parts)


def question_handler(question: str, parts: Parts) -> Answer:
    """What answers the queue of a question: each type of message that is asked there."""
    asked = {
        name: one.bound(parts)
        for name, one in HANDLED.items()
        if MESSAGES[name].way == "question" and MESSAGES[name].address == question
    }
    return answer_with(asked)


def answer_with(answers: Mapping[str, Answer]) -> Answer:
    """One answer for a queue of several questions, by message type; any other is parked as wrong_type."""

    async def answer(delivery: Delivery) -> Reply | None:
        try:
            headers, _ = envelope.split(delivery.body)
        except MessageError as error:
            raise BadRequest(error.code, str(error)) from None
        chosen = answers.get(headers.type)
        if chosen is None:
            raise BadRequest("wrong_type", f"type: {headers.type} is not asked here")
        return await chosen(delivery)

    return answer
