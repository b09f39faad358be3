"""Storing rows: what they are about is looked up and locked, decided, and written, a batch at a time."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from contracts.customers import code_key
from erp_node.customers import Actor, history_of
from erp_node.imports.merge import has_other_code, identify, merge_row, taken, unknown_centre
from erp_node.imports.rows import Row
from erp_node.imports.stored import Fault, Stored, cannot_store, store_good
from erp_node.store import customers as store
from erp_node.store.customers import Held, Write
from erp_node.store.pool import Connection, Pool
from erp_node.store.transaction import transact


@dataclass
class Seen:
    """The lines that codes and customers of the file stand in: of two for one, the first counts.

    Batches are decided in turn, so that the first line is the first one in the file.
    """

    codes: dict[str, int] = field(default_factory=dict)
    ids: dict[UUID, int] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def fault(self, row: Row) -> Fault | None:
        """Whether an earlier line has this row's code; remembers it otherwise."""
        first = self.codes.setdefault(code_key(row.record.code), row.line)
        return None if first == row.line else Fault("code", f"line {first} has the same code")

    def fault_of_id(self, customer_id: UUID, row: Row) -> Fault | None:
        """Whether an earlier line is about this customer; remembers it otherwise."""
        first = self.ids.setdefault(customer_id, row.line)
        return (
            None if first == row.line else Fault("id", f"line {first} is about the same customer")
        )


async def store_rows(
    pool: Pool, rows: Sequence[Row], seen: Seen, actor: Actor, centres: Collection[str] = ()
) -> Stored:
    """Stores the good ones of these rows. Raises what the database raises when it is not their fault.

    `centres`: those there are; none: any may be named.
    """
    faults = [(row, unknown_centre(row, centres) or seen.fault(row)) for row in rows]
    twice = Stored(bad=[fault.of(row) for row, fault in faults if fault])

    async def together(some: Sequence[Row]) -> Stored:
        return await _store_together(pool, some, seen, actor)

    return twice.plus(
        await store_good([row for row, fault in faults if not fault], together, _fault)
    )


def _fault(row: Row, error: Exception) -> Fault:
    match error:
        case asyncpg.UniqueViolationError(constraint_name="customer_code"):
            return taken(row.record.code)
        case _:
            return cannot_store(error)


async def _store_together(pool: Pool, rows: Sequence[Row], seen: Seen, actor: Actor) -> Stored:
    return await transact(pool, lambda connection: _store(connection, rows, seen, actor))


async def _store(connection: Connection, rows: Sequence[Row], seen: Seen, actor: Actor) -> Stored:
    async with seen.turn:
        known, held = await _identify(connection, rows)
        decided = [(row, _decide(row, found, held, seen)) for row, found in known]
    changed = [(held.get(one.id), one) for _, one in decided if isinstance(one, Held)]
    await _write(connection, changed, actor)
    return Stored(
        created=sum(before is None for before, _ in changed),
        changed=sum(before is not None and before != after for before, after in changed),
        unchanged=sum(before == after for before, after in changed),
        bad=[one.of(row) for row, one in decided if isinstance(one, Fault)],
    )


async def _identify(
    connection: Connection, rows: Sequence[Row]
) -> tuple[list[tuple[Row, UUID | Fault]], dict[UUID, Held]]:
    """Whom the rows are about, and those of them there are, locked.

    Codes are looked up before the rows are locked, and ids are made of codes: whoever turns out to have
    another code than the row is not the one it is about, and the codes are looked up again.
    """
    held: dict[UUID, Held] = {}
    asked: set[UUID] = set()
    while True:
        owners = await store.code_owners(connection, (row.record.code for row in rows))
        known = [(row, identify(row, owners, held)) for row in rows]
        ids = {found for _, found in known if isinstance(found, UUID)} - asked
        held |= await store.lock_customers(connection, ids)
        asked |= ids
        if not ids or not any(_is_another(row, found, held) for row, found in known):
            return known, held


def _is_another(row: Row, found: UUID | Fault, held: dict[UUID, Held]) -> bool:
    there = held.get(found) if isinstance(found, UUID) and row.placing.id is None else None
    return there is not None and has_other_code(there, row.record.code)


def _decide(row: Row, found: UUID | Fault, held: dict[UUID, Held], seen: Seen) -> Held | Fault:
    if isinstance(found, Fault):
        return found
    try:
        merged = merge_row(row, found, held.get(found))
    except ValidationError:
        return Fault("", "what is stored of this customer cannot be read")
    return seen.fault_of_id(found, row) or merged


async def _write(
    connection: Connection, changed: Sequence[tuple[Held | None, Held]], actor: Actor
) -> None:
    made = [after for before, after in changed if before is None]
    edited = [(before, after) for before, after in changed if before and before != after]
    if edited:
        writes = [_as_write(after, actor, before) for before, after in edited]
        await store.update_customers(connection, writes)
        lines = [line for before, after in edited for line in history_of(before, after, actor)]
        await store.add_history(connection, lines)
    if made:
        made.sort(key=lambda one: one.code)
        await store.insert_customers(connection, [_as_write(one, actor) for one in made])


def _as_write(held: Held, actor: Actor, before: Held | None = None) -> Write:
    return Write(held, actor.name, actor.where, actor.at, before)
