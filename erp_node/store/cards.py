"""Rows of cards, of their locks and of what happened to them, many at a time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from erp_node.card_rules import HeldCard, Lock
from erp_node.store.pool import Connection, Database, Row
from erp_node.store.queries import load_sql

SQL = load_sql("cards.sql")


@dataclass(frozen=True, slots=True)
class Cards:
    """Cards held until the end of the transaction, by key, and the moment at which that was so: the ERP's clock is
    the database's, one for all ERP processes (CARD-15)."""

    now: datetime
    cards: dict[str, HeldCard]


class CardEvent(msgspec.Struct, frozen=True, gc=False):
    """What happened to a card, or was asked of it: made, assigned, blocked …; locked, released, refused."""

    key: str
    at: datetime
    event: str
    customer_id: UUID | None
    by: str
    where: str
    detail: Mapping[str, Any]
    entry: UUID | None = None
    """Of the journal entry it came of."""


class CardWrite(msgspec.Struct, frozen=True, gc=False):
    """A card to be stored, and whose doing it is. `made`: there was none before."""

    card: HeldCard
    by: str
    where: str
    made: bool


@dataclass(frozen=True, slots=True)
class EventLine:
    """A line of a card's history with its number; `detail` is JSON."""

    id: int
    at: datetime
    event: str
    customer_id: UUID | None
    by: str
    where: str
    detail: str | None


async def hold_cards(connection: Connection, numbers: Mapping[str, str]) -> Cards:
    """Holds these cards' locks rows until the end of the transaction and reads the cards: `numbers` by key, as they
    were typed. A card that is not there has version 0."""
    keys = sorted(numbers)
    locks = await connection.fetch(SQL["lock_rows"], keys)
    while len(locks) < len(keys):  # one that was long over may just have been tidied away
        await connection.execute(SQL["make_lock_rows"], keys)
        locks = await connection.fetch(SQL["lock_rows"], keys)
    lock_of = {row["number_key"]: _lock(row) for row in locks}
    cards = {key: HeldCard(numbers[key], lock=lock_of[key]) for key in keys}
    for row in await connection.fetch(SQL["hold_cards"], keys):
        cards[row["number_key"]] = held_of(row, lock_of[row["number_key"]])
    return Cards(await connection.fetchval(SQL["read_now"]), cards)


async def take_tokens(connection: Connection, count: int) -> list[int]:
    """So many fencing tokens, each higher than all before."""
    return [row["token"] for row in await connection.fetch(SQL["take_tokens"], count)]


async def cards_of(database: Database, customers: Collection[UUID]) -> dict[UUID, str]:
    """The key of the card that each of these customers has, if any (I5)."""
    rows = await database.fetch(SQL["cards_of"], list(customers))
    return {row["customer_id"]: row["number_key"] for row in rows}


async def owners_of(database: Database, keys: Collection[str]) -> set[UUID]:
    """The customers who have one of these cards, blocked ones too."""
    rows = await database.fetch(SQL["owners_of"], list(keys))
    return {row["customer_id"] for row in rows}


async def write_locks(connection: Connection, cards: Sequence[HeldCard]) -> None:
    """Stores the locks of cards that are held."""
    locks = [card.lock for card in cards]
    await connection.execute(
        SQL["write_locks"],
        [card.key for card in cards],
        [lock and lock.pos_id for lock in locks],
        [lock and lock.token for lock in locks],
        [lock and lock.until for lock in locks],
        [lock and lock.customer_id for lock in locks],
        [lock and lock.question for lock in locks],
    )


async def write_cards(connection: Connection, writes: Sequence[CardWrite]) -> None:
    """Stores cards that are held. Raises asyncpg.UniqueViolationError when a customer would have two (I5)."""
    made = [one for one in writes if one.made]
    changed = [one for one in writes if not one.made]
    for serves in (False, True):
        if some := [one for one in changed if one.card.serves == serves]:
            await _change(connection, some)
    if made:
        await connection.execute(
            SQL["make_cards"],
            [one.card.number for one in made],
            [one.card.form for one in made],
            [one.card.type for one in made],
            [one.card.state for one in made],
            [one.card.customer_id for one in made],
            [one.card.points for one in made],
            [one.card.reason for one in made],
            [one.card.reusable for one in made],
            [one.card.value for one in made],
            [one.card.token for one in made],
            [one.card.request_id for one in made],
            [one.card.version for one in made],
            [one.by for one in made],
            [one.where for one in made],
        )


async def _change(connection: Connection, writes: Sequence[CardWrite]) -> None:
    await connection.execute(
        SQL["change_cards"],
        [one.card.key for one in writes],
        [one.card.state for one in writes],
        [one.card.customer_id for one in writes],
        [one.card.reason for one in writes],
        [one.card.token for one in writes],
        [one.card.type for one in writes],
        [one.card.points for one in writes],
        [one.card.reusable for one in writes],
        [one.card.value for one in writes],
        [one.card.version for one in writes],
        [one.by for one in writes],
        [one.where for one in writes],
    )


async def add_events(connection: Connection, events: Sequence[CardEvent]) -> None:
    """Writes into the cards' history."""
    await connection.execute(
        SQL["add_events"],
        [one.key for one in events],
        [one.at for one in events],
        [one.event for one in events],
        [one.customer_id for one in events],
        [one.by for one in events],
        [one.where for one in events],
        [msgspec.json.encode(one.detail).decode() for one in events],
        [one.entry for one in events],
    )


async def applied_entries(
    connection: Connection, entries: Collection[UUID]
) -> set[tuple[UUID, str]]:
    """Which of these journal entries gave or blocked a card before, under whatever number they came then: the entry
    and the event."""
    rows = await connection.fetch(SQL["applied_entries"], list(entries))
    return {(row["entry"], row["event"]) for row in rows}


async def find_card(database: Database, key: str) -> HeldCard | None:
    row = await database.fetchrow(SQL["find_card"], key)
    return held_of(row, None) if row else None


async def list_cards(
    database: Database, customer_id: UUID | None, after: str | None, limit: int
) -> list[HeldCard]:
    """Cards by number, of one customer if given, after a key if given."""
    rows = await database.fetch(SQL["list_cards"], customer_id, after, limit)
    return [held_of(row, None) for row in rows]


async def load_history(
    database: Database, key: str, before: int | None, limit: int
) -> list[EventLine]:
    """The newest events of a card, older than line `before` if given."""
    rows = await database.fetch(SQL["history"], key, before, limit)
    return [
        EventLine(
            row["id"],
            row["at"],
            row["event"],
            row["customer_id"],
            row["changed_by"],
            row["changed_where"],
            row["detail"],
        )
        for row in rows
    ]


async def tidy(database: Database, days: int, limit: int) -> int:
    """Forgets locks long over, and what was asked more than so many days ago; how many lines of those."""
    forgotten: int = await database.fetchval(SQL["tidy"], days, limit)
    return forgotten


def held_of(row: Row, lock: Lock | None) -> HeldCard:
    """A card from a row of the table."""
    return HeldCard(
        row["number"], row["version"], row["form"], row["type"], row["state"], row["customer_id"], row["points"],
        row["reason"], row["reusable"], row["value"], row["token"], row["request_id"], lock,
    )  # fmt: skip


def _lock(row: Row) -> Lock | None:
    if row["token"] is None:
        return None
    return Lock(row["pos_id"], row["token"], row["until"], row["customer_id"], row["question"])
