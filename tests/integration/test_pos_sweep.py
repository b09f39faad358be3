"""A till proves that it holds what the ERP holds, and mends what differs (SYNC-6, I2)."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from contracts.feed import Pull, RowStruct
from contracts.search import Criteria
from pos_node import pulling
from pos_node.lists import list_customers
from pos_node.store.arrivals import holds_newer
from pos_node.store.customers import find_customer
from pos_node.store.database import Priority
from pos_node.store.sweeping import begin_all_anew
from tests.pos_down import SCOPES, Till, centre, customers, open_till, until
from tests.pos_pages import SCOPE, customer_id
from tests.pos_parts import count_active


@pytest_asyncio.fixture
async def till(folder: Path) -> AsyncIterator[Till]:
    async with open_till(folder) as opened:
        yield opened


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
    till.erp.put_reference(centre(), scope="all")
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
    till.erp.put_reference(centre(), scope="all")
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


async def test_sync_6_a_till_that_alone_is_ahead_begins_its_feeds_anew_within_a_sweep(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pos_node.sweep.AGAIN_S", 0.01)
    customers(till.erp, range(5))
    till.start()
    await till.level()
    del till.erp.entries[SCOPE][str(customer_id(4))]
    till.erp.heads[SCOPE] -= (
        1  # it was put back to before its last number, and believes no till alone
    )
    await till.sweep.sweep()
    await till.level()
    await until(till.agrees)


@pytest.mark.parametrize("moment", ["asked", "removing", "ending"])
async def test_sync_5_a_pull_under_way_while_the_feeds_begin_anew_empties_nothing(
    till: Till, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """What was asked for before leads nowhere any more: it is no whole feed."""
    customers(till.erp, range(20))
    till.erp.put_reference(centre(), scope=SCOPE)
    till.start()
    await till.level()
    if moment == "asked":
        monkeypatch.setattr(till.erp, "ask", _begun_anew_while_asked(till, from_seq=21))
    else:
        await till.store.write(begin_all_anew, priority=Priority.FEED)
        monkeypatch.setattr(pulling, "remove_unmarked", _begun_anew_beside(till, moment))
    emptied: list[int] = []
    monkeypatch.setattr(pulling, "apply_pulled", _counting(emptied))
    till.erp.put_customer(21)
    till.catch_up.want_all()
    await until(till.agrees)
    await till.level()
    assert min(emptied) >= 20, emptied
    assert len(emptied) > 3


def _begun_anew_while_asked(till: Till, from_seq: int) -> Callable[..., Any]:
    """While a pull of a place is answered, the first time, everything begins anew."""
    left, ask = [0], till.erp.ask

    async def asked(question: Any, timeout: float) -> Any:
        answer = await ask(question, timeout)
        if isinstance(question, Pull) and question.from_seq == from_seq and left:
            left.clear()
            await till.store.write(begin_all_anew, priority=Priority.FEED)
            till.catch_up.want_all()
        return answer

    return asked


def _begun_anew_beside(till: Till, moment: str) -> Callable[..., Any]:
    """Before what came of one scope is compared with what is here, or after it, everything begins anew once more."""
    left, remove = [0], pulling.remove_unmarked

    async def begin(when: str, scope: str) -> None:
        if when == moment and scope == SCOPE and left:
            left.clear()
            await till.store.write(begin_all_anew, priority=Priority.FEED)
            till.catch_up.want_all()

    async def removed(store: Any, scope: str, *reached: Any) -> None:
        await begin("removing", scope)
        await remove(store, scope, *reached)
        await begin("ending", scope)

    return removed


def _counting(found: list[int]) -> Callable[..., Any]:
    """Applies pages, and notes how many active rows there are each time."""
    apply = pulling.apply_pulled

    def counted(connection: sqlite3.Connection, *arguments: Any) -> Any:
        lists = connection.execute("SELECT count(*) FROM reference WHERE state = 'active'")
        found.append(count_active(connection) + lists.fetchone()[0])
        return apply(connection, *arguments)

    return counted


async def test_sync_6_without_connection_nothing_is_compared(till: Till) -> None:
    customers(till.erp, range(5))
    till.start()
    await till.level()
    till.erp.up = False
    assert await till.sweep.sweep() == {}
