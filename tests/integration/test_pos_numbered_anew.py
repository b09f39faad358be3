"""Feeds numbered anew are pulled over what is here (SYNC-6, I2, I3)."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import BaseModel

from contracts.feed import Pull
from pos_node import pulling
from pos_node.questions import Answer
from pos_node.store.customers import find_customer
from tests.pos_down import OWN, Till, centre, change_one, customers, open_till, until
from tests.pos_pages import SCOPE, Entity, FakeFeed, customer, customer_id, delivery
from tests.pos_parts import count_active


@pytest_asyncio.fixture
async def till(folder: Path) -> AsyncIterator[Till]:
    async with open_till(folder) as opened:
        yield opened


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
    till.erp.put_reference(centre(), version=9)
    for number in range(4):
        till.erp.put_customer(number, customer(number, last_name="Vanished"), version=9)
    till.start()
    await till.level()
    till.erp.put_reference(centre(), version=3)
    _put_back(till.erp, range(4))
    till.catch_up.want_all()
    await till.level()
    assert await till.agrees()
    till.erp.put_customer(1, customer(1, last_name="Later"), version=3)
    till.erp.put_customer(2, version=3, state="withdrawn")
    till.erp.put_reference(centre(), version=4)
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
    till.erp.put_reference(centre(), version=9)
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
    till.erp.put_reference(centre(), version=1)
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
            change_one(till.erp, rng)
        answer = await ask(question, timeout)
        for _ in range(rng.randrange(12)):
            await asyncio.sleep(0)
        return answer

    monkeypatch.setattr(till.erp, "ask", whenever)
    till.catch_up.want_all()
    await until(lambda: _stands_at(till, SCOPE, till.erp.epoch))
    for _ in changes:
        change_one(till.erp, rng)
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
