"""The stores' floors measure what they say, and leave nothing behind."""

import sqlite3
from pathlib import Path

import asyncpg

from bench.floors_store import raw_pg_transactions, sqlite_insert_floor, sqlite_like
from tests.databases import Database


def test_bench_inserting_takes_longer_for_more_rows_and_leaves_no_file(folder: Path) -> None:
    rows = [(number, b"x" * 16, "y" * 500, None) for number in range(20_000)]
    few = min(sqlite_insert_floor(rows[:200], folder) for _ in range(3))
    many = sqlite_insert_floor(rows, folder)
    assert 0 < few < many
    assert list(folder.iterdir()) == []


def test_bench_like_reads_all_rows_and_takes_signs_as_they_are(folder: Path) -> None:
    path = folder / "some name.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customer (record TEXT, words TEXT)")
        connection.executemany(
            "INSERT INTO customer VALUES (?, '')", [(f"{n}" * 200,) for n in range(20_000)]
        )
    connection.close()
    latencies = sqlite_like(path, "customer", ["12", "%", "no_", "\\", "'"])
    assert len(latencies) == 5
    assert min(latencies) > 0.000_5
    assert len(sqlite_like(path, "customer", ["12"], column="words")) == 1


async def test_bench_transactions_are_counted_and_the_table_is_removed(database: Database) -> None:
    rate = await raw_pg_transactions(database.dsn, 0.3)
    assert 20 < rate < 100_000
    connection = await asyncpg.connect(database.dsn)
    try:
        assert (
            await connection.fetchval("SELECT count(*) FROM pg_class WHERE relname LIKE 'floor%'")
            == 0
        )
    finally:
        await connection.close()
