"""The cards a till holds, as the ERP sent them; what was done here since is in the journal."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import msgspec
from pydantic import ValidationError

from contracts import envelope
from contracts.cards import Card, CardChange, row_key
from contracts.feed import RowStruct
from contracts.registry import MESSAGES
from pos_node.store import journal
from pos_node.store.arrivals import apply_keyed

_HELD = "SELECT version, state FROM card WHERE key = ?"
_FIND = "SELECT record FROM card WHERE key = ? AND state = 'active'"
_OF_CUSTOMER = "SELECT record FROM card WHERE customer_id = ? AND state = 'active' ORDER BY key"


@dataclass(frozen=True, slots=True)
class CardData:
    """A card as an answer of the ERP or its urgent word brings it: before the feed does."""

    card: Card
    version: int
    scope: str


def find_card(connection: sqlite3.Connection, number: str) -> Card | None:
    """The card of a number as the ERP has it; None: not known here."""
    row = connection.execute(_FIND, (row_key(number),)).fetchone()
    return _read(row[0]) if row else None


def cards_of(connection: sqlite3.Connection, customer_id: UUID) -> tuple[Card, ...]:
    """A customer's cards as the ERP has them, blocked ones too."""
    found = connection.execute(_OF_CUSTOMER, (str(customer_id),))
    return tuple(card for (record,) in found if (card := _read(record)) is not None)


def changes_of(connection: sqlite3.Connection, customer_id: UUID) -> tuple[CardChange, ...]:
    """What was done here with a customer's cards and is on its way, in the order it was done."""
    entries = journal.read_of_customer(connection, customer_id, "card")
    return tuple(_changes(entries))


def all_changes(connection: sqlite3.Connection) -> tuple[CardChange, ...]:
    """What was done here with anybody's cards and is on its way."""
    return tuple(_changes(journal.read_of_cards(connection)))


def put_card(connection: sqlite3.Connection, data: CardData) -> None:
    """Stores a card that came past the feed, by the feed's rules, unless the feed was here before it.

    The feed's row of the same version comes over it later: both ends hash those bytes.
    """
    key = row_key(data.card.number)
    if connection.execute(_HELD, (key,)).fetchone() == (data.version, "active"):
        return
    record = msgspec.Raw(envelope.dump(data.card))
    apply_keyed(
        connection,
        data.scope,
        [RowStruct(key=key, version=data.version, kind="card", record=record)],
    )


def _read(record: str) -> Card | None:
    """One that this version cannot read is none: it must stop nobody."""
    try:
        return Card.model_validate_json(record)
    except ValidationError:
        return None


def _changes(entries: tuple[tuple[str, bytes], ...]) -> Iterator[CardChange]:
    for type_, body in entries:
        change = envelope.read_data(MESSAGES[type_].model, envelope.split(body)[1])
        assert isinstance(change, CardChange)
        yield change
