"""Every message there is: its type, model, direction and address. All other lists are made from this one."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from contracts import cards, envelope, feed, journal, presence, search, topology
from contracts.envelope import Envelope, TooNew, UnknownType

Way = Literal["feed", "urgent", "journal", "question", "answer"]


@dataclass(frozen=True, slots=True)
class MessageType:
    """One type of message. `address` is the routing key pattern; `answers` the types of its answers."""

    name: str
    model: type[BaseModel]
    sender: Literal["erp", "pos"]
    way: Way
    address: str
    summary: str
    version: int = 1
    answers: tuple[str, ...] = ()

    @property
    def exchange(self) -> str:
        return _EXCHANGES[self.way]


_EXCHANGES: dict[Way, str] = {
    "feed": topology.FEED,
    "urgent": topology.URGENT,
    "journal": topology.JOURNAL,
    "question": topology.RPC,
    "answer": topology.REPLIES,
}

_ALL = (
    MessageType("feed.page", feed.Page, "erp", "feed", "{scope}", "Rows of a scope's feed"),
    MessageType("feed.pull", feed.Pull, "pos", "question", "feed", "Asks for the next page", answers=("feed.page",)),
    MessageType("feed.digest_ask", feed.DigestAsk, "pos", "question", "feed", "Asks for a scope's hashes", answers=("feed.digest",)),
    MessageType("feed.digest", feed.Digest, "erp", "answer", "pos.{pos_id}.reply", "Hashes of a scope"),
    MessageType("erp.beat", presence.Beat, "erp", "urgent", "all", "The ERP is there"),
    MessageType("journal.resend", journal.Resend, "erp", "urgent", "pos.{pos_id}", "Send the journal again from here"),
    MessageType("customer.added", journal.CustomerAdded, "pos", "journal", "{pos_id}", "A customer was made at a till"),
    MessageType("customer.edited", journal.CustomerEdited, "pos", "journal", "{pos_id}", "A customer was changed at a till"),
    MessageType("customer.search", search.CustomerSearch, "pos", "question", "search", "Online search", answers=("customer.found",)),
    MessageType("customer.found", search.CustomersFound, "erp", "answer", "pos.{pos_id}.reply", "Outcome of an online search"),
    MessageType("customer.fetch", search.CustomerFetch, "pos", "question", "fetch", "Asks for one complete customer", answers=("customer.fetched",)),
    MessageType("customer.fetched", search.CustomerFetched, "erp", "answer", "pos.{pos_id}.reply", "One complete customer"),
    MessageType("customer.code_check", search.CodeCheck, "pos", "question", "fetch", "Asks whether a code is free", answers=("customer.code_checked",)),
    MessageType("customer.code_checked", search.CodeChecked, "erp", "answer", "pos.{pos_id}.reply", "Whether a code is free"),
    MessageType("card.assigned", cards.CardAssigned, "pos", "journal", "{pos_id}", "A card was given to a customer at a till"),
    MessageType("card.blocked", cards.CardBlocked, "pos", "journal", "{pos_id}", "A card was blocked at a till"),
    MessageType("card.requested", cards.CardRequested, "pos", "journal", "{pos_id}", "A virtual card is wanted"),
    MessageType("card.lock", cards.CardLock, "pos", "question", "card", "Asks for a card's lock", answers=("card.locked",)),
    MessageType("card.locked", cards.CardLocked, "erp", "answer", "pos.{pos_id}.reply", "The lock of a card, or why there is none"),
    MessageType("card.confirm", cards.CardConfirm, "pos", "question", "card", "Gives a locked card to a customer", answers=("card.given",)),
    MessageType("card.issue", cards.CardIssue, "pos", "question", "card", "Asks for a virtual card", answers=("card.given",)),
    MessageType("card.given", cards.CardGiven, "erp", "answer", "pos.{pos_id}.reply", "The card a customer has now, or why it has none"),
    MessageType("card.release", cards.CardRelease, "pos", "question", "card", "Gives a card's lock back", answers=("card.released",)),
    MessageType("card.released", cards.CardReleased, "erp", "answer", "pos.{pos_id}.reply", "Whether the lock had still been held"),
    MessageType("card.stopped", cards.CardStopped, "erp", "urgent", "all", "A card works no longer"),
    MessageType("pos.hello", presence.Hello, "pos", "question", "presence", "A till greets and says how far it is", answers=("erp.welcome",)),
    MessageType("erp.welcome", presence.Welcome, "erp", "answer", "pos.{pos_id}.reply", "The ERP greets a till"),
    MessageType("erp.refused", search.Refused, "erp", "answer", "pos.{pos_id}.reply", "A question that is not answered, and why"),
)  # fmt: skip

MESSAGES: dict[str, MessageType] = {one.name: one for one in _ALL}
TYPE_OF: dict[type[BaseModel], MessageType] = {one.model: one for one in _ALL}

READABLE_BACK = 1
"""A reader understands the current version of a message and this many before it."""


def decode(body: bytes, limit: int = envelope.MAX_BYTES) -> Envelope[BaseModel]:
    """Reads and validates a whole message.

    Raises Oversized, Malformed (naming the field), UnknownType or TooNew.
    """
    headers, raw = envelope.split(body, limit)
    message = MESSAGES.get(headers.type)
    if message is None:
        raise UnknownType(f"type: {headers.type} is not a message")
    if headers.version > message.version:
        raise TooNew(f"version: {headers.type} {headers.version}, known up to {message.version}")
    return Envelope(headers, envelope.read_data(message.model, raw))
