"""Progress that never came is asked for again (I1): the feed that would tell it gave its numbers twice."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pos_node.store.cursors import Cursor, begin_cursor, read_cursor
from pos_node.store.database import InlineDatabase, Priority
from pos_node.store.journal import Standing
from pos_node.unheard import Unheard
from tests.pos_parts import welcome

OWN = "pos.p1"
AT = Standing(epoch="e", last_seq=3, applied_seq=1, waiting=2, cursors={OWN: 5})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[InlineDatabase]:
    opened = InlineDatabase(tmp_path / "till.db")
    yield opened
    opened.close()


async def level(store: InlineDatabase) -> None:
    def follow(connection: sqlite3.Connection) -> None:
        begin_cursor(connection, Cursor(OWN, "f", 5, 5, complete=True))

    await store.write(follow, priority=Priority.FEED)


async def test_i1_two_welcomes_that_know_more_make_the_own_feed_come_again(
    store: InlineDatabase,
) -> None:
    await level(store)
    pulled: list[str] = []
    unheard = Unheard(OWN, store, pulled.append)
    await unheard.hear(welcome(3, "e"), AT)
    assert pulled == []
    await unheard.hear(welcome(3, "e"), AT)
    assert pulled == [OWN]
    assert await store.read(read_cursor, OWN) == Cursor(OWN, "f", 0, 5, complete=True)


@pytest.mark.parametrize(
    "between",
    [replace(AT, applied_seq=2), replace(AT, cursors={OWN: 6}), replace(AT, applied_seq=3)],
)
async def test_i1_a_till_that_moves_is_only_late(store: InlineDatabase, between: Standing) -> None:
    await level(store)
    pulled: list[str] = []
    unheard = Unheard(OWN, store, pulled.append)
    await unheard.hear(welcome(3, "e"), AT)
    await unheard.hear(welcome(3, "e"), between)
    assert pulled == []


async def test_i1_what_is_said_of_another_epoch_means_nothing(store: InlineDatabase) -> None:
    await level(store)
    pulled: list[str] = []
    unheard = Unheard(OWN, store, pulled.append)
    for _ in range(3):
        await unheard.hear(welcome(3, "before"), AT)
    assert pulled == []


async def test_i1_a_till_that_stays_behind_asks_ever_more_seldom(store: InlineDatabase) -> None:
    await level(store)
    pulled: list[str] = []
    unheard = Unheard(OWN, store, pulled.append)
    times = []
    for _ in range(15):
        await unheard.hear(welcome(3, "e"), AT)
        times.append(len(pulled))
    assert times == [0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3]
    await unheard.hear(welcome(1, "e"), AT)
    for _ in range(2):
        await unheard.hear(welcome(3, "e"), AT)
    assert len(pulled) == 4
