"""Reading customers for tills that ask: connections of their own, and one plan per statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from contracts.matching import RULE, words_of
from erp_node.breadth import Frequencies, Plan
from erp_node.store.customers import Held, held_of
from erp_node.store.pool import SERVER_SETTINGS, Connection, Database, Pool, Row
from erp_node.store.queries import load_sql
from erp_node.store.steady import SteadyPool

SQL = load_sql("search.sql")

# A plan made for one phrase costs more than the search, and may trust statistics that are wrong for
# the next one; without sequential scans only the index is left, whatever the phrase.
_SETTINGS = SERVER_SETTINGS | {
    "application_name": "comptoir-erp-questions",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "max_parallel_workers_per_gather": "0",
    "statement_timeout": "60s",
}


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A customer that a search found; `text` is its record as JSON."""

    id: UUID
    version: int
    everywhere: bool
    centres: Sequence[str]
    editors: Sequence[str] | None
    text: str

    def usable_at(self, centre: str) -> bool:
        return self.everywhere or centre in self.centres

    def editable_at(self, centre: str) -> bool:
        return self.usable_at(centre) and (self.editors is None or centre in self.editors)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A complete customer with its words under the present rule."""

    held: Held
    words: Sequence[str]


async def open_question_pool(dsn: str, *, min_size: int = 1, max_size: int = 8) -> Pool:
    """Opens the connections for questions of tills: no import or journal stands before a cashier there.

    Nothing on them may change the session's settings: they are not reset between uses.
    Raises OSError or asyncpg.PostgresError when the server cannot be reached.
    """
    return await SteadyPool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        loop=None,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        command_timeout=60.0,
        server_settings=_SETTINGS,
        reset=_leave_as_is,
    )


async def _leave_as_is(connection: Connection) -> None:
    """Saves a round trip per question."""


async def search(
    database: Database, plan: Plan, *, limit: int, timeout: float | None = None
) -> list[FoundRow]:
    """The first active customers a plan finds, in no order. Raises TimeoutError after `timeout` seconds."""
    if plan.indexed is None:
        rows = await database.fetch(SQL["search_all"], limit, timeout=timeout)
    elif plan.look_pages:
        rows = await database.fetch(
            SQL["search_looking_first"],
            plan.indexed,
            plan.checked,
            limit,
            (plan.look_pages, 0),
            timeout=timeout,
        )
    else:
        rows = await database.fetch(
            SQL["search"], plan.indexed, plan.checked, limit, timeout=timeout
        )
    return [_found(row) for row in rows]


def _found(row: Row) -> FoundRow:
    return FoundRow(
        row["id"], row["version"], row["everywhere"], row["centres"], row["editors"], row["record"]
    )


async def load_frequencies(database: Database) -> Frequencies:
    """What PostgreSQL last counted; nothing is known of a table never analysed."""
    row = await database.fetchrow(SQL["load_frequencies"])
    assert row is not None
    return Frequencies(row["rows"], row["pages"], row["lexemes"] or (), row["shares"] or ())


async def clean_index(database: Database) -> None:
    """Brings the word index in order: what was written last stands in a list that every search reads."""
    await database.execute(SQL["clean_index"])


async def count_words(database: Database) -> None:
    """Counts words anew; PostgreSQL does so by itself only some time after many rows changed."""
    await database.execute(SQL["count_words"])


async def fetch(
    database: Database, customer_id: UUID, *, timeout: float | None = None
) -> Fetched | None:
    """One complete customer. Words not yet written for the present rule are made here."""
    row = await database.fetchrow(SQL["fetch"], customer_id, timeout=timeout)
    if row is None:
        return None
    held = held_of(row)
    if row["words"] is not None and row["rule"] == RULE:
        return Fetched(held, row["words"])
    return Fetched(held, words_of(held.customer))


async def code_taken(
    database: Database, code: str, besides: UUID | None, *, timeout: float | None = None
) -> bool:
    """Whether another customer than `besides` has this code (CUST-3)."""
    return bool(await database.fetchval(SQL["code_taken"], code, besides, timeout=timeout))
