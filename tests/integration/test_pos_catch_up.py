"""A till becomes complete by itself and stays level (SYNC-2, SYNC-5, I2, I11)."""

import asyncio
import json
import random
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import BaseModel

from contracts.feed import Pull
from pos_node import pulling
from pos_node.questions import Answer
from pos_node.store.cursors import follow_scopes, read_left_scopes
from pos_node.store.customers import find_customer
from pos_node.store.database import Database, Priority
from pos_node.store.digests import digest
from tests.pos_down import (
    OWN,
    SCOPES,
    Till,
    change_one,
    customers,
    make_loads_small,
    make_till,
    open_till,
    until,
)
from tests.pos_pages import SCOPE, Entity, FakeFeed, customer_id, delivery, quiet
from tests.pos_parts import count_active


@pytest_asyncio.fixture
async def till(folder: Path) -> AsyncIterator[Till]:
    async with open_till(folder) as opened:
        yield opened


@pytest.fixture
def small_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    make_loads_small(monkeypatch)


async def test_sync_5_a_new_till_becomes_complete(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PAGE_ROWS", 10)
    customers(till.erp, range(35))
    customers(till.erp, range(35, 60), OWN)
    till.start()
    await till.level()
    assert await till.agrees()
    assert await till.store.read(count_active) == 60
    assert till.catch_up.loading() is None


async def test_sync_5_progress_is_told_in_rows(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "PAGE_ROWS", 10)
    customers(till.erp, range(30))
    seen = []

    def look(question: BaseModel) -> None:
        if isinstance(question, Pull) and question.scope == SCOPE:
            seen.append(till.catch_up.loading())

    till.erp.before = look
    till.start()
    await till.level()
    told = [(one.rows_done, one.rows_to_do) for one in seen if one]
    assert told
    assert all(done <= to_do == 30 for done, to_do in told)


async def test_sync_5_only_what_is_missing_is_asked_for(till: Till) -> None:
    customers(till.erp, range(5))
    till.start()
    await till.level()
    customers(till.erp, range(5, 8))
    till.erp.asked.clear()
    await till.queue.handle([delivery(till.erp.page(SCOPE, 7))])
    await till.level()
    asked = [one for one in till.erp.asked if isinstance(one, Pull)]
    assert [(one.scope, one.from_seq) for one in asked] == [(SCOPE, 5)]


async def test_sync_5_a_till_without_connection_goes_on_where_it_stood(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PAGE_ROWS", 10)
    customers(till.erp, range(40))

    def cut(question: BaseModel) -> None:
        if isinstance(question, Pull) and question.from_seq == 20:
            till.erp.up = False

    till.erp.before = cut
    till.start()
    await until(lambda: not till.erp.up)
    till.erp.before = lambda question: None
    till.erp.asked.clear()
    till.erp.up = True
    till.catch_up.want_all()
    await till.level()
    again = [one.from_seq for one in till.erp.asked if isinstance(one, Pull) and one.scope == SCOPE]
    assert min(again) >= 10, "what was applied is not asked for again"
    assert await till.agrees()


async def test_sync_5_a_restarted_till_goes_on_where_it_stood(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PAGE_ROWS", 10)
    customers(till.erp, range(40))
    halfway = asyncio.Event()
    till.erp.before = lambda question: (
        halfway.set() if isinstance(question, Pull) and question.from_seq == 20 else None
    )
    till.start()
    await halfway.wait()
    await till.stop()
    # A write that had begun is finished: only then does the till stand still.
    await till.store.write(lambda connection: None, priority=Priority.FEED)
    stood = (await till.cursors())[SCOPE].seq
    assert 0 < stood < 40
    again = make_till(till.store, till.erp, None)
    till.erp.asked.clear()
    again.start()
    await again.level()
    await again.stop()
    assert (
        min(one.from_seq for one in till.erp.asked if isinstance(one, Pull) and one.scope == SCOPE)
        == stood
    )


async def test_i11_live_pages_are_applied_while_another_scope_is_pulled(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PAGE_ROWS", 5)
    customers(till.erp, range(50))
    held = asyncio.Event()
    ask = till.erp.ask

    async def slowly(question: BaseModel, timeout: float) -> object:
        if isinstance(question, Pull) and question.scope == SCOPE and question.from_seq >= 10:
            await held.wait()
        return await ask(question, timeout)

    monkeypatch.setattr(till.erp, "ask", slowly)
    till.start()
    await until(lambda: any(isinstance(one, Pull) and one.scope == SCOPE for one in till.erp.asked))
    till.erp.put_customer(99, scope=OWN)
    await till.queue.handle([delivery(till.erp.page(OWN, 0))])
    assert await till.store.read(find_customer, customer_id(99)) is not None
    held.set()
    await till.level()


@pytest.mark.usefixtures("small_loads")
async def test_sync_5_the_page_after_the_next_is_asked_for_before_the_next_has_come(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers(till.erp, range(60))
    asked: dict[int, asyncio.Event] = {start: asyncio.Event() for start in range(0, 60, 7)}
    ask = till.erp.ask

    async def hold(question: BaseModel, timeout: float) -> Answer:
        if isinstance(question, Pull) and question.scope == SCOPE and question.from_seq in asked:
            asked[question.from_seq].set()
            if 0 < question.from_seq < 49:
                await asked[question.from_seq + 7].wait()
        return await ask(question, timeout)

    monkeypatch.setattr(till.erp, "ask", hold)
    till.start()
    await till.level()
    pulls = [one.from_seq for one in till.erp.asked if isinstance(one, Pull) and one.scope == SCOPE]
    assert sorted(pulls)[:9] == list(range(0, 60, 7)), "each is asked for once"
    assert await till.agrees()


@pytest.mark.usefixtures("small_loads")
async def test_sync_5_a_feed_with_holes_is_loaded_one_page_ahead(till: Till) -> None:
    customers(till.erp, range(100))
    customers(till.erp, range(0, 100, 3))
    till.start()
    await till.level()
    pulls = [one for one in till.erp.asked if isinstance(one, Pull) and one.scope == SCOPE]
    assert len(pulls) <= 15 + 3, "15 pages, one wrong guess, one look whether there is more"
    assert await till.agrees()


@pytest.mark.usefixtures("small_loads")
@pytest.mark.parametrize("seed", range(8))
async def test_i2_pages_of_a_first_load_read_in_any_order_while_customers_change(
    till: Till, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """A page shows the feed of the moment it is read, before or after others asked for earlier, before or after a
    change. Whatever the order, the till ends with what the ERP has, each customer once."""
    rng = random.Random(seed)
    customers(till.erp, range(60))
    customers(till.erp, range(60, 90), OWN)
    ask, changes = till.erp.ask, iter(range(40))

    async def whenever(question: BaseModel, timeout: float) -> Answer:
        for _ in range(rng.randrange(6)):
            await asyncio.sleep(0)
        if rng.random() < 0.5 and next(changes, None) is not None:
            change_one(till.erp, rng)
        answer = await ask(question, timeout)
        for _ in range(rng.randrange(6)):
            await asyncio.sleep(0)
        return answer

    monkeypatch.setattr(till.erp, "ask", whenever)
    till.start()
    await until(till.is_complete)
    for _ in changes:
        change_one(till.erp, rng)
    till.catch_up.want_all()
    await till.level()
    assert await till.agrees()
    twice = "SELECT id FROM customer GROUP BY id HAVING count(*) > 1"
    assert await till.store.read(lambda c: c.execute(twice).fetchall()) == []


@pytest.mark.parametrize("error", [sqlite3.IntegrityError("x"), OverflowError("x"), KeyError("x")])
async def test_i11_a_page_that_cannot_be_applied_ends_neither_the_other_scopes_nor_the_till(
    folder: Path, error: Exception
) -> None:
    erp, broken = FakeFeed(), True
    customers(erp, range(5))
    customers(erp, range(5, 9), OWN)

    def take_verdict(connection: sqlite3.Connection, key: str, verdict: object) -> None:
        if broken:
            raise error

    told = {"epoch": "j", "seq": 1, "outcome": "renamed", "code": "verdict.renamed"}
    erp.put("pos.p1", Entity("verdict", "verdict/1", 1, record=json.dumps(told)))
    store = Database(folder / "till.db")
    await store.open()
    await store.write(follow_scopes, SCOPES, priority=Priority.FEED)
    till = make_till(store, erp, folder, replace(quiet(), take_verdict=take_verdict))
    till.start()
    await until(lambda: len([a for a in erp.asked if getattr(a, "scope", "") == "pos.p1"]) > 3)
    assert not till.tasks[0].done()
    assert await store.read(count_active) == 9
    broken = False
    await till.level()
    await till.stop()
    await store.close()


async def test_i11_a_till_whose_disk_is_full_is_level_once_there_is_room(till: Till) -> None:
    customers(till.erp, range(300))
    await till.store.write(_limit_pages, 1, priority=Priority.FEED)
    till.start()
    await until(lambda: len(till.erp.asked) > 12)
    assert not till.tasks[0].done()
    assert await till.store.read(count_active) == 0
    await till.store.write(_limit_pages, 1_000_000, priority=Priority.FEED)
    await till.level()
    assert await till.agrees()


def _limit_pages(connection: sqlite3.Connection, pages: int) -> None:
    connection.execute(f"PRAGMA max_page_count = {pages}")


async def test_i11_a_row_with_a_number_too_large_is_left_out_and_the_others_come(
    till: Till,
) -> None:
    customers(till.erp, range(3))
    till.erp.put_customer(3, version=2**70)
    till.start()
    await till.level()
    assert await till.store.read(count_active) == 3


async def test_sync_2_customers_of_a_scope_that_was_left_go(till: Till) -> None:
    customers(till.erp, range(10))
    customers(till.erp, range(10, 15), OWN)
    till.start()
    await till.level()
    await till.stop()
    kept = ("all", OWN, "pos.p1")
    await till.store.write(follow_scopes, kept, priority=Priority.FEED)
    again = make_till(till.store, till.erp, None, scopes=kept)
    again.start()
    await until(lambda: _none_left(again))
    await again.stop()
    assert await till.store.read(count_active) == 5
    assert await till.store.read(digest, SCOPE) is None


async def _none_left(till: Till) -> bool:
    return not await till.store.read(read_left_scopes)
