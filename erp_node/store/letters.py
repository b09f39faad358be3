"""Rows of the outbox of letters: put in by whoever decides, taken out by whoever sends, once (CARD-9)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from erp_node.store.pool import Connection, Database
from erp_node.store.queries import load_sql

SQL = load_sql("letters.sql")

LetterState = Literal["waiting", "sending", "sent", "unsure", "given_up"]
"""`unsure`: it may have been sent, or not; `given_up`: it was not."""

TOLD_DAYS = 7
"""For so long operators are told of a letter that was not sent."""


class Letter(msgspec.Struct, frozen=True, gc=False):
    """An e-mail to be written to a customer about a virtual card (CARD-9)."""

    request_id: UUID
    key: str
    customer_id: UUID
    language: str


@dataclass(frozen=True, slots=True)
class DueLetter:
    """A letter that one process has taken: the first, second … attempt at it. `until`: when it counts as lost;
    `number`: None when the card is blocked or no longer the customer's; `now`: the ERP's clock."""

    request_id: UUID
    customer_id: UUID
    language: str
    attempt: int
    until: datetime
    now: datetime
    number: str | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a letter is after an attempt, why, and in how many seconds it is due again, if it waits."""

    state: LetterState
    reason: str | None = None
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LetterStanding:
    """How a letter is. `wanted_at`: when it was asked for; `due_at`: of a waiting one, when it is tried next."""

    request_id: UUID
    key: str
    customer_id: UUID
    state: LetterState
    reason: str | None
    attempts: int
    wanted_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class LeftLetters:
    """Letters that are not sent for one reason: how many, the card of one of them, since when."""

    state: LetterState
    reason: str | None
    count: int
    key: str
    since: datetime


async def add_letters(connection: Connection, letters: Iterable[Letter]) -> None:
    """Puts letters into the outbox, once per request."""
    some = list(letters)
    await connection.execute(
        SQL["add_letters"],
        [one.request_id for one in some],
        [one.key for one in some],
        [one.customer_id for one in some],
        [one.language for one in some],
    )


async def is_any_due(database: Database) -> bool:
    found: bool = await database.fetchval(SQL["any_due"])
    return found


async def take_due(database: Database, lasts_s: float) -> DueLetter | None:
    """Takes the letter that waits longest, for so many seconds; committed unless in a transaction."""
    row = await database.fetchrow(SQL["take_due"], lasts_s)
    if row is None:
        return None
    return DueLetter(
        row["request_id"], row["customer_id"], row["language"], row["attempts"], row["due_at"], row["now"],
        row["number"],
    )  # fmt: skip


async def settle(database: Database, due: DueLetter, settled: Settlement) -> bool:
    """Writes what became of a letter that was taken; False when it counts as lost already."""
    mine = await database.fetchval(
        SQL["settle"], due.request_id, due.until, settled.state, settled.reason, settled.pause_s
    )
    return mine is not None


async def find_lost(database: Database, reason: str) -> list[UUID]:
    """Letters that were taken and never settled: from now on nobody knows whether they were sent."""
    return [row["request_id"] for row in await database.fetch(SQL["find_lost"], reason)]


async def hold_due(connection: Connection, limit: int) -> list[tuple[UUID, int]]:
    """Letters that are due, held until the end of the transaction, each with the attempts so far."""
    rows = await connection.fetch(SQL["hold_due"], limit)
    return [(row["request_id"], row["attempts"]) for row in rows]


async def put_off(connection: Connection, settled: Sequence[tuple[UUID, Settlement]]) -> None:
    """Counts an attempt at letters that are held."""
    await connection.execute(
        SQL["put_off"],
        [request_id for request_id, _ in settled],
        [one.state for _, one in settled],
        [one.reason for _, one in settled],
        [one.pause_s for _, one in settled],
    )


async def put_back(database: Database, request_id: UUID) -> LetterState | None:
    """Makes a letter due as if it were new, unless it is being sent; as what it was found, None if there is none."""
    state: LetterState | None = await database.fetchval(SQL["put_back"], request_id)
    return state


async def find_letter(database: Database, request_id: UUID) -> LetterStanding | None:
    """How the letter of a request is, if there is one."""
    row = await database.fetchrow(SQL["find_letter"], request_id)
    return LetterStanding(*row) if row else None


async def list_letters(
    database: Database, state: LetterState | None, after: UUID | None, limit: int
) -> list[LetterStanding]:
    """Letters, of one state if given, the longest wanted first, behind that of a request if given."""
    rows = await database.fetch(SQL["list_letters"], state, after, limit)
    return [LetterStanding(*row) for row in rows]


async def list_left(database: Database, waiting_s: float) -> list[LeftLetters]:
    """Letters that wait for longer than so many seconds, and those of the last TOLD_DAYS days that were not, or
    perhaps not sent."""
    rows = await database.fetch(SQL["list_left"], waiting_s, TOLD_DAYS)
    return [LeftLetters(*row) for row in rows]
