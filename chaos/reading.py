"""Both ends at the end, read beside their processes, with what the simulation reads them with."""

import asyncio

import asyncpg

from chaos.node import Till
from chaos.witness import look_into
from chaos.world import World
from simulation.checkers.observed import ErpSeen, Seen, TillSeen
from simulation.observing import ERP_QUERIES, observe_erp, observe_till


async def read_both(world: World) -> Seen:
    """What the ERP's database and every till's file hold. Raises what their drivers raise."""
    erp = await _read_erp(world.dsn)
    tills = [await asyncio.to_thread(_read_till, till) for till in world.tills]
    return Seen(erp, tuple(tills))


async def read_customers(dsn: str) -> tuple[list[str], list[str]]:
    """Ids and names of all customers, in order."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT id, coalesce(record ->> 'last_name', record ->> 'name') AS name"
            " FROM customer ORDER BY id"
        )
    finally:
        await connection.close()
    return [str(row["id"]) for row in rows], [row["name"] for row in rows]


async def _read_erp(dsn: str) -> ErpSeen:
    """All of one moment."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = {
                query: [dict(row) for row in await connection.fetch(query)] for query in ERP_QUERIES
            }
    finally:
        await connection.close()
    return observe_erp(rows.__getitem__)


def _read_till(till: Till) -> TillSeen:
    with look_into(till.file) as connection:
        connection.execute("BEGIN")
        return observe_till(till.address, connection)
