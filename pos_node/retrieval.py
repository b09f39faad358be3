"""Bringing one complete customer from the ERP into the till, because it was chosen (SEARCH-9, SEARCH-10)."""

from uuid import UUID

import msgspec

from contracts import envelope
from contracts.envelope import MessageError
from contracts.feed import State
from contracts.matching import RULE, words_of
from contracts.search import CustomerFetch, CustomerFetched
from contracts.topology import pos_scope
from messaging.channel import MessagingError
from pos_node.journal import fold
from pos_node.questions import AnswerRefused, Questions
from pos_node.refusal import Refusal
from pos_node.store.customers import CustomerData, store_customer
from pos_node.store.database import Priority, Store


class _Bytes(msgspec.Struct):
    """The record as the ERP wrote it: both ends hash these bytes."""

    record: msgspec.Raw = msgspec.Raw()


_read_bytes = msgspec.json.Decoder(_Bytes).decode


class Retrieval:
    """Fetches and stores, in one transaction or not at all."""

    def __init__(self, store: Store, questions: Questions, *, pos_id: str) -> None:
        self._store = store
        self._questions = questions
        self._pos_id = pos_id

    async def retrieve(self, customer_id: UUID, timeout: float) -> None:
        """Stores the complete record. Raises Refusal `customer.unretrievable` when the ERP cannot be
        asked, and what the ERP refuses with: `customer.unknown`, `customer.not_available` …"""
        try:
            answer = await self._questions.ask(CustomerFetch(customer_id=customer_id), timeout)
            fetched = envelope.read_data(CustomerFetched, answer.raw)
        except AnswerRefused as refused:
            raise Refusal(refused.code, refused.params) from None
        except (MessagingError, MessageError) as error:
            raise Refusal("customer.unretrievable") from error
        if fetched.refusal is not None:
            raise Refusal(fetched.refusal)
        if fetched.customer_id != customer_id or fetched.record is None:
            raise Refusal("customer.unretrievable")
        scope = fetched.scope or pos_scope(self._pos_id)
        row = _row(fetched, _read_bytes(answer.raw).record)
        await self._store.write(store_customer, scope, row, fold, priority=Priority.CASHIER)


def _row(fetched: CustomerFetched, record: msgspec.Raw) -> CustomerData:
    """The row to store; words written under another rule are written anew."""
    assert fetched.record is not None
    state: State = fetched.state
    own = fetched.rule == RULE and fetched.words
    return CustomerData(
        id=fetched.customer_id,
        version=fetched.version,
        state=state,
        editors=None if fetched.editors is None else tuple(fetched.editors),
        words=tuple(fetched.words) if own else words_of(fetched.record),
        record=bytes(record).decode(),
    )
