"""The list while typing, beside LIKE on the same table."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from statistics import median

from bench.down import till_file
from bench.floors_store import sqlite_like
from bench.stand import Stand
from contracts.search import Criteria
from pos_node.lists import list_customers
from pos_node.store.database import Database

LIMIT = 50
ROUNDS = 5
"""Each phrase so often, on both sides: of a thousand answers in a second ten are late when something else wakes up."""


async def local_search_vs_like(stand: Stand) -> tuple[float, float, str]:
    """p99 of what is typed letter by letter, from two letters on: through the till's reading thread, first page.

    On a copy of the till's file, in a process of its own: the till has stopped, and the ERP, which stands on
    another machine than a till, is held.
    """
    await stand.start_till()
    await stand.settle()
    copy = stand.folder / "listing" / "customers.db"
    await asyncio.to_thread(copy_database, till_file(stand), copy)
    await stand.stop_till()
    await asyncio.to_thread(os.sync)
    stand.system.erp.pause()
    try:
        return await _measure(copy, 60 if stand.quick else 150, stand.customers)
    finally:
        stand.system.erp.resume()


async def _measure(copy: Path, people: int, customers: int) -> tuple[float, float, str]:
    store = Database(copy)
    await store.open()
    try:
        phrases = await store.read(typed_phrases, people)
        for phrase in phrases[:50]:
            await _ask(store, phrase)
        typed = [[await _ask(store, phrase) for phrase in phrases] for _ in range(ROUNDS)]
    finally:
        await store.close()
    words = [phrase.split()[-1] for phrase in phrases]
    some = words[:: max(1, len(words) // (100 if customers <= 200_000 else 20))]
    floor = [
        await asyncio.to_thread(sqlite_like, copy, "customer", some, "words") for _ in range(ROUNDS)
    ]
    middle, longest = at(medians(typed), 0.99) * 1000, max(chain(*typed)) * 1000
    note = (
        f"{len(phrases)} phrases {ROUNDS} times; of each phrase's median p99 {middle:.1f} ms,"
        f" longest answer {longest:.1f} ms"
    )
    return at(chain(*typed), 0.99), at(chain(*floor), 0.99), note


async def _ask(store: Database, phrase: str) -> float:
    """Seconds until the list answers."""
    began = time.perf_counter()
    await store.read(list_customers, Criteria(phrase=phrase), LIMIT)
    return time.perf_counter() - began


def medians(rounds: Sequence[Sequence[float]]) -> list[float]:
    """What each phrase took, in the middle of its rounds."""
    return [median(times) for times in zip(*rounds, strict=True)]


def typed_phrases(connection: sqlite3.Connection, people: int) -> list[str]:
    """What is typed to find some people: the name letter by letter from two on, then a town's first letters."""
    rows = connection.execute(
        "SELECT words FROM customer WHERE words IS NOT NULL ORDER BY id LIMIT ?", (people,)
    )
    phrases: list[str] = []
    for (words,) in islice(rows, people):
        columns = words.split("\n")
        name, town = columns[0].split(" ")[0], columns[4].split(" ")[0]
        phrases += (name[:end] for end in range(2, len(name) + 1))
        if len(town) > 1:
            phrases += (f"{name[:3]} {town[:2]}", f"{name} {town[:3]}", town[:2])
    return phrases


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of a database that is in use."""
    target.parent.mkdir(exist_ok=True)
    with (
        sqlite3.connect(f"file:{source}?mode=ro", uri=True) as one,
        sqlite3.connect(target) as other,
    ):
        one.backup(other)


def at(latencies: Iterable[float], share: float) -> float:
    """A percentile."""
    ordered = sorted(latencies)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
