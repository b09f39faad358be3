"""What plain SQLite and plain PostgreSQL do: the floors the stores' figures are compared to."""

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

TRANSACTION_BYTES = 1_024


def sqlite_insert_floor(rows: Sequence[tuple[object, ...]], folder: Path) -> float:
    """Seconds SQLite takes to insert ready tuples into one plain table of a new file, and to commit them.

    No index, no key of its own, one transaction, `executemany`; WAL and synchronous=NORMAL, the
    quickest that keeps the file sound when the process dies. Reading or making the rows is not counted.
    """
    path = folder / f"floor-{uuid4().hex}.db"
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        names = [f"c{place}" for place in range(len(rows[0]) if rows else 1)]
        connection.execute(f"CREATE TABLE plain ({', '.join(names)})")
        marks = ", ".join("?" * len(names))
        began = time.perf_counter()
        connection.execute("BEGIN")
        connection.executemany(f"INSERT INTO plain VALUES ({marks})", rows)
        connection.execute("COMMIT")
        return time.perf_counter() - began
    finally:
        connection.close()
        for made in folder.glob(f"{path.name}*"):
            made.unlink()


def sqlite_like(
    path: Path, table: str, phrases: Iterable[str], column: str = "record"
) -> list[float]:
    """Seconds of each phrase looked for with `LIKE '%phrase%'` in one column of a table.

    What a list without an index costs: SQLite reads every row, since the first ones by name are known
    only then; the rows found are counted, not fetched. `%` and `_` in a phrase count as themselves.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    sql = f"SELECT count(*) FROM {table} WHERE {column} LIKE ? ESCAPE '\\'"
    try:
        latencies = []
        for phrase in phrases:
            began = time.perf_counter()
            connection.execute(sql, (f"%{_escaped(phrase)}%",)).fetchone()
            latencies.append(time.perf_counter() - began)
        return latencies
    finally:
        connection.close()


async def raw_pg_transactions(dsn: str, seconds: float) -> float:
    """One-statement transactions per second over one asyncpg connection, one after the other.

    Each writes a row of about 1 KiB (half of them new, half of them changed ones) into a plain table
    with a primary key, and is committed as the server is set up to commit. The table is removed.
    """
    connection = await asyncpg.connect(dsn)
    table = f"floor_{uuid4().hex}"
    try:
        await connection.execute(
            f"CREATE TABLE {table} (id uuid PRIMARY KEY, version bigint, record jsonb)"
        )
        try:
            return await _write_for(connection, table, seconds)
        finally:
            await connection.execute(f"DROP TABLE {table}")
    finally:
        await connection.close()


async def _write_for(connection: asyncpg.Connection, table: str, seconds: float) -> float:
    """Writes until the time is over; transactions per second."""
    upsert = await connection.prepare(
        f"INSERT INTO {table} AS t (id, version, record) VALUES ($1, 1, $2)"
        " ON CONFLICT (id) DO UPDATE SET version = t.version + 1, record = excluded.record"
    )
    done, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        record = json.dumps(
            {"code": f"C{done}", "text": f"{done:x}".ljust(TRANSACTION_BYTES - 30, "x")}
        )
        await upsert.fetch(UUID(int=done // 2), record)
        done += 1
    return done / passed


def _escaped(phrase: str) -> str:
    for sign in "\\%_":
        phrase = phrase.replace(sign, f"\\{sign}")
    return phrase
