"""The word index joins its parts when nobody is waiting, and finds everything before as well (LIST-5)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from contracts.matching import COLUMNS
from pos_node import tidying
from pos_node.store.database import Database, Priority
from pos_node.store.words import WordsChange, change_words
from pos_node.tidying import Tidying
from tests.pos_down import until

PARTS = 12


@pytest_asyncio.fixture
async def store(folder: Path) -> AsyncIterator[Database]:
    store = Database(folder / "till.db")
    await store.open()
    yield store
    await store.close()


async def change(store: Database, row: int, phone: str) -> None:
    """One row with a phone number, in a transaction and so in a part of the index of its own."""
    words = "\n".join({"name": "petit", "phone": phone}.get(name, "") for name in COLUMNS)
    await store.write(change_words, [WordsChange(row, None, words)], priority=Priority.FEED)


async def parts(store: Database) -> int:
    """Parts of `detail` that a search has to look into."""

    def count(connection: object) -> int:
        found = connection.execute("SELECT count(DISTINCT segid) FROM detail_idx")  # type: ignore[attr-defined]
        return int(found.fetchone()[0])

    return await store.read(count)


async def test_parts_are_joined_once_nothing_more_comes(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "LEISURE_S", 0.05)
    for row in range(1, PARTS + 1):
        await change(store, row, f"06{row:08d}")
    assert await parts(store) == PARTS
    tidy = Tidying(store)
    assert tidy.pending()
    task = asyncio.create_task(tidy.run())
    tidy.note()
    try:
        await until(lambda: not tidy.pending())
        assert await parts(store) < PARTS / 2
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_parts_are_left_alone_while_rows_are_coming(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "LEISURE_S", 3_600)
    for row in range(1, PARTS + 1):
        await change(store, row, f"06{row:08d}")
    tidy = Tidying(store)
    tidy.note()
    task = asyncio.create_task(tidy.run())
    try:
        for row in range(PARTS + 1, 2 * PARTS):
            await change(store, row, f"06{row:08d}")
        assert await parts(store) == 2 * PARTS - 1
        assert tidy.pending()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
