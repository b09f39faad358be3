"""A till proves that it holds what the ERP holds, and mends what differs (SYNC-6, I2)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from contracts.feed import Pull, RowStruct
from contracts.search import Criteria
from pos_node.lists import list_customers
from pos_node.store.arrivals import holds_newer
from pos_node.store.customers import find_customer
from pos_node.store.database import Priority
from tests.pos_down import SCOPES, Till, centre, customers, open_till, until
from tests.pos_pages import SCOPE, customer_id


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


async def test_sync_6_without_connection_nothing_is_compared(till: Till) -> None:
    customers(till.erp, range(5))
    till.start()
    await till.level()
    till.erp.up = False
    assert await till.sweep.sweep() == {}
