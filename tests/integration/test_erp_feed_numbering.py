"""Committed marks become places in the feeds: none lost, none given twice, none stuck (I1)."""

import asyncio
import random
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from contracts.feed import Pull
from contracts.matching import words_of
from erp_node.feed import Feed
from erp_node.sequencer import sequence_once
from erp_node.store import feed as store
from erp_node.store.customers import hold_customers
from erp_node.store.journal import forget_verdicts
from erp_node.store.pool import Pool, open_pool
from erp_node.upkeep import VERDICT_DAYS, VERDICTS_AT_ONCE
from erp_node.wording import word_at_leisure
from tests.databases import Database, Databases, Migrate
from tests.erp import (
    Time,
    business,
    enrol,
    fill_customers,
    migrated,
    retail,
    store_customer,
    words_held,
)
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


async def test_i1_a_mark_committed_late_is_not_skipped(pool: Pool, feed: Feed) -> None:
    reader = Reader(feed, "all.customers")
    async with pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        late = await store_customer(slow, retail("LATE"))
        early = await store_customer(pool, retail("EARLY"))
        await sequence(pool)
        await reader.catch_up()
        assert set(reader.rows) == {str(early)}
        await transaction.commit()
    await sequence(pool)
    await reader.catch_up()
    assert set(reader.rows) == {str(early), str(late)}


async def test_i1_two_sequencers_and_many_writers_neither_skip_nor_repeat(
    pool: Pool, feed: Feed
) -> None:
    rng = random.Random(5)
    ids = await fill(pool, 60)
    writing = True

    async def write(number: int) -> None:
        for turn in range(25):
            chosen = rng.sample(ids, 3)
            await pool.execute(
                "UPDATE customer SET record = record || jsonb_build_object('phone', $2::text),"
                " everywhere = $3, centres = '{C1}'"
                " WHERE id = ANY ($1::uuid[])",
                sorted(chosen),
                f"{number}.{turn}",
                rng.random() < 0.7,
            )

    async def number() -> None:
        while writing:
            await sequence_once(pool)

    sequencers = [asyncio.create_task(number()) for _ in range(2)]
    readers = [Reader(feed, "all.customers", limit=7), Reader(feed, C1, limit=7)]
    writers = asyncio.gather(write(1), write(2))
    while not writers.done():
        for reader in readers:
            await reader.catch_up()
    writing = False
    await asyncio.gather(*sequencers)
    await sequence(pool)
    seqs = await pool.fetch(
        "SELECT scope, count(*), count(DISTINCT seq) FROM feed_entry GROUP BY scope"
    )
    assert all(row[1] == row[2] for row in seqs)
    for reader in readers:
        await reader.catch_up()
        assert await reader.agrees()
    assert sum(len(reader.active) for reader in readers) == 60


async def test_i1_a_pass_that_fails_leaves_marks_and_numbers_as_they_were(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(pool, 3)
    await pool.execute(
        "INSERT INTO journal_progress (pos_id, epoch, applied_seq) VALUES ('p1', 'e', 1)"
    )

    async def fail(*_: object) -> None:
        raise OSError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(store, "put_progress", fail)
        with pytest.raises(OSError, match="gone"):
            await sequence_once(pool)
    assert await pool.fetchval("SELECT count(*) FROM feed_mark") == 4
    assert await pool.fetchval("SELECT count(*) FROM feed_entry") == 0
    done = await sequence_once(pool)
    assert {(one.scope, one.after, one.head) for one in done.numbered} == {
        ("all.customers", 0, 3), ("pos.p1", 0, 1),
    }  # fmt: skip


async def test_an_entity_that_did_not_change_for_its_readers_is_not_numbered_again(
    pool: Pool,
) -> None:
    await fill(pool, 2)
    await sequence(pool)
    await pool.execute(
        "INSERT INTO feed_mark (scope, kind, entity) SELECT 'all.customers', 'customer', id FROM customer"
    )
    assert (await sequence_once(pool)).numbered == ()
    assert await pool.fetchval("SELECT count(*) FROM feed_mark") == 0


async def test_search_13_missing_words_are_made_before_a_customer_is_sent(
    pool: Pool, feed: Feed
) -> None:
    customer = business("A", "Łódzkie Młyny", tax_number="PL 526-10-40-828", country_code="PL")
    id = await store_customer(pool, business("A", "other"))
    await pool.execute(
        "UPDATE customer SET record = $1::jsonb", customer.model_dump_json(exclude_none=True)
    )
    assert await words_held(pool, id) is None
    await sequence(pool)
    reader = Reader(feed, "all.customers")
    await reader.catch_up()
    [row] = reader.pages[0].rows
    assert row.kind == "customer"
    assert row.words == list(words_of(customer))
    assert await words_held(pool, id) == list(words_of(customer))
    assert await pool.fetchval("SELECT search IS NULL FROM customer_words")
    await word_at_leisure(pool)
    assert await pool.fetchval("SELECT search = search_vector(words) FROM customer_words")


async def test_a_record_that_is_no_customer_is_reported_and_stops_nobody(
    pool: Pool, feed: Feed
) -> None:
    good, bad = await store_customer(pool, retail("A")), await store_customer(pool, retail("B"))
    await sequence(pool)
    reader = Reader(feed, "all.customers")
    await reader.catch_up()
    await pool.execute(
        'UPDATE customer SET record = record || \'{"email": "secret person"}\' WHERE id = $1', bad
    )
    await pool.execute(
        'UPDATE customer SET record = record || \'{"phone": "1"}\' WHERE id = $1', good
    )
    await sequence(pool)
    await reader.catch_up()
    assert (reader.rows[str(good)].version, reader.rows[str(bad)].version) == (2, 2)
    assert reader.rows[str(bad)].state == "withdrawn", "all tills hold the same, whenever they came"
    newcomer = Reader(feed, "all.customers")
    await newcomer.catch_up()
    assert set(newcomer.active) == {str(good)}
    assert await reader.agrees()
    assert await newcomer.agrees()
    [trouble] = await store.list_troubles(pool)
    assert (trouble.customer_id, trouble.version) == (bad, 2)
    assert trouble.reason.startswith("email: ")
    assert "secret" not in trouble.reason
    await pool.execute(
        'UPDATE customer SET record = record || \'{"email": "a@b.c"}\' WHERE id = $1', bad
    )
    await sequence(pool)
    await reader.catch_up()
    assert reader.rows[str(bad)].version == 3
    assert await store.list_troubles(pool) == []
    assert await reader.agrees()


async def test_a_customer_somebody_is_changing_holds_nobody_up(pool: Pool, feed: Feed) -> None:
    """Words are made and pages sent while its row is locked."""
    held = await store_customer(pool, retail("A"))
    await store_customer(pool, retail("B"))
    await pool.execute('UPDATE customer SET record = record || \'{"phone": "1"}\'')
    reader = Reader(feed, "all.customers")
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM customer WHERE id = $1 FOR UPDATE", held)
        async with asyncio.timeout(20):
            await sequence(pool)
            assert await word_at_leisure(pool) == 2
        await reader.catch_up()
        assert {row.version for row in reader.rows.values()} == {2}
    assert await pool.fetchval("SELECT count(*) FROM word_mark") == 0


async def test_i1_progress_says_heads_that_hold_its_outcome(pool: Pool, feed: Feed) -> None:
    reader = Reader(feed, "pos.p1")
    for number in (1, 2):
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO journal_progress (pos_id, epoch, applied_seq) VALUES ('p1', 'e', $1)"
                " ON CONFLICT (pos_id, epoch) DO UPDATE SET applied_seq = excluded.applied_seq",
                number * 10,
            )
            await store_customer(connection, retail(f"N{number}"))
        await sequence(pool)
        await reader.catch_up()
        [row] = reader.pages[-1].rows
        assert row.kind == "progress"
        assert row.record is not None
        assert (row.key, row.record.epoch, row.record.applied_seq) == ("e", "e", number * 10)
        assert row.record.heads == {"all.customers": number, "pos.p1": number}


async def test_i1_progress_is_not_told_before_the_outcome_is_numbered(
    pool: Pool, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row in the table is further than what was numbered; the page must not be."""
    put = "INSERT INTO journal_progress (pos_id, epoch, applied_seq) VALUES ('p1', 'e', 1)"
    await pool.execute(put)
    await sequence(pool)
    await pool.execute("UPDATE journal_progress SET applied_seq = 2")
    reader = Reader(feed, "pos.p1")
    await reader.catch_up()
    assert '"applied_seq": 1' in reader.rows["e"].record
    # A pass that is cut short between a customer and the progress that follows it says nothing of it.
    monkeypatch.setattr("erp_node.sequencer.MARKS", 1)
    await pool.execute("DELETE FROM feed_mark")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("UPDATE journal_progress SET applied_seq = 3")
        await store_customer(connection, retail("A"))
    assert {one.scope for one in (await sequence_once(pool)).numbered} == {"all.customers"}
    assert {one.scope for one in (await sequence_once(pool)).numbered} == {"pos.p1"}
    await reader.catch_up()
    assert '"heads": {"pos.p1": 2, "all.customers": 1}' in reader.rows["e"].record


async def test_i1_progress_waits_for_an_outcome_that_waits(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome was changed by SQL between the making of words and the numbering."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO journal_progress (pos_id, epoch, applied_seq) VALUES ('p1', 'e', 1)"
        )
        await store_customer(connection, retail("A"))

    async def change(*_: object) -> list[store.Unworded]:
        await pool.execute('UPDATE customer SET record = record || \'{"phone": "1"}\'')
        return []

    with monkeypatch.context() as patch:
        patch.setattr(store, "read_unworded", change)
        done = await sequence_once(pool)
    assert (done.numbered, done.waiting) == ((), 2)
    assert {one.scope for one in (await sequence_once(pool)).numbered} == {
        "all.customers",
        "pos.p1",
    }


async def test_verdicts_of_half_a_year_ago_are_forgotten_with_their_places(
    pool: Pool, feed: Feed
) -> None:
    await pool.execute(
        "INSERT INTO verdict (pos_id, epoch, seq, record, at) SELECT 'p1', 'e', n,"
        ' \'{"outcome": "refused", "code": "customer.unknown"}\','
        " now() - make_interval(days => CASE WHEN n <= 2 THEN 181 ELSE 179 END)"
        " FROM generate_series(1, 3) AS n"
    )
    await sequence(pool)
    assert await forget_verdicts(pool, VERDICT_DAYS, VERDICTS_AT_ONCE) == 2
    reader = Reader(feed, "pos.p1")
    await reader.catch_up()
    assert len(reader.rows) == 1
    entries = "SELECT entries FROM feed_scope WHERE scope = 'pos.p1'"
    assert await pool.fetchval(entries) == 1
    assert await forget_verdicts(pool, VERDICT_DAYS, VERDICTS_AT_ONCE) == 0


async def test_verdicts_reach_their_till_and_no_other(pool: Pool, feed: Feed) -> None:
    await pool.execute(
        "INSERT INTO verdict (pos_id, epoch, seq, record) VALUES ('p1', 'e', 3,"
        ' \'{"outcome": "refused", "code": "customer.unknown", "params": {"name": "Zoë"}}\')'
    )
    await sequence(pool)
    mine, others = Reader(feed, "pos.p1"), Reader(feed, "pos.small")
    await mine.catch_up()
    await others.catch_up()
    [row] = mine.pages[0].rows
    assert row.kind == "verdict"
    assert row.record is not None
    assert (row.record.epoch, row.record.seq, row.record.code) == ("e", 3, "customer.unknown")
    assert others.rows == {}
    assert sum(mine.digest()[0]) == 0 == sum((await feed.digest("pos.p1")).counts)


async def test_another_server_of_the_database_makes_the_feeds_begin_anew(pool: Pool) -> None:
    await sequence(pool)
    before = await pool.fetchval("SELECT feed_epoch FROM erp_identity")
    await sequence(pool)
    assert await pool.fetchval("SELECT feed_epoch FROM erp_identity") == before
    await pool.execute("UPDATE erp_identity SET timeline = 'another'")
    await sequence(pool)
    assert await pool.fetchval("SELECT feed_epoch FROM erp_identity") != before


async def test_a_kept_page_is_right_for_those_who_come_later(
    pool: Pool, feed: Feed, time: Time
) -> None:
    await fill(pool, 3)
    await sequence(pool)
    pull = Pull(scope="all.customers")
    last = await feed.pull(pull, "p1")
    assert await feed.pull(pull, "p1") is last
    await fill(pool, 1)
    await sequence(pool)
    newer = await feed.pull(pull, "p1")
    assert newer.to_seq == 4, "the last page is the last no longer"
    time.move(10)
    assert await feed.pull(pull, "p1") is not newer, "kept for seconds only"


async def test_i11_a_sequencer_that_hangs_is_thrown_out_for_another(
    pool: Pool, database: Database
) -> None:
    await fill(pool, 1)
    hung = await asyncpg.connect(database.dsn)
    try:
        await hung.execute("BEGIN")
        await store.begin_pass(hung)
        assert await hung.fetchval("SHOW idle_in_transaction_session_timeout") == "15s"
        await hung.execute("SET LOCAL idle_in_transaction_session_timeout = '300ms'")
        async with asyncio.timeout(20):
            assert [one.rows for one in (await sequence_once(pool)).numbered] == [1]
    finally:
        hung.terminate()


async def test_sync_6_a_database_put_back_from_a_dump_makes_the_feeds_begin_anew(
    database: Database, databases: Databases
) -> None:
    """On the same server and timeline: it is another database there, and its tables are other ones."""

    async def sequenced(dsn: str) -> str:
        pool = await open_pool(dsn, max_size=2)
        await sequence(pool)
        epoch: str = await pool.fetchval("SELECT feed_epoch FROM erp_identity")
        await pool.close()
        return epoch

    before = await sequenced(database.dsn)
    assert await sequenced(database.dsn) == before
    async with databases.fresh(database.name) as copied:
        assert await sequenced(copied.dsn) != before


async def test_sync_2_a_customer_that_is_fetched_while_it_changes_follows_the_change(
    pool: Pool, feed: Feed
) -> None:
    chosen = await store_customer(pool, retail("A"))
    reader = Reader(feed, "pos.small", pos_id="small")
    async with pool.acquire() as office:
        transaction = office.transaction()
        await transaction.start()
        await office.execute("UPDATE customer SET editors = '{C1}' WHERE id = $1", chosen)
        holding = asyncio.create_task(hold_customers(pool, [("small", chosen)]))
        await asyncio.wait([holding], timeout=0.2)
        await sequence(pool)
        await reader.catch_up()
        await transaction.commit()
    await holding
    await sequence(pool)
    await reader.catch_up()
    assert reader.rows[str(chosen)].version == 2
