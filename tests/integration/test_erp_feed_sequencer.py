"""Changes sent to tills without being asked, and the ERP's signs of life (SYNC-7, I11)."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from contracts import registry
from contracts.cards import CardStopped
from contracts.feed import Page
from contracts.matching import words_of
from contracts.presence import Beat
from erp_node.beat import Heart
from erp_node.pages import BuiltPage, PageBuilder
from erp_node.pressure import Pressure
from erp_node.sequencer import Sequencer, sequence_once
from erp_node.store.pool import Pool, open_pool
from messaging.channel import LinkDown
from tests.databases import Database, Migrate
from tests.erp import Time, enrol, fill_customers, migrated, retail, store_customer, words_held
from tests.feeds import open_page, sequence


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.dsn, max_size=6)
    await enrol(opened, "p1")
    yield opened
    await opened.close()


class Exchange:
    """Where pages are sent; a broken one takes none."""

    def __init__(self) -> None:
        self.pages: asyncio.Queue[Page] = asyncio.Queue()
        self.stops: list[CardStopped] = []
        self.broken = False

    async def stop(self, stopped: CardStopped) -> None:
        if self.broken:
            raise LinkDown("gone")
        self.stops.append(stopped)

    async def __call__(self, built: BuiltPage) -> None:
        if self.broken:
            raise LinkDown("gone")
        page, _ = open_page(built.body, built.content_encoding)
        self.pages.put_nowait(page)

    async def next(self) -> Page:
        async with asyncio.timeout(10):
            return await self.pages.get()


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def sequencer(pool: Pool, exchange: Exchange, builder: PageBuilder) -> Sequencer:
    return Sequencer(
        pool, builder, exchange, exchange.stop, Pressure(time.monotonic), rng=random.Random(1)
    )


@pytest.fixture
def builder(pool: Pool) -> PageBuilder:

    return PageBuilder(pool, Time(), uuid4)


@asynccontextmanager
async def running(sequencer: Sequencer) -> AsyncIterator[None]:
    task = asyncio.create_task(sequencer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_committed_change_is_sent_at_once(
    pool: Pool, sequencer: Sequencer, exchange: Exchange
) -> None:
    async with running(sequencer):
        for number in (1, 2, 3):
            id = await store_customer(pool, retail(f"N{number}"))
            page = await exchange.next()
            assert [row.key for row in page.rows] == [str(id)]
            assert (page.prev_seq, page.to_seq, page.head) == (number - 1, number, number)


async def test_i11_a_sequencer_whose_connections_are_cut_goes_on(
    pool: Pool, sequencer: Sequencer, exchange: Exchange, database: Database
) -> None:
    other = await open_pool(database.dsn, max_size=1)
    try:
        async with running(sequencer):
            await store_customer(other, retail("A"))
            await exchange.next()
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await store_customer(other, retail("B"))
            assert (await exchange.next()).to_seq == 2
    finally:
        await other.close()


async def test_i11_a_sequencer_goes_on_numbering_without_a_broker(
    pool: Pool, sequencer: Sequencer, exchange: Exchange
) -> None:
    exchange.broken = True
    await store_customer(pool, retail("A"))
    await sequencer.catch_up()
    exchange.broken = False
    await store_customer(pool, retail("B"))
    await sequencer.catch_up()
    page = await exchange.next()
    assert (page.prev_seq, page.to_seq) == (1, 2), "the first page is pulled"


async def test_one_change_of_many_rows_is_sent_in_pages_without_a_gap_a_short_one_first(
    pool: Pool, sequencer: Sequencer, exchange: Exchange
) -> None:
    await _many(pool, 1_200)
    await sequencer.catch_up()
    pages = [exchange.pages.get_nowait() for _ in range(exchange.pages.qsize())]
    assert [(page.prev_seq, page.to_seq) for page in pages] == [(0, 250), (250, 750), (750, 1200)]
    assert sum(len(page.rows) for page in pages) == 1_200


async def test_a_backlog_is_only_announced(
    pool: Pool, sequencer: Sequencer, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erp_node.sequencer.MARKS", 100)
    monkeypatch.setattr("erp_node.sequencer.BACKLOG_ROWS", 150)
    await _many(pool, 400)
    await sequencer.catch_up()
    pages = [exchange.pages.get_nowait() for _ in range(exchange.pages.qsize())]
    announced = [(page.prev_seq, page.to_seq, page.head) for page in pages if not page.rows]
    assert announced == [(100, 100, 100), (200, 200, 200)]
    assert [(page.prev_seq, page.to_seq) for page in pages if page.rows] == [(200, 300), (300, 400)]


async def test_words_that_cannot_be_made_ahead_hold_no_page_up(
    pool: Pool, sequencer: Sequencer, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise ConnectionResetError("terminated")

    monkeypatch.setattr("erp_node.sequencer.word_next", fail)
    await _many(pool, 1_200)
    await sequencer.catch_up()
    pages = [exchange.pages.get_nowait() for _ in range(exchange.pages.qsize())]
    assert sum(len(page.rows) for page in pages) == 1_200


async def test_search_6_words_come_into_the_search_while_others_are_numbered_all_day(
    pool: Pool, sequencer: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erp_node.sequencer.LEISURE_AFTER_S", 3_600.0)
    monkeypatch.setattr("erp_node.sequencer.LEISURE_EVERY_S", 0.0)
    await store_customer(pool, retail("A"))
    await pool.execute('UPDATE customer SET record = record || \'{"last_name": "Durand"}\'')
    await sequencer.catch_up()
    assert await pool.fetchval("SELECT search IS NOT NULL FROM customer_words")


async def test_words_that_stay_the_same_stay_in_the_search(
    pool: Pool, sequencer: Sequencer
) -> None:
    await store_customer(pool, retail("A"))
    await sequencer.catch_up()
    await pool.execute('UPDATE customer SET record = record || \'{"description": "tea"}\'')
    await sequence_once(pool)
    assert await pool.fetchval("SELECT version = 2 AND search IS NOT NULL FROM customer_words")


async def test_a_supplier_changed_twice_at_once_gets_its_words(
    pool: Pool, sequencer: Sequencer
) -> None:
    id = await store_customer(pool, retail("A"), is_customer=False)
    async with pool.acquire() as connection, connection.transaction():
        for name in ("Durand", "Petit"):
            await connection.execute(
                "UPDATE customer SET record = record || jsonb_build_object('last_name', $1::text)",
                name,
            )
    await sequencer.catch_up()
    assert await words_held(pool, id) == list(words_of(retail("A", "Petit")))


async def test_suppliers_get_their_words_when_there_is_time(
    pool: Pool, sequencer: Sequencer
) -> None:
    id = await store_customer(pool, retail("A"), is_customer=False)
    await pool.execute('UPDATE customer SET record = record || \'{"last_name": "Durand"}\'')
    await sequencer.catch_up()
    assert await words_held(pool, id) == list(words_of(retail("A", "Durand")))
    assert await pool.fetchval("SELECT search IS NOT NULL FROM customer_words")


async def test_sync_7_every_beat_tells_the_time_and_within_fifteen_seconds_every_head(
    pool: Pool, exchange: Exchange, builder: PageBuilder
) -> None:
    beats: list[bytes] = []

    async def publish_beat(body: bytes) -> None:
        beats.append(body)

    await pool.execute(
        "INSERT INTO reference (key, kind, record) SELECT 'choice/' || n, 'choice', '{}' FROM generate_series(1, 2) n"
    )
    await store_customer(pool, retail("A"), everywhere=False, centres=("C1", "C2", "C3"))
    await pool.execute("INSERT INTO journal_progress VALUES ('p1', 'e', 1), ('retired', 'e', 1)")
    await sequence(pool)

    time = Time()
    heart = Heart(pool, builder, exchange, publish_beat, clock=time, new_id=uuid4, interval_s=3.0)
    for turn in range(5):
        await heart.beat(turn)
    told = [exchange.pages.get_nowait() for _ in range(exchange.pages.qsize())]
    assert all(not page.rows and page.prev_seq == page.to_seq == page.head for page in told)
    assert [page.head for page in told if page.scope == "all"] == [2] * 5
    assert sorted(page.scope for page in told if page.scope != "all") == [
        "centre.C1.customers", "centre.C2.customers", "centre.C3.customers", "pos.p1",
    ]  # fmt: skip
    assert len(beats) == 5
    beat = registry.decode(beats[0]).data
    assert beat == Beat(now=time.now(), interval_s=3.0)


async def _many(pool: Pool, count: int) -> None:
    await fill_customers(pool, count)


async def test_card_12_a_block_is_told_past_the_feed_and_again_when_it_could_not_be(
    pool: Pool, exchange: Exchange, sequencer: Sequencer
) -> None:
    await pool.execute("INSERT INTO card (number) VALUES ('C1'), ('C2')")
    exchange.broken = True
    await pool.execute("UPDATE card SET state = 'blocked', reason = 'lost' WHERE number = 'C1'")
    await sequencer.catch_up()
    assert exchange.stops == []
    exchange.broken = False
    await sequencer.catch_up()
    assert [(one.card.number, one.version) for one in exchange.stops] == [("C1", 2)]
    await sequencer.catch_up()
    assert len(exchange.stops) == 1
