"""A till becomes complete by itself, stays level, and proves it (SYNC-2, SYNC-5, SYNC-6, I2, I11)."""

import asyncio
import json
import random
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from pydantic import BaseModel

from contracts.feed import Pull, RowStruct, State
from contracts.reference import Centre
from contracts.search import Criteria
from pos_node import loads as loads_module
from pos_node import pulling
from pos_node.catchup import CatchUp
from pos_node.feed import FeedQueue, JournalSide
from pos_node.lists import list_customers
from pos_node.loads import Loads
from pos_node.pages import read_data
from pos_node.questions import Answer
from pos_node.store.arrivals import holds_newer
from pos_node.store.cursors import Cursor, follow_scopes, read_cursors, read_left_scopes
from pos_node.store.customers import find_customer, show_customer
from pos_node.store.database import Database, Priority
from pos_node.store.digests import digest
from pos_node.store.loading import carry_over
from pos_node.store.words import read_gap
from pos_node.sweep import Sweep
from pos_node.tidying import Tidying
from tests.pos_pages import SCOPE, Entity, FakeFeed, customer, customer_id, delivery, quiet
from tests.pos_parts import count_active

OWN = "centre.C1.customers"
SCOPES = ("all", OWN, SCOPE, "pos.p1")


@dataclass
class Till:
    """A till's way down: catching up, its feed queue, its sweep."""

    store: Database
    erp: FakeFeed
    side: JournalSide
    catch_up: CatchUp
    queue: FeedQueue
    sweep: Sweep
    tidying: Tidying
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        self.tasks += map(asyncio.create_task, (self.catch_up.run(), self.tidying.run()))
        self.catch_up.want_all()

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()

    async def cursors(self) -> dict[str, Cursor]:
        return {one.scope: one for one in await self.store.read(read_cursors)}

    async def level(self) -> None:
        """Returns when every scope is at the ERP's head."""
        await until(self._is_level)

    async def is_complete(self) -> bool:
        """Every scope has reached some head of the ERP's."""
        return all(one.complete for one in (await self.cursors()).values())

    async def _is_level(self) -> bool:
        cursors = await self.cursors()
        return all(
            one.complete and (one.epoch, one.seq) == (self.erp.epoch, self.erp.heads.get(scope, 0))
            for scope, one in cursors.items()
        )

    async def agrees(self) -> bool:
        ours = [await self.store.read(digest, scope) for scope in SCOPES]
        return ours == [self.erp.digest(scope) for scope in SCOPES]


async def until(holds: Callable[[], object]) -> None:
    """Returns when something holds; what is waited for has no event of its own."""
    async with asyncio.timeout(60):
        while True:
            found = holds()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.005)


def make_till(
    store: Database,
    erp: FakeFeed,
    folder: Path | None,
    side: JournalSide | None = None,
    scopes: tuple[str, ...] = SCOPES,
) -> Till:
    rng, side, tidying = random.Random(3), side or quiet(), Tidying(store)
    catch_up = CatchUp(
        store, erp, Loads(store, folder, side.fold), side, scopes, applied=tidying.note, rng=rng
    )
    sweep = Sweep(store, erp, side, SCOPES, pull=catch_up.want, rng=rng)
    return Till(
        store,
        erp,
        side,
        catch_up,
        FeedQueue(store, SCOPES, side, catch_up.want, tidying.note),
        sweep,
        tidying,
    )


@pytest_asyncio.fixture
async def till(folder: Path) -> AsyncIterator[Till]:
    store = Database(folder / "till.db")
    await store.open()
    await store.write(follow_scopes, SCOPES, priority=Priority.FEED)
    made = make_till(store, FakeFeed(), folder)
    yield made
    await made.stop()
    await store.close()


@pytest.fixture
def small_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first load is made of few rows already."""
    monkeypatch.setattr(loads_module, "FROM_ROWS", 10)
    monkeypatch.setattr(loads_module, "MOST_HELD", 20)
    monkeypatch.setattr(pulling, "PAGE_ROWS", 7)


def customers(erp: FakeFeed, numbers: range, scope: str = SCOPE) -> None:
    for number in numbers:
        erp.put_customer(number, scope=scope)


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
            _change_one(till.erp, rng)
        answer = await ask(question, timeout)
        for _ in range(rng.randrange(6)):
            await asyncio.sleep(0)
        return answer

    monkeypatch.setattr(till.erp, "ask", whenever)
    till.start()
    await until(till.is_complete)
    for _ in changes:
        _change_one(till.erp, rng)
    till.catch_up.want_all()
    await till.level()
    assert await till.agrees()
    twice = "SELECT id FROM customer GROUP BY id HAVING count(*) > 1"
    assert await till.store.read(lambda c: c.execute(twice).fetchall()) == []


def _change_one(erp: FakeFeed, rng: random.Random) -> None:
    """A customer is changed, deleted, or moves to the other scope, as the ERP numbers it."""
    number, there = rng.randrange(90), rng.choice((SCOPE, OWN))
    key = str(customer_id(number))
    held = [one for one in (SCOPE, OWN) if key in erp.entries[one]]
    if any(erp.entries[one][key][1].state == "deleted" for one in held):
        return
    version = max(erp.entries[one][key][1].version for one in held) + 1
    gone = rng.random() < 0.1
    for one in held:
        if one != there:
            state: State = "deleted" if gone else "withdrawn"
            erp.put_customer(number, version=version, scope=one, state=state)
    renamed = customer(number, last_name=f"V{version}")
    erp.put_customer(
        number, renamed, version=version, scope=there, state="deleted" if gone else "active"
    )


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


# Numbered anew ------------------------------------------------------------------------------


async def test_sync_6_a_feed_numbered_anew_is_pulled_over_what_is_here(till: Till) -> None:
    customers(till.erp, range(12))
    till.erp.put("all", Entity("reference", "centre/C1", 1, record='{"kind":"centre","code":"C1"}'))
    till.erp.put_customer(3, state="deleted")
    till.start()
    await till.level()
    for number in (5, 6):  # forgotten by the ERP, without a word to anybody
        del till.erp.entries[SCOPE][str(customer_id(number))]
    del till.erp.entries["all"]["centre/C1"]
    till.erp.begin_anew()
    till.erp.put_customer(20)
    till.catch_up.want_all()
    await till.level()
    assert await till.agrees()
    assert await till.store.read(count_active) == 12 - 1 - 2 + 1
    held = await till.store.read(find_customer, customer_id(5))
    assert held is not None
    assert (held.state, held.record) == ("withdrawn", None)
    await until(lambda: _no_marks(till))


async def test_sync_6_what_comes_during_the_sweep_stays(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PAGE_ROWS", 4)
    customers(till.erp, range(10))
    till.start()
    await till.level()
    till.erp.begin_anew()
    added = False

    def add(question: BaseModel) -> None:
        nonlocal added
        if isinstance(question, Pull) and question.from_seq == 4 and not added:
            added = True
            till.erp.put_customer(50)

    till.erp.before = add
    till.catch_up.want_all()
    await till.level()
    assert await till.agrees()
    assert await till.store.read(count_active) == 11


def _put_back(erp: FakeFeed, changed: range) -> None:
    """The ERP's database is put back: what was newer is gone, and counts on from what it was."""
    for number in changed:
        erp.put_customer(number, customer(number, last_name=f"Old{number}"), version=2)
    erp.begin_anew()


async def test_sync_6_a_database_put_back_replaces_newer_versions(till: Till) -> None:
    customers(till.erp, range(4))
    till.erp.put_reference(_centre(), version=9)
    for number in range(4):
        till.erp.put_customer(number, customer(number, last_name="Vanished"), version=9)
    till.start()
    await till.level()
    till.erp.put_reference(_centre(), version=3)
    _put_back(till.erp, range(4))
    till.catch_up.want_all()
    await till.level()
    assert await till.agrees()
    till.erp.put_customer(1, customer(1, last_name="Later"), version=3)
    till.erp.put_customer(2, version=3, state="withdrawn")
    till.erp.put_reference(_centre(), version=4)
    till.catch_up.want_all()
    await till.level()
    assert await till.agrees()
    held = await till.store.read(find_customer, customer_id(1))
    assert held is not None
    assert held.version == 3


async def test_sync_6_what_a_database_put_back_does_not_have_comes_again_with_any_version(
    till: Till,
) -> None:
    for number in range(3):
        till.erp.put_customer(number, version=9)
    till.erp.put_customer(1, version=10, state="withdrawn")
    till.erp.put_reference(_centre(), version=9)
    till.start()
    await till.level()
    till.erp.put_customer(0, version=2, state="withdrawn")
    del till.erp.entries["all"]["centre/C1"]
    till.erp.begin_anew()
    till.catch_up.want_all()
    await till.level()
    assert await till.agrees()
    await until(lambda: _no_marks(till))
    for number in range(2):
        till.erp.put_customer(number, version=3)
    till.erp.put_reference(_centre(), version=1)
    till.catch_up.want_all()
    await till.level()
    assert await till.agrees()
    assert await till.store.read(count_active) == 3


async def test_i3_what_is_gone_stays_gone_when_the_database_is_put_back(till: Till) -> None:
    till.erp.put_customer(1, version=9, state="anonymised")
    till.start()
    await till.level()
    _put_back(till.erp, range(1, 2))
    till.catch_up.want_all()
    await till.level()
    held = await till.store.read(find_customer, customer_id(1))
    assert held is not None
    assert (held.state, held.record, held.version) == ("anonymised", None, 9)


async def test_sync_6_a_late_page_of_the_old_numbers_undoes_nothing(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other feed was not pulled yet: its old numbers mean nothing from the first feed begun anew."""
    till.erp.put_customer(1, version=2)
    customers(till.erp, range(5, 7), OWN)
    till.start()
    await till.level()
    till.erp.put_customer(1, customer(1, last_name="Vanished"), version=9, scope=OWN)
    late = delivery(till.erp.page(OWN, 2))
    del till.erp.entries[OWN][str(customer_id(1))]
    till.erp.begin_anew()
    ask, held = till.erp.ask, asyncio.Event()

    async def hold(question: BaseModel, timeout: float) -> Answer:
        if getattr(question, "scope", SCOPE) != SCOPE:
            await held.wait()
        return await ask(question, timeout)

    monkeypatch.setattr(till.erp, "ask", hold)
    till.catch_up.want_all()
    await until(lambda: _stands_at(till, SCOPE, till.erp.epoch))
    await till.queue.handle([late])
    held.set()
    await till.level()
    assert await till.agrees()


@pytest.mark.parametrize("keep_withdrawn", [False, True])
@pytest.mark.parametrize("seed", range(12))
async def test_i2_rows_that_moved_end_right_in_any_order_of_the_feeds_begun_anew(
    till: Till, monkeypatch: pytest.MonkeyPatch, seed: int, keep_withdrawn: bool
) -> None:
    """Customers stood in another scope before the database was put back, and go on moving while it is pulled."""
    monkeypatch.setattr(pulling, "PAGE_ROWS", 3)
    rng = random.Random(seed)
    for number in range(90):
        till.erp.put_customer(number, version=9, scope=rng.choice((SCOPE, OWN)))
    till.start()
    await till.level()
    for feed in till.erp.entries.values():
        feed.clear()
    for number in range(0, 90, 2):
        till.erp.put_customer(number, version=2, scope=rng.choice((SCOPE, OWN)))
    for number in range(1, 90, 2):
        here, there = rng.sample((SCOPE, OWN), 2)
        till.erp.put_customer(number, version=2, scope=here)
        if rng.random() < 0.3:
            till.erp.put_customer(number, version=3, state="withdrawn", scope=here)
            till.erp.put_customer(number, version=3, scope=there)
    till.erp.begin_anew(keep_withdrawn=keep_withdrawn)
    ask, changes = till.erp.ask, iter(range(40))

    async def whenever(question: BaseModel, timeout: float) -> Answer:
        for _ in range(rng.randrange(12)):
            await asyncio.sleep(0)
        if rng.random() < 0.5 and next(changes, None) is not None:
            _change_one(till.erp, rng)
        answer = await ask(question, timeout)
        for _ in range(rng.randrange(12)):
            await asyncio.sleep(0)
        return answer

    monkeypatch.setattr(till.erp, "ask", whenever)
    till.catch_up.want_all()
    await until(lambda: _stands_at(till, SCOPE, till.erp.epoch))
    for _ in changes:
        _change_one(till.erp, rng)
    till.catch_up.want_all()
    await till.level()
    assert await till.agrees()
    await until(lambda: _no_marks(till))


async def _stands_at(till: Till, scope: str, epoch: str) -> bool:
    found = (await till.cursors())[scope]
    return found.epoch == epoch and found.complete


async def _no_marks(till: Till) -> bool:
    count = "SELECT count(*) FROM feed_seen"
    return bool(await till.store.read(lambda c: c.execute(count).fetchone()) == (0,))


# The first load -----------------------------------------------------------------------------


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
    till.erp.put_reference(_centre(), scope="all")
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


# Sweeping -----------------------------------------------------------------------------------


async def test_sync_6_a_sweep_finds_nothing_when_both_agree(till: Till) -> None:
    customers(till.erp, range(20))
    till.start()
    await till.level()
    till.erp.asked.clear()
    assert await till.sweep.sweep() == dict.fromkeys(SCOPES, 0)
    assert not [one for one in till.erp.asked if isinstance(one, Pull)]


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE customer SET record = replace(record, 'Name3', 'Nome3') WHERE code_key = 'c3'",
        "UPDATE customer SET editors = 'C9' WHERE code_key = 'c3'",
        "UPDATE customer SET version = version - 1 WHERE code_key = 'c3'",
        "UPDATE customer SET state = 'withdrawn' WHERE code_key = 'c3'",
        "DELETE FROM feed_gone",
        "INSERT INTO feed_gone VALUES ('all.customers', '00000000-0000-0000-0000-000000000001', 1, 'deleted')",
        "UPDATE reference SET record = '{}'",
        "DELETE FROM reference",
        "INSERT INTO reference VALUES ('centre/C9', 'all', 1, 'active', '{\"kind\":\"centre\",\"code\":\"C9\"}')",
    ],
)
async def test_sync_6_a_difference_mends_itself_within_one_sweep(till: Till, harm: str) -> None:
    customers(till.erp, range(20))
    till.erp.put_customer(5, state="deleted")
    till.erp.put_reference(_centre(), scope="all")
    till.start()
    await till.level()
    await till.store.write(lambda c: c.execute(harm), priority=Priority.FEED)
    assert not await till.agrees()
    mended = await till.sweep.sweep()
    assert sum(mended.values()) == 1
    assert await till.agrees()
    page = await till.store.read(list_customers, Criteria(phrase="name3"))
    assert [row.code for row in page.rows] == ["C3"]


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE customer SET version = version + 5 WHERE code_key = 'c3'",
        "UPDATE customer SET version = version + 5, state = 'withdrawn' WHERE code_key = 'c3'",
        "UPDATE reference SET version = version + 5, record = '{}'",
    ],
)
async def test_sync_6_an_erp_that_is_older_under_the_same_numbers_is_believed_in_the_end(
    till: Till, harm: str
) -> None:
    """Its database was put back as a copy of files, and nobody had spoken before the numbers were given again."""
    customers(till.erp, range(20))
    till.erp.put_reference(_centre(), scope="all")
    till.start()
    await till.level()
    await till.store.write(lambda c: c.execute(harm), priority=Priority.FEED)
    await till.sweep.sweep()
    await till.level()
    await until(till.agrees)


async def test_sync_6_a_row_the_till_cannot_read_does_not_begin_the_feeds_anew(till: Till) -> None:
    customers(till.erp, range(20))
    till.start()
    await till.level()
    key = str(customer_id(3))
    number, entity = till.erp.entries[SCOPE][key]
    till.erp.entries[SCOPE][key] = (number, replace(entity, version=9, record=None))
    assert not await till.agrees()
    till.erp.asked.clear()
    await till.sweep.sweep()
    pulls = [one for one in till.erp.asked if isinstance(one, Pull)]
    assert pulls
    assert all(one.bucket is not None for one in pulls)


async def test_sync_6_rows_without_versions_here_are_never_newer(till: Till) -> None:
    """Progress has an epoch for its key; a bucket of the till's own scope holds such rows."""
    rows = [
        msgspec.convert({"kind": kind, "key": "000001-e", "version": 1}, RowStruct)
        for kind in ("progress", "verdict", "customer")
    ]
    assert await till.store.read(holds_newer, rows) is False


async def test_sync_6_what_the_erp_does_not_have_goes(till: Till) -> None:
    customers(till.erp, range(20))
    till.start()
    await till.level()
    del till.erp.entries[SCOPE][str(customer_id(3))]
    await till.sweep.sweep()
    assert await till.agrees()
    held = await till.store.read(find_customer, customer_id(3))
    assert held is not None
    assert (held.state, held.record) == ("withdrawn", None)


async def test_sync_6_a_till_that_is_behind_is_pulled_before_it_is_compared(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pos_node.sweep.AGAIN_S", 0.01)
    customers(till.erp, range(5))
    till.start()
    await till.level()
    till.erp.put_customer(9)
    assert await till.sweep.compare(SCOPE) is not None
    assert await till.agrees()


async def test_sync_6_a_till_ahead_of_the_erp_lets_it_know(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pos_node.sweep.AGAIN_S", 0.01)
    customers(till.erp, range(5))
    till.start()
    await till.level()
    till.erp.heads[SCOPE] -= 1  # its database is older than it was
    before = len(till.erp.asked)
    assert await till.sweep.compare(SCOPE) is None
    pulls = [one for one in till.erp.asked[before:] if isinstance(one, Pull)]
    assert {(one.scope, one.from_seq) for one in pulls} == {(SCOPE, 5)}


async def test_sync_6_without_connection_nothing_is_compared(till: Till) -> None:
    customers(till.erp, range(5))
    till.start()
    await till.level()
    till.erp.up = False
    assert await till.sweep.sweep() == {}


def _centre() -> Centre:
    return Centre(code="C1")


def _make_here(connection: sqlite3.Connection, number: int) -> None:
    show_customer(connection, customer_id(number), customer(number))
    connection.execute(
        "INSERT INTO journal (epoch, seq, id, type, customer_id, body, at) VALUES ('j', ?, ?, 't', ?, '', '')",
        (number, str(number), customer_id(number).bytes),
    )


def _indexes(connection: sqlite3.Connection) -> set[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
    return {name for (name,) in found}


async def _gap_closed(till: Till) -> bool:
    return not (await till.store.read(read_gap)).open


async def _none_left(till: Till) -> bool:
    return not await till.store.read(read_left_scopes)
