"""A till's first load: whole feeds into a file of their own (SYNC-5)."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import BaseModel

from contracts.feed import Pull
from contracts.search import Criteria
from pos_node import loads as loads_module
from pos_node.lists import list_customers
from pos_node.loads import Loads
from pos_node.pages import read_data
from pos_node.store.cursors import Cursor
from pos_node.store.customers import find_customer, show_customer
from pos_node.store.database import Priority
from pos_node.store.loading import carry_over
from pos_node.store.words import read_gap
from tests.pos_down import (
    OWN,
    Till,
    centre,
    customers,
    make_loads_small,
    make_till,
    open_till,
    until,
)
from tests.pos_pages import SCOPE, customer, customer_id
from tests.pos_parts import count_active


@pytest_asyncio.fixture
async def till(folder: Path) -> AsyncIterator[Till]:
    async with open_till(folder) as opened:
        yield opened


@pytest.fixture
def small_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    make_loads_small(monkeypatch)


@pytest.mark.usefixtures("small_loads")
async def test_sync_5_the_first_load_is_complete_and_searchable(till: Till, folder: Path) -> None:
    customers(till.erp, range(100))
    till.erp.put_customer(7, state="deleted")
    customers(till.erp, range(100, 130), OWN)
    till.start()
    await till.level()
    assert await till.agrees()
    assert await till.store.read(count_active) == 129
    page = await till.store.read(list_customers, Criteria(phrase="name99"))
    assert [row.code for row in page.rows] == ["C99"]
    await until(lambda: _gap_closed(till))
    page = await till.store.read(list_customers, Criteria(phrase="c99", column="code"))
    assert [row.code for row in page.rows] == ["C99"]
    assert not list(folder.glob("loading.db*"))
    indexes = await till.store.read(_indexes)
    assert {"customer_id", "customer_code", "customer_tax"} <= indexes


@pytest.mark.usefixtures("small_loads")
async def test_sync_5_the_cashier_works_during_the_first_load_and_loses_nothing(till: Till) -> None:
    customers(till.erp, range(60))
    till.erp.put_reference(centre(), scope="all")
    done: list[int] = []

    async def work() -> None:
        number = 1000
        while not done or done[-1] < 1000 + 8:
            number += 1
            await till.store.write(_make_here, number, priority=Priority.CASHIER)
            done.append(number)
            await asyncio.sleep(0)

    working = asyncio.create_task(work())
    till.start()
    await asyncio.gather(working, till.level())
    count = await till.store.read(lambda c: c.execute("SELECT count(*) FROM journal").fetchone())
    assert count == (len(done),)
    for number in done:
        held = await till.store.read(find_customer, customer_id(number))
        assert held is not None
        assert (held.scope, held.version) == (None, 0)
    assert await till.store.read(count_active) == 60 + len(done)
    assert await till.agrees()


@pytest.mark.usefixtures("small_loads")
async def test_sync_5_what_changes_during_the_first_load_arrives_too(till: Till) -> None:
    customers(till.erp, range(60))
    changed = iter(range(0, 60, 3))

    def change(question: BaseModel) -> None:
        if isinstance(question, Pull) and question.scope == SCOPE:
            with suppress(StopIteration):
                number = next(changed)
                till.erp.put_customer(number, customer(number, last_name=f"Changed{number}"))

    till.erp.before = change
    till.start()
    await till.level()
    assert await till.agrees()
    assert await till.store.read(count_active) == 60


@pytest.mark.usefixtures("small_loads")
async def test_sync_4_a_customer_in_two_scopes_of_one_load_is_there_once(till: Till) -> None:
    customers(till.erp, range(40))
    customers(till.erp, range(40, 60), OWN)
    moved = False

    def move(question: BaseModel) -> None:
        nonlocal moved
        if (
            isinstance(question, Pull)
            and question.scope == SCOPE
            and question.from_seq > 20
            and not moved
        ):
            moved = True
            for number in (1, 2, 3):
                version = till.erp.entries[SCOPE][str(customer_id(number))][1].version + 1
                till.erp.put_customer(number, version=version, state="withdrawn")
                till.erp.put_customer(number, version=version, scope=OWN)

    till.erp.before = move
    till.start()
    await till.level()
    assert await till.agrees()
    assert await till.store.read(count_active) == 60


@pytest.mark.usefixtures("small_loads")
async def test_sync_5_a_line_cut_during_the_first_load_costs_nothing(till: Till) -> None:
    customers(till.erp, range(60))

    def cut(question: BaseModel) -> None:
        if isinstance(question, Pull) and question.scope == SCOPE and question.from_seq == 28:
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
    assert 0 not in again
    assert await till.agrees()


@pytest.mark.usefixtures("small_loads")
async def test_sync_5_a_till_stopped_during_the_first_load_begins_it_again(
    till: Till, folder: Path
) -> None:
    customers(till.erp, range(60))
    await till.store.write(_make_here, 1000, priority=Priority.CASHIER)
    halfway = asyncio.Event()
    till.erp.before = lambda question: (
        halfway.set() if isinstance(question, Pull) and question.from_seq == 28 else None
    )
    till.start()
    await halfway.wait()
    await till.stop()
    assert (await till.cursors())[SCOPE] == Cursor(SCOPE)
    (folder / "loading.db").write_bytes(b"what a killed till leaves behind")
    again = make_till(till.store, till.erp, folder)
    again.start()
    await again.level()
    assert await again.agrees()
    assert await till.store.read(count_active) == 61
    await again.stop()


@pytest.mark.usefixtures("small_loads")
async def test_sync_6_a_feed_numbered_anew_during_the_first_load_begins_it_again(
    till: Till,
) -> None:
    customers(till.erp, range(60))
    done = False

    def renumber(question: BaseModel) -> None:
        nonlocal done
        if isinstance(question, Pull) and question.from_seq == 28 and not done:
            done = True
            till.erp.begin_anew()

    till.erp.before = renumber
    till.start()
    await until(lambda: done)
    till.catch_up.want_all()  # as the next sign of life would
    await till.level()
    assert await till.agrees()


@pytest.mark.usefixtures("small_loads")
async def test_sync_5_a_till_that_holds_customers_gets_the_rest_the_ordinary_way(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers(till.erp, range(30), OWN)
    till.start()
    await till.level()
    await till.stop()
    customers(till.erp, range(30, 90))
    replaced = False

    async def note(*_: object) -> None:
        nonlocal replaced
        replaced = True

    monkeypatch.setattr(till.store, "replace", note)
    till.start()
    await till.level()
    assert not replaced
    assert await till.agrees()


async def test_sync_5_a_till_stopped_while_the_files_change_places_keeps_the_new_one(
    till: Till, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both scopes wait for the same exchange: neither removes the file that is on its way into its place."""
    monkeypatch.setattr(loads_module, "FROM_ROWS", 10)
    customers(till.erp, range(30))
    customers(till.erp, range(30, 60), OWN)
    reached, go_on = threading.Event(), threading.Event()

    def slowly(*arguments: Any, **named: Any) -> None:
        reached.set()
        go_on.wait(20)
        carry_over(*arguments, **named)

    monkeypatch.setattr(loads_module, "carry_over", slowly)
    till.start()
    assert await asyncio.to_thread(reached.wait, 20)
    for _ in range(3):
        await asyncio.sleep(0)
    stopping = asyncio.create_task(till.stop())
    for _ in range(10):
        await asyncio.sleep(0)
    assert (folder / "loading.db").exists()
    go_on.set()
    await stopping
    cursors = await till.cursors()
    assert cursors[SCOPE].complete
    assert cursors[OWN].complete
    assert await till.store.read(count_active) == 60
    till.start()
    await till.level()
    assert await till.agrees()


@pytest.mark.usefixtures("small_loads")
async def test_sync_5_a_scope_that_comes_while_a_load_finishes_waits_for_its_end(
    till: Till, folder: Path
) -> None:
    loads = Loads(till.store, folder, till.side.fold)
    customers(till.erp, range(30))
    page = read_data(till.erp.page(SCOPE, 0))[0]
    first = await loads.enter(SCOPE, 30)
    assert first is not None
    await first.add(page)
    finishing = asyncio.create_task(first.leave(Cursor(SCOPE, "e1", 30, 30, True)))
    await asyncio.sleep(0)
    assert not first.takes_more
    assert await loads.enter(OWN, 30) is None, "the till now holds many: it comes the ordinary way"
    assert first.ended
    await finishing
    assert await till.store.read(count_active) == 30


def _make_here(connection: sqlite3.Connection, number: int) -> None:
    show_customer(connection, customer_id(number), customer(number))
    connection.execute(
        "INSERT INTO journal (epoch, seq, id, type, customer_id, body, at)"
        " VALUES ('j', ?, ?, 'customer.edited', ?, '', '')",
        (number, str(number), customer_id(number).bytes),
    )


def _indexes(connection: sqlite3.Connection) -> set[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
    return {name for (name,) in found}


async def _gap_closed(till: Till) -> bool:
    return not (await till.store.read(read_gap)).open
