"""Pages that tills pull, kept for others, and digests (SYNC-5, SYNC-6, I7)."""

import asyncio
import random
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from contracts import registry
from contracts.feed import PAGE_ROWS, Digest, DigestAsk, Pull, bucket_of
from contracts.search import Refused
from erp_node.feed import Feed, answer_digest, answer_pull
from erp_node.store import feed as store
from erp_node.store.pool import Pool, open_pool
from messaging.responder import BadRequest
from tests.databases import Database, Migrate
from tests.erp import Time, enrol, fill_customers, migrated, question, retail, store_customer
from tests.feeds import Reader, make_feed, open_page, sequence

C2 = "centre.C2.customers"


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


async def test_sync_6_a_bucket_shows_what_a_reader_lacks_or_has_too_many(
    pool: Pool, feed: Feed
) -> None:
    ids = await fill(pool, 400)
    gone, bucket = ids[0], bucket_of(str(ids[0]))
    await sequence(pool)
    await pool.execute("UPDATE customer SET is_customer = false WHERE id = $1", gone)
    await sequence(pool)
    expected = {str(id) for id in ids if bucket_of(str(id)) == bucket}
    states: dict[str, str] = {}
    cursor = 0
    reader = Reader(feed, "all.customers")
    while True:
        pull = Pull(scope="all.customers", from_seq=cursor, limit=1, bucket=bucket)
        page = reader.take(await feed.pull(pull, "p1"))
        states |= {row.key: row.state for row in page.rows}
        cursor = page.to_seq
        if page.remaining == 0:
            break
    assert states.keys() == expected
    assert states[str(gone)] == "withdrawn"


async def test_a_till_that_knows_another_epoch_starts_anew_and_hears_of_withdrawals(
    pool: Pool, feed: Feed
) -> None:
    ids = await fill(pool, 3)
    await sequence(pool)
    await pool.execute("UPDATE customer SET is_customer = false WHERE id = $1", ids[0])
    await sequence(pool)
    reader = Reader(feed, "all.customers", epoch="another", cursor=2)
    await reader.catch_up()
    assert reader.pages[0].prev_seq == 0
    assert reader.rows[str(ids[0])].state == "withdrawn"
    assert await reader.agrees()


async def epoch_of(pool: Pool) -> str:
    return str(await pool.fetchval("SELECT feed_epoch FROM erp_identity"))


async def renewed(pool: Pool, ago: str) -> None:
    """When the feeds last began anew."""
    await pool.execute("UPDATE erp_identity SET renewed_at = now() - $1::text::interval", ago)


async def ahead(pool: Pool, feed: Feed, pos_id: str) -> Reader:
    """A till that is level, and then finds the database restored: the next numbers were seen already."""
    reader = Reader(feed, "all.customers", pos_id=pos_id)
    await reader.catch_up()
    reader.cursor = 7
    return reader


async def test_tills_ahead_of_the_feed_make_the_feeds_begin_anew_and_all_heal(
    pool: Pool, feed: Feed
) -> None:
    await fill(pool, 3)
    await sequence(pool)
    one, two = [await ahead(pool, feed, pos_id) for pos_id in ("p1", "p2")]
    before = one.epoch
    await renewed(pool, "1 hour")
    await one.catch_up()
    assert (one.epoch, one.pages[-1].prev_seq) == (before, 0), "one till alone may be wrong"
    await two.catch_up()
    await one.catch_up()
    assert two.epoch == one.epoch != before
    assert (two.cursor, one.cursor) == (3, 3)
    await feed.pull(Pull(scope="all.customers", epoch=two.epoch, from_seq=9), "p3")
    await feed.pull(Pull(scope="all.customers", epoch=two.epoch, from_seq=9), "p4")
    assert await epoch_of(pool) == two.epoch, "at most once a minute"


async def test_one_till_alone_makes_the_feeds_begin_anew_at_most_once_a_day(
    pool: Pool, feed: Feed
) -> None:
    await fill(pool, 3)
    await sequence(pool)
    wrong, other = await ahead(pool, feed, "p1"), Reader(feed, "all.customers", pos_id="p2")
    before = await epoch_of(pool)
    await renewed(pool, "23 hours")
    for _ in range(5):
        await wrong.catch_up()
        await other.catch_up()
    assert await epoch_of(pool) == before
    assert [page.prev_seq for page in other.pages] == [0, 3, 3, 3, 3], "others go on as they were"
    await renewed(pool, "25 hours")
    await wrong.catch_up()
    assert await epoch_of(pool) != before
    assert (wrong.epoch, wrong.cursor) == (await epoch_of(pool), 3), "the only till there is heals"


async def test_a_claim_is_forgotten_after_an_hour(pool: Pool, feed: Feed, time: Time) -> None:
    await fill(pool, 3)
    await sequence(pool)
    before = await epoch_of(pool)
    await renewed(pool, "2 hours")
    claim = Pull(scope="all.customers", epoch=before, from_seq=9)
    await feed.pull(claim, "p1")
    time.move(3_601)
    await feed.pull(claim, "p2")
    assert await epoch_of(pool) == before
    await feed.pull(claim, "p3")
    assert await epoch_of(pool) != before


async def test_i7_an_erased_customer_is_in_no_page_from_that_moment(pool: Pool, feed: Feed) -> None:
    ids = await fill(pool, 600)
    await sequence(pool)
    pull = Pull(scope="all.customers")
    reader = Reader(feed, "all.customers")
    reader.take(await feed.pull(pull, "p1"))
    assert '"name"' in reader.rows[str(ids[0])].record
    first = await feed.pull(pull, "p1")
    assert first is await feed.pull(pull, "p1"), "kept for the next who asks"
    await pool.execute("UPDATE customer SET state = 'anonymised' WHERE id = $1", ids[0])
    reader.take(again := await feed.pull(pull, "p1"))
    assert again is not first
    assert again.to_seq == first.to_seq
    later = Reader(feed, "all.customers")
    later.take(again)
    assert (later.rows[str(ids[0])].state, later.rows[str(ids[0])].record) == ("anonymised", "")


async def test_a_hundred_who_ask_at_once_cost_one_page(
    pool: Pool, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(pool, PAGE_ROWS)
    await sequence(pool)
    built = 0
    read_rows = store.read_rows

    async def count(*args: object) -> list[store.Stretch]:
        nonlocal built
        built += 1
        return await read_rows(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "read_rows", count)
    pages = await asyncio.gather(
        *(feed.pull(Pull(scope="all.customers"), f"p{n}") for n in range(100))
    )
    assert len({id(page) for page in pages}) == 1 == built


async def test_sync_6_a_digest_is_added_up_once_while_nothing_changes(
    pool: Pool, feed: Feed
) -> None:
    await fill(pool, 5)
    await sequence(pool)
    first = await feed.digest("all.customers")
    assert await feed.digest("all.customers") is first
    await fill(pool, 1)
    await sequence(pool)
    assert sum((await feed.digest("all.customers")).counts) == 6


async def test_pages_of_large_records_stay_within_a_message(pool: Pool, feed: Feed) -> None:
    rng = random.Random(1)
    for number in range(12):
        noise = "".join(
            rng.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=39_000)
        )
        consents = [{"definition": f"c{n}", "state": "given", "signature": noise} for n in range(3)]
        await store_customer(pool, retail(f"L{number}", consents=consents))
    large = await store_customer(pool, retail("TOO-LARGE"))
    await pool.execute(
        "UPDATE customer SET record = record || jsonb_build_object('attributes', jsonb_build_object('x', 'y'),"
        " 'unknown', repeat('x', 300000)) WHERE id = $1", large,
    )  # fmt: skip
    await sequence(pool)
    reader = Reader(feed, "all.customers")
    await reader.catch_up()
    assert len(reader.rows) == 12
    assert len(reader.pages) > 1
    assert [one.customer_id for one in await store.list_troubles(pool)] == [large]
    await pool.execute("UPDATE customer SET record = record - 'unknown' WHERE id = $1", large)
    await sequence(pool)
    await reader.catch_up()
    assert len(reader.active) == 13
    await pool.execute(
        "UPDATE customer SET record = record || jsonb_build_object('unknown', repeat('x', 300000))"
        " WHERE id = $1", large,
    )  # fmt: skip
    await sequence(pool)
    await reader.catch_up()
    assert len(reader.active) == 12
    assert await reader.agrees()


async def test_an_empty_feed_answers_too(feed: Feed) -> None:
    reader = Reader(feed, "centre.NOWHERE")
    await reader.catch_up()
    assert (reader.cursor, reader.rows) == (0, {})
    assert await reader.agrees()


async def test_sync_5_a_till_that_asks_is_given_the_page_of_its_own_scopes_only(
    pool: Pool, feed: Feed
) -> None:
    await fill(pool, 20)
    await sequence(pool)
    answer = await answer_pull(feed, question("p1", Pull(scope="all.customers")))
    assert answer is not None
    assert (answer.type, answer.content_encoding) == ("feed.page", "zstd")
    page, _ = open_page(answer.body, answer.content_encoding)
    assert len(page.rows) == 20
    for till, scope in (("p1", "pos.small"), ("p1", C2), ("small", "all.customers")):
        for asked, answering in (
            (Pull(scope=scope), answer_pull),
            (DigestAsk(scope=scope), answer_digest),
        ):
            answer = await answering(feed, question(till, asked))
            assert answer is not None
            refused = registry.decode(answer.body).data
            assert refused == Refused(code="feed.not_yours", params={"scope": scope})


async def test_sync_6_a_till_that_asks_is_told_the_digest(pool: Pool, feed: Feed) -> None:
    await fill(pool, 20)
    await sequence(pool)
    answer = await answer_digest(feed, question("p1", DigestAsk(scope="all.customers")))
    assert answer is not None
    digest = registry.decode(answer.body).data
    assert isinstance(digest, Digest)
    assert (digest.head, sum(digest.counts)) == (20, 20)
    assert answer.type == "feed.digest"


async def test_i10_a_question_from_no_till_is_parked(feed: Feed) -> None:
    with pytest.raises(BadRequest) as bad:
        await answer_pull(feed, question("stranger", Pull(scope="all")))
    assert bad.value.code == "sender"


async def test_search_12_a_pull_past_its_deadline_is_not_answered(feed: Feed, time: Time) -> None:
    late = question("p1", Pull(scope="all"))
    time.move(11)
    assert await answer_pull(feed, late) is None
