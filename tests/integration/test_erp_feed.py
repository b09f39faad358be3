"""The way down in the ERP, from committed rows to what a reader holds (SYNC-1, SYNC-2, SYNC-4, SYNC-5, SYNC-6)."""

import random
from collections.abc import AsyncIterator
from itertools import pairwise
from uuid import UUID

import pytest

from contracts.feed import bucket_of
from erp_node import reference
from erp_node.feed import Feed
from erp_node.store.pool import Pool, open_pool
from tests.databases import Database, Migrate
from tests.erp import Time, business, enrol, fill_customers, migrated, retail, store_customer
from tests.feeds import Reader, make_feed, sequence

C1 = "centre.C1.customers"


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.dsn, max_size=6)
    await enrol(opened, "p1")
    await enrol(opened, "small", mode="local_only")
    yield opened
    await opened.close()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def feed(pool: Pool, time: Time) -> Feed:
    return make_feed(pool, time)


async def fill(pool: Pool, count: int, scope: str = "all.customers") -> list[UUID]:
    """Stores many customers at once."""
    return await fill_customers(pool, count, everywhere=scope == "all.customers")


async def test_sync_5_pulling_from_zero_is_the_snapshot(pool: Pool, feed: Feed) -> None:
    ids = await fill(pool, 1_203)
    await sequence(pool)
    reader = Reader(feed, "all.customers")
    await reader.catch_up()
    assert set(reader.rows) == {str(id) for id in ids}
    assert [(p.prev_seq, p.to_seq, p.remaining) for p in reader.pages] == [
        (0, 500, 703), (500, 1000, 203), (1000, 1203, 0),
    ]  # fmt: skip
    assert await reader.agrees()


async def test_sync_6_rows_are_hashed_alike_at_both_ends(pool: Pool, feed: Feed) -> None:
    await store_customer(
        pool, business("Ł-1", 'Żółć "ÆØ" \\ 漢字 🐱 \u2028', description="a\nb\tc")
    )
    await store_customer(pool, retail("É"), editors=())
    await store_customer(pool, retail("È"), editors=("C1", "C2"))
    gone = await store_customer(pool, retail("Ê"))
    await pool.execute(
        "INSERT INTO reference (key, kind, scopes, record) VALUES ('choice/Mé', 'choice', '{all.customers}',"
        ' \'{"kind": "choice", "list": "title", "code": "Mé", "position": 3}\')'
    )
    await sequence(pool)
    await pool.execute("UPDATE customer SET state = 'deleted' WHERE id = $1", gone)
    await sequence(pool)
    reader = Reader(feed, "all.customers")
    await reader.catch_up()
    assert len(reader.rows) == 5
    for row in await pool.fetch("SELECT * FROM feed_entry JOIN customer ON id = entity"):
        held = reader.rows[str(row["id"])]
        assert row["hash"] % 2**64 == held.hash(str(row["id"]))
        assert row["bucket"] == bucket_of(str(row["id"]))
    assert await reader.agrees()
    assert sum(reader.digest()[0]) == 5


async def test_sync_6_a_record_travels_byte_for_byte(pool: Pool, feed: Feed) -> None:
    id = await store_customer(pool, business("A", "é"))
    await pool.execute(
        'UPDATE customer SET record = record || \'{"later": [1.50, null, {"x": "\\\\u00e9"}]}\''
    )
    await sequence(pool)
    reader = Reader(feed, "all.customers")
    await reader.catch_up()
    assert reader.rows[str(id)].record == await pool.fetchval("SELECT record::text FROM customer")


async def test_sync_1_only_what_is_active_and_for_customers_of_the_scope_is_sent(
    pool: Pool, feed: Feed
) -> None:
    here = await store_customer(pool, retail("A"), everywhere=False, centres=("C1", "C9"))
    await store_customer(pool, retail("B"), everywhere=False, centres=("C2",))
    await store_customer(pool, retail("C"), everywhere=False, centres=("C1",), state="inactive")
    await store_customer(pool, retail("D"), everywhere=False, centres=("C1",), is_customer=False)
    await store_customer(pool, retail("E"))
    await sequence(pool)
    reader = Reader(feed, C1)
    await reader.catch_up()
    assert set(reader.rows) == {str(here)}


@pytest.mark.parametrize(
    "leaving", ["state = 'inactive'", "is_customer = false", "centres = '{C2}'"]
)
async def test_sync_4_a_customer_that_leaves_is_withdrawn_and_may_come_back(
    pool: Pool, feed: Feed, leaving: str
) -> None:
    id = await store_customer(pool, retail("A"), everywhere=False, centres=("C1",))
    await sequence(pool)
    reader = Reader(feed, C1)
    await reader.catch_up()
    await pool.execute(f"UPDATE customer SET {leaving}")
    await sequence(pool)
    await reader.catch_up()
    assert (reader.rows[str(id)].state, reader.rows[str(id)].record) == ("withdrawn", "")
    assert await reader.agrees()
    newcomer = Reader(feed, C1)
    await newcomer.catch_up()
    assert newcomer.rows == {}, "nothing to withdraw"
    await pool.execute("UPDATE customer SET state = 'active', is_customer = true, centres = '{C1}'")
    await sequence(pool)
    await reader.catch_up()
    assert str(id) in reader.active


async def test_sync_4_one_that_moves_is_withdrawn_and_active_at_the_same_version(
    pool: Pool, feed: Feed
) -> None:
    id = str(await store_customer(pool, retail("A"), everywhere=False, centres=("C1",)))
    await sequence(pool)
    await pool.execute("UPDATE customer SET everywhere = true")
    await sequence(pool)
    centre, everywhere = Reader(feed, C1, epoch="other"), Reader(feed, "all.customers")
    await centre.catch_up()
    await everywhere.catch_up()
    assert (centre.rows[id].state, everywhere.rows[id].state) == ("withdrawn", "active")
    assert centre.rows[id].version == everywhere.rows[id].version == 2


async def test_sync_2_a_local_only_till_is_sent_what_it_holds_and_its_centre_may_use(
    pool: Pool, feed: Feed
) -> None:
    held, others = await store_customer(pool, retail("A")), await store_customer(pool, retail("B"))
    far = await store_customer(pool, retail("C"), everywhere=False, centres=("C2",))
    await pool.executemany("INSERT INTO till_holding VALUES ('small', $1)", [(held,), (far,)])
    await sequence(pool)
    reader = Reader(feed, "pos.small")
    await reader.catch_up()
    assert set(reader.rows) == {str(held)}
    await pool.execute('UPDATE customer SET record = record || \'{"phone": "1"}\'')
    await sequence(pool)
    await reader.catch_up()
    assert set(reader.rows) == {str(held)}
    assert '"phone": "1"' in reader.rows[str(held)].record
    await pool.execute(
        "UPDATE customer SET state = 'anonymised' WHERE id IN ($1, $2)", held, others
    )
    await sequence(pool)
    await reader.catch_up()
    assert (reader.rows[str(held)].state, reader.rows[str(held)].record) == ("anonymised", "")
    assert await reader.agrees()


async def test_reference_rows_come_and_go_by_scope(pool: Pool, feed: Feed) -> None:
    await pool.execute(
        "INSERT INTO reference (key, kind, scopes, record) VALUES ('operator/zoë', 'operator', '{centre.C1,centre.C2}',"
        ' \'{"kind": "operator", "code": "zoë", "name": "Zoë", "password_hash": "-", "centres": ["C1"]}\')'
    )
    await sequence(pool)
    c1, c2 = Reader(feed, "centre.C1"), Reader(feed, "centre.C2")
    await c1.catch_up()
    await pool.execute("UPDATE reference SET scopes = '{centre.C2}'")
    await sequence(pool)
    await c1.catch_up()
    await c2.catch_up()
    assert c1.rows["operator/zoë"].state == "withdrawn"
    assert c2.rows["operator/zoë"].state == "active"
    await pool.execute("UPDATE reference SET state = 'deleted'")
    await sequence(pool)
    await c2.catch_up()
    assert c2.rows["operator/zoë"].state == "withdrawn"
    assert await c1.agrees()
    assert await c2.agrees()


async def test_sync_6_reference_data_that_was_deleted_comes_back_to_whoever_heard_of_it(
    pool: Pool, feed: Feed
) -> None:
    """What is told to be deleted absorbs everything after it; a setting is switched off and on."""
    reader = Reader(feed, "all")
    for value in (3, None, 4):
        await reference.put_settings(pool, "all", {"lockout_minutes": value})
        await sequence(pool)
        await reader.catch_up()
    assert reader.rows["setting/all/lockout_minutes"].state == "active"
    assert '"value": 4' in reader.rows["setting/all/lockout_minutes"].record
    assert await reader.agrees()


async def test_sync_6_a_feed_read_again_from_its_beginning_tells_what_was_withdrawn_meanwhile(
    pool: Pool, feed: Feed
) -> None:
    """A till that was never told of its progress reads its own feed again, over what it holds."""
    (gone, _) = await fill(pool, 2)
    await sequence(pool)
    reader = Reader(feed, "all.customers")
    await reader.catch_up()
    await pool.execute("UPDATE customer SET state = 'inactive' WHERE id = $1", gone)
    await sequence(pool)
    reader.cursor = 0
    await reader.catch_up()
    assert reader.rows[str(gone)].state == "withdrawn"
    assert await reader.agrees()


async def test_sync_5_a_snapshot_read_while_rows_change_ends_up_equal(
    pool: Pool, feed: Feed
) -> None:
    rng = random.Random(3)
    ids = await fill(pool, 300)
    await sequence(pool)

    async def change() -> None:
        some = sorted(rng.sample(ids, 20))
        await pool.execute(
            "UPDATE customer SET record = record || jsonb_build_object('phone', version::text)"
            " WHERE id = ANY ($1)", some[:10],
        )  # fmt: skip
        await pool.execute(
            "UPDATE customer SET is_customer = NOT is_customer WHERE id = ANY ($1)", some[10:]
        )
        if rng.random() < 0.5:
            await sequence(pool)

    reader = Reader(feed, "all.customers", limit=40)
    await reader.catch_up(change)
    await sequence(pool)
    await reader.catch_up()
    assert await reader.agrees()
    places = [(page.prev_seq, page.to_seq) for page in reader.pages]
    assert all(left[1] == right[0] for left, right in pairwise(places))
