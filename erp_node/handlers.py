"""Which function handles which message: the one table to look into."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from contracts import envelope
from contracts.envelope import MessageError
from erp_node.feed import answer_digest, answer_pull
from erp_node.journal import apply_batch
from erp_node.presence import answer_hello
from erp_node.search import answer_code_check, answer_fetch, answer_search
from messaging.channel import Delivery
from messaging.responder import Answer, BadRequest, Reply

HANDLED: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "customer.added": apply_batch,
        "customer.edited": apply_batch,
        "feed.pull": answer_pull,
        "feed.digest_ask": answer_digest,
        "customer.search": answer_search,
        "customer.fetch": answer_fetch,
        "customer.code_check": answer_code_check,
        "pos.hello": answer_hello,
    }
)


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
