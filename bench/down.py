"""The way down: an empty till filling up, and changes arriving at a full one."""

import asyncio
import sqlite3
import time
from pathlib import Path
from statistics import median

import asyncpg

from bench.floors_bus import raw_consume
from bench.floors_store import sqlite_insert_floor
from bench.stand import LOOK_S, Stand, is_complete, wait_numbered
from erp_node.pages import KEPT_S
from ops.clients import Client, until

ROUNDS = 3
"""Of each figure: a single one of a few seconds tells what else the machine did in them."""

CHANGE_BYTES = 1_300
"""A change of one customer as a message of its own: record, words, envelope."""


async def initial_sync_vs_sqlite_insert(stand: Stand) -> tuple[float, float, str]:
    """Seconds from a running, empty till to complete and searchable, over plain inserts of the same rows.

    Both in turn, the middle of each; the ERP has forgotten the pages of one load when the next begins.
    """
    products, floors = list[float](), list[float]()
    for _ in range(ROUNDS):
        await stand.empty_till()
        products.append(await stand.start_till())
        forgotten = time.monotonic() + KEPT_S
        memory = peak_memory_mb(stand.till.process.pid)
        await stand.settle()
        rows = read_rows(till_file(stand))
        floors.append(await asyncio.to_thread(sqlite_insert_floor, rows, stand.folder))
        await asyncio.sleep(max(0.0, forgotten - time.monotonic()))
    product = median(products)
    seconds = ", ".join(f"{one:.2f}" for one in products)
    return (
        product,
        median(floors),
        f"{len(rows):,} rows, {len(rows) / product:,.0f}/s; loads of {seconds} s;"
        f" till's peak memory {memory:.0f} MB",
    )


async def propagation_vs_raw_consume(stand: Stand) -> tuple[float, float, str]:
    """Changes per second from the ERP's committed rows to the till's searchable ones; in turn with the floor, the
    middle of each.

    The changes are committed while the ERP process stands still; the clock runs from its going on
    to the till having applied the last.
    """
    await stand.start_till()
    products, floors = list[float](), list[float]()
    count = min(50_000, stand.customers // 2)
    for _ in range(ROUNDS):
        await stand.settle()
        floors.append(await raw_consume(stand.admin_url, 20_000, CHANGE_BYTES))
        products.append(await _propagate(stand, count))
    rates = ", ".join(f"{one:,.0f}" for one in products)
    return median(products), median(floors), f"{count:,} changes; rounds of {rates}/s"


async def _propagate(stand: Stand, count: int) -> float:
    """Changes per second of so many, at most as the till has customers."""
    stand.system.erp.pause()
    try:
        changed = await _change(stand.system.dsn, stand.till.centre, count)
    finally:
        stand.system.erp.resume()
    began = time.perf_counter()
    await _arrived(stand)
    return changed / (time.perf_counter() - began)


def peak_memory_mb(pid: int) -> float:
    """The most memory a process has held, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"no VmHWM of process {pid}")


def till_file(stand: Stand) -> Path:
    """The till's database."""
    return next(stand.till.folder.glob("*.db"))


def read_rows(file: Path) -> list[tuple[object, ...]]:
    """All customers of a till as tuples, ready to be inserted."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT * FROM customer").fetchall()
    finally:
        connection.close()


async def _change(dsn: str, centre: str, count: int) -> int:
    """Changes a field of so many customers of a centre, one statement; how many those were."""
    connection = await asyncpg.connect(dsn)
    try:
        status: str = await connection.execute(
            """
            UPDATE customer SET record = record || jsonb_build_object('extra_phone', '+33 6 ' || version)
            WHERE id IN (
                SELECT id FROM customer
                WHERE state = 'active' AND is_customer AND (everywhere OR $1 = ANY (centres))
                LIMIT $2
            )
            """,
            centre, count, timeout=600,
        )  # fmt: skip
        await connection.execute("VACUUM (ANALYZE) customer", timeout=600)
    finally:
        await connection.close()
    return int(status.split()[1])


async def _arrived(stand: Stand) -> None:
    """Returns when the till has applied every change."""
    client = Client(stand.till.url)
    try:
        await wait_numbered(stand.system)
        wanted = await _heads(stand.system.dsn)
        await until(
            lambda: client.get("/status"),
            lambda s: (
                is_complete(s)
                and all(one["cursor"] >= wanted.get(one["scope"], 0) for one in s["scopes"])
            ),
            "changes applied",
            600,
            every=LOOK_S,
        )
    finally:
        await client.close()


async def _heads(dsn: str) -> dict[str, int]:
    connection = await asyncpg.connect(dsn)
    try:
        return {
            row["scope"]: row["head"] for row in await connection.fetch("SELECT * FROM feed_scope")
        }
    finally:
        await connection.close()
