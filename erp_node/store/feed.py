"""Marks, numbers and pages in PostgreSQL; the SQL says how."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from contracts.cards import Card, CardStopped
from contracts.topology import TillAddress
from erp_node.entries import Progress
from erp_node.store.pool import Connection, Database, Pool, Row
from erp_node.store.queries import load_sql

SQL = load_sql("feed.sql")

_UNIT = "\x1f"


@dataclass(frozen=True, slots=True)
class Unworded:
    """A customer whose record was written without its words.

    `words`: those of an earlier version, if they are known together with the fields that changed since.
    """

    id: UUID
    version: int
    record: str
    words: tuple[str, ...] | None = None
    changed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Worded:
    """The words of one version of a customer."""

    id: UUID
    version: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A customer that cannot be sent to tills in this version, and why."""

    customer_id: UUID
    version: int
    reason: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A till's progress row that was numbered: up to where its entries' outcome is numbered too."""

    pos_id: str
    entity: UUID
    applied_seq: int


@dataclass(frozen=True, slots=True)
class Numbered:
    """What one pass numbered in one scope: the places `(after, head]`, at most `rows` rows, `added` of them for
    entities that were not in the feed before."""

    scope: str
    after: int
    head: int
    rows: int
    added: int


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass saw and did: it looked at `marks` marks; `waiting` entities stay marked."""

    marks: int
    waiting: int
    numbered: tuple[Numbered, ...]
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class FeedState:
    """Where a scope stands; `erasures` grows when a customer is deleted or anonymised."""

    epoch: str
    head: int
    erasures: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Which rows of a scope to read: after a place, some of them only."""

    scope: str
    after: int
    limit: int
    bucket: int | None = None
    only_present: bool = False


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of one scope as they are in a page, joined by commas, and where that leaves a reader.

    `last`: the place of the last row, `after` without any; `complete`: no row comes after these.
    """

    scope: str
    after: int
    last: int
    complete: bool
    entries: int
    state: FeedState
    rows: bytes


@dataclass(frozen=True, slots=True)
class Sums:
    """Rows and hashes of one scope added up per bucket, at one moment; sums are signed."""

    epoch: str
    head: int
    buckets: tuple[tuple[int, int, int], ...]


async def begin_pass(connection: Connection) -> str | None:
    """Waits to be the only one numbering, until the transaction ends; a new epoch if there must be one."""
    await connection.execute(SQL["begin_pass"])
    renewed: str | None = await connection.fetchval(SQL["renew_epoch_after_failover"])
    return renewed


async def read_unworded(
    connection: Connection, marks: int, rule: int, behind: int = 0
) -> list[Unworded]:
    """Customers without words of a rule among those of the next marks, `behind` so many others."""
    rows = await connection.fetch(SQL["read_unworded"], marks, behind, rule)
    return [_unworded(row) for row in rows]


async def read_any_unworded(connection: Connection, limit: int) -> list[Unworded]:
    """Any customers without words."""
    rows = await connection.fetch(SQL["read_any_unworded"], limit)
    return [_unworded(row) for row in rows]


def _unworded(row: Row) -> Unworded:
    """Earlier words say nothing without all the fields that changed since; an empty name stands for any."""
    id, version, record, words, changed = row
    fields = changed.split(" ") if words is not None and changed else [""]
    if "" in fields:
        return Unworded(id, version, record)
    return Unworded(id, version, record, tuple(words), frozenset(fields))


async def put_words(connection: Connection, made: Sequence[Worded], rule: int) -> None:
    """Keeps the words of customers, as made under a rule; in the search they stand later (index_words)."""
    ids, versions = [one.id for one in made], [one.version for one in made]
    words = [_UNIT.join(one.words) for one in made]
    await connection.execute(SQL["put_words"], ids, versions, words, rule)
    await connection.execute(SQL["forget_word_marks"], ids, versions)


async def index_words(connection: Connection, limit: int) -> int:
    """Puts words into the search that were only kept so far; how many."""
    indexed: int = await connection.fetchval(SQL["index_words"], limit)
    return indexed


async def clear_troubles(connection: Connection) -> None:
    """Forgets troubles of versions that are no more."""
    await connection.execute(SQL["clear_trouble"])


async def put_troubles(connection: Connection, troubles: Sequence[Trouble]) -> None:
    """Notes customers that cannot be sent, for operators."""
    await connection.execute(
        SQL["put_trouble"],
        [one.customer_id for one in troubles],
        [one.version for one in troubles],
        [one.reason for one in troubles],
    )


async def list_troubles(database: Database, limit: int = 200) -> list[Trouble]:
    """Customers that cannot be sent to tills, newest first."""
    rows = await database.fetch(SQL["list_trouble"], limit)
    return [Trouble(row["customer_id"], row["version"], row["reason"], row["at"]) for row in rows]


async def number_marks(connection: Connection, limit: int, record_bytes: int) -> Pass:
    """Numbers what the next marks stand for; records larger than `record_bytes` become troubles."""
    rows = await connection.fetch(SQL["number_marks"], limit, record_bytes)
    touched = [row for row in rows if row["scope"] is not None]
    return Pass(
        rows[0]["marks"],
        rows[0]["waiting"],
        tuple(
            Numbered(row["scope"], row["before"], row["head"], row["rows"], row["first_times"])
            for row in touched
        ),
        tuple(
            Told(row["scope"].removeprefix("pos."), entity, applied)
            for row in touched
            for entity, applied in zip(row["entities"] or (), row["applied"] or (), strict=True)
        ),
    )


async def put_progress(connection: Connection, told: Sequence[Told]) -> None:
    """Fixes what progress rows say: how far, by which entry, and the heads of the till's scopes as they are now."""
    rows = await connection.fetch(SQL["tills_of_progress"], [one.pos_id for one in told])
    scopes = {
        row["pos_id"]: TillAddress(row["pos_id"], row["centre"], full=row["whole"]).scopes
        for row in rows
    }
    every = {scope for some in scopes.values() for scope in some}
    heads = {
        row["scope"]: row["head"] for row in await connection.fetch(SQL["heads_of"], list(every))
    }
    applied = {one.entity: one.applied_seq for one in told}
    lines = [
        (
            row["entity"],
            row["pos_id"],
            row["epoch"],
            applied[row["entity"]],
            Progress(row["applied_seq"], row["last_hash"] or "").content_of(applied[row["entity"]]),
            _json({scope: heads[scope] for scope in scopes[row["pos_id"]] if scope in heads}),
        )
        for row in rows
        if row["entity"] in applied
    ]
    if lines:
        columns = [list(column) for column in zip(*lines, strict=True)]
        await connection.execute(SQL["put_progress"], *columns)


async def read_stops(database: Database, after: int, head: int, limit: int) -> list[CardStopped]:
    """Cards whose block was numbered behind a place and up to another in the feed of everybody (CARD-12)."""
    rows = await database.fetch(SQL["read_stops"], after, head, limit)
    return [
        CardStopped(
            version=row["version"], card=Card.model_validate_json(row["wire"]), at=row["changed_at"]
        )
        for row in rows
    ]


async def count_marks(connection: Connection, limit: int) -> int:
    """How many marks wait, counted up to a limit."""
    found: int = await connection.fetchval(SQL["count_marks"], limit)
    return found


async def oldest_mark(database: Database) -> int | None:
    """The oldest change that is not numbered yet; None when all are."""
    found: int | None = await database.fetchval(SQL["oldest_mark"])
    return found


async def count_unworded(database: Database, limit: int) -> int:
    """How many changes of customers wait for their words, counted up to a limit."""
    found: int = await database.fetchval(SQL["count_unworded"], limit)
    return found


async def analyse(connection: Connection) -> None:
    """Has the planner look at the feeds again."""
    await connection.execute("ANALYZE feed_entry")


async def read_state(database: Database, scope: str) -> FeedState:
    """Where a scope stands now; 0 when nothing was ever numbered in it."""
    row = await database.fetchrow(SQL["state_of"], scope)
    assert row is not None
    return FeedState(row["epoch"], row["head"], row["erasures"])


async def renew_epoch(database: Database, epoch: str) -> str | None:
    """Numbers the feeds anew, unless somebody just did; the new epoch if so."""
    renewed: str | None = await database.fetchval(SQL["renew_epoch"], epoch)
    return renewed


async def read_rows(
    pool: Pool, readings: Sequence[Reading], page_bytes: int, record_bytes: int
) -> list[Stretch]:
    """Reads pages, one per reading in their order, about `page_bytes` each at most, of one moment.

    All readings must agree on limit, bucket and only_present.
    """
    one = readings[0]
    scopes = [reading.scope for reading in readings]
    places = [reading.after for reading in readings]
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        states = await connection.fetch(SQL["begin_reading"], scopes)
        rows = await connection.fetch(
            SQL["read_rows"],
            scopes,
            places,
            one.limit,
            page_bytes,
            one.bucket,
            one.only_present,
            record_bytes,
        )
    found: list[list[Row]] = [[] for _ in readings]
    for row in rows:
        found[row["number"] - 1].append(row)
    return [
        _stretch(reading, state, mine)
        for reading, state, mine in zip(readings, states, found, strict=True)
    ]


def _stretch(reading: Reading, state: Row, rows: Sequence[Row]) -> Stretch:
    kept = [row for row in rows if row["kept"]]
    last = kept[-1]["seq"] if kept else reading.after
    return Stretch(
        scope=reading.scope,
        after=reading.after,
        last=last,
        complete=len(kept) == len(rows) < reading.limit or last >= state["head"],
        entries=state["entries"],
        state=FeedState(state["epoch"], state["head"], state["erasures"]),
        rows=b",".join([row["text"] for row in kept if row["text"] is not None]),
    )


async def add_up(database: Database, scope: str) -> Sums:
    """Counts and sums of a scope's hashes per bucket (SYNC-6)."""
    rows = await database.fetch(SQL["add_up"], scope)
    return Sums(
        rows[0]["epoch"],
        rows[0]["head"],
        tuple((row["bucket"], row["rows"], int(row["sum"])) for row in rows if row["bucket"] >= 0),
    )


async def read_heads(database: Database) -> dict[str, FeedState]:
    """Where every scope stands that a till may follow."""
    rows = await database.fetch(SQL["all_heads"])
    return {row["scope"]: FeedState(row["epoch"], row["head"], row["erasures"]) for row in rows}


def _json(heads: dict[str, int]) -> str:
    return msgspec.json.encode(heads).decode()
