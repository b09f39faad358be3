"""The cards of one transaction: as they are after the decisions so far, and what is still to be written of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import structs

from contracts.cards import card_key
from contracts.reference import CardType
from erp_node.card_rules import HeldCard, Scene
from erp_node.refusals import Refusal
from erp_node.store import cards as store
from erp_node.store.cards import CardEvent, CardWrite
from erp_node.store.customers import Held
from erp_node.store.letters import Letter, add_letters
from erp_node.store.pool import Connection, Database
from erp_node.store.reference import list_records


@dataclass(frozen=True, slots=True)
class Deed:
    """Who does something to a card, where and when: `at` on the ERP's clock; if it was done at a till before, `at_till`
    on that one's, and its journal `entry`."""

    by: str
    where: str
    at: datetime
    at_till: datetime | None = None
    entry: UUID | None = None

    def detail(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """What is to be said besides."""
        said = {name: value for name, value in more.items() if value is not None}
        return said if self.at_till is None else {**said, "at_till": self.at_till.isoformat()}


@dataclass
class UndoneCards:
    """What is decided and not written yet."""

    writes: dict[str, CardWrite] = field(default_factory=dict)
    locks: dict[str, HeldCard] = field(default_factory=dict)
    events: list[CardEvent] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)


@dataclass
class CardTable:
    """Held cards by key; `present`: the card each customer has; `now` is the ERP's clock; `applied`: journal entries
    that gave or blocked a card, in this transaction or before, under whatever numbers they came."""

    now: datetime
    cards: dict[str, HeldCard]
    present: dict[UUID, str]
    types: Mapping[str, CardType]
    applied: set[tuple[UUID, str]] = field(default_factory=set)
    undone: UndoneCards = field(default_factory=UndoneCards)

    def card(self, number: str) -> HeldCard:
        """One of the cards that were asked for."""
        return self.cards[card_key(number)]

    def scene(self, customer: Held | None) -> Scene:
        """What is known about a customer's cards."""
        present = self.present.get(customer.id) if customer is not None else None
        return Scene(customer, present, self.types)

    def put(self, card: HeldCard, event: str, deed: Deed, **detail: Any) -> HeldCard:
        """Stores a card, unless it is as it was; every change has a version of its own, whatever is written together.
        Returns the card as it will be stored. An entry is remembered even if it changed nothing."""
        before = self.cards[card.key]
        if card == before:
            if deed.entry is not None:
                self._note(card, event, deed, {**detail, "unchanged": True})
            return before
        after = structs.replace(card, version=before.version + 1)
        self.cards[card.key] = after
        written = self.undone.writes.get(card.key)
        made = written.made if written else not before.version
        self.undone.writes[card.key] = CardWrite(after, deed.by, deed.where, made)
        self._note(after, event, deed, detail)
        if after.lock != before.lock:
            self.undone.locks[card.key] = after
        self._move(before, after)
        return after

    def put_lock(self, card: HeldCard, event: str, deed: Deed, **detail: Any) -> None:
        """Stores a card's lock; the card itself stays as it was."""
        self.cards[card.key] = card
        self.undone.locks[card.key] = card
        self._note(card, event, deed, detail)

    def refuse(
        self, card: HeldCard, refusal: Refusal, customer_id: UUID | None, deed: Deed
    ) -> Refusal:
        """Writes down that something was refused."""
        detail = deed.detail({"code": refusal.code})
        self.undone.events.append(
            CardEvent(
                card.key, deed.at, "refused", customer_id, deed.by, deed.where, detail, deed.entry
            )
        )
        return refusal

    def send(self, letter: Letter) -> None:
        """Puts a letter into the outbox."""
        self.undone.letters.append(letter)

    def was_applied(self, deed: Deed, event: str) -> bool:
        """Whether this entry did this already: its till was put back from a backup, and sends it again under another
        number. What was decided about the card since stands (I9)."""
        return deed.entry is not None and (deed.entry, event) in self.applied

    def take(self) -> UndoneCards:
        """What is to be written now; what is decided from here on builds on it."""
        undone, self.undone = self.undone, UndoneCards()
        return undone

    def _note(self, card: HeldCard, event: str, deed: Deed, detail: Mapping[str, Any]) -> None:
        said = deed.detail(detail)
        if deed.entry is not None:
            self.applied.add((deed.entry, event))
        self.undone.events.append(
            CardEvent(
                card.key, deed.at, event, card.customer_id, deed.by, deed.where, said, deed.entry
            )
        )

    def _move(self, before: HeldCard, after: HeldCard) -> None:
        """A customer has at most one card that works (I5)."""
        if before.customer_id is not None and self.present.get(before.customer_id) == before.key:
            del self.present[before.customer_id]
        if after.customer_id is not None and after.serves:
            self.present[after.customer_id] = after.key


async def open_table(
    connection: Connection,
    numbers: Collection[str],
    customers: Collection[UUID],
    entries: Collection[UUID] = (),
) -> CardTable:
    """Holds the cards of these numbers until the end of the transaction, and reads what decisions need; `entries`: of
    tills' journals, by their ids."""
    by_key = {card_key(number): number for number in numbers}
    held = await store.hold_cards(connection, by_key)
    present = await store.cards_of(connection, customers)
    applied = await store.applied_entries(connection, entries) if entries else set()
    return CardTable(held.now, held.cards, present, await card_types(connection), applied)


async def card_types(database: Database) -> Mapping[str, CardType]:
    """The ERP's card types by code (CARD-5)."""
    rows = await list_records(database, "card_type")
    return {row.code: row for row in rows if isinstance(row, CardType)}


async def write_cards(connection: Connection, undone: UndoneCards) -> None:
    """Writes everything, few statements for many cards. Raises asyncpg.UniqueViolationError when somebody else gave
    one of the customers a card meanwhile (I5)."""
    if undone.locks:
        await store.write_locks(connection, list(undone.locks.values()))
    if undone.writes:
        await store.write_cards(connection, list(undone.writes.values()))
    if undone.events:
        await store.add_events(connection, undone.events)
    if undone.letters:
        await add_letters(connection, undone.letters)
