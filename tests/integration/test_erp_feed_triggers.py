"""What the database does by itself when customers and reference data change (SYNC-3, I3)."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from contracts.matching import words_of
from erp_node.store.pool import Pool, open_pool
from tests.databases import Database, Migrate
from tests.erp import business, enrol, migrated, retail, store_customer, words_held


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.dsn, max_size=3)
    yield opened
    await opened.close()


async def marks(pool: Pool) -> set[tuple[str, UUID]]:
    """The scopes and entities marked since this was last asked."""
    rows = await pool.fetch("DELETE FROM feed_mark RETURNING scope, entity")
    return {(row["scope"], row["entity"]) for row in rows}


async def marked_scopes(pool: Pool) -> set[str]:
    return {scope for scope, _ in await marks(pool)}


async def version_of(pool: Pool, id: UUID) -> int:
    version: int = await pool.fetchval("SELECT version FROM customer WHERE id = $1", id)
    return version


async def test_sync_1_a_new_customer_is_marked_where_it_is_available(pool: Pool) -> None:
    everywhere = await store_customer(pool, retail("A"))
    assert await marks(pool) == {("all.customers", everywhere)}
    two = await store_customer(pool, retail("B"), everywhere=False, centres=("C1", "C2"))
    assert await marks(pool) == {("centre.C1.customers", two), ("centre.C2.customers", two)}


async def test_sync_1_a_supplier_or_an_inactive_customer_is_not_marked(pool: Pool) -> None:
    await store_customer(pool, retail("A"), is_customer=False)
    await store_customer(pool, retail("B"), state="inactive")
    assert await marks(pool) == set()


async def test_sync_4_a_customer_is_marked_where_it_was_and_where_it_is(pool: Pool) -> None:
    id = await store_customer(pool, retail("A"), everywhere=False, centres=("C1",))
    await marks(pool)
    await pool.execute("UPDATE customer SET centres = '{C2}' WHERE id = $1", id)
    assert await marked_scopes(pool) == {"centre.C1.customers", "centre.C2.customers"}
    await pool.execute("UPDATE customer SET everywhere = true WHERE id = $1", id)
    assert await marked_scopes(pool) == {"centre.C2.customers", "all.customers"}


async def test_sync_2_a_change_is_marked_for_tills_that_hold_the_customer(pool: Pool) -> None:
    await enrol(pool, "small", mode="local_only")
    id = await store_customer(pool, retail("A"), everywhere=False, centres=("C1",))
    await marks(pool)
    await pool.execute("INSERT INTO till_holding VALUES ('small', $1)", id)
    assert await marked_scopes(pool) == {"pos.small"}
    await pool.execute("UPDATE customer SET state = 'inactive' WHERE id = $1", id)
    assert await marked_scopes(pool) == {"centre.C1.customers", "pos.small"}
    await pool.execute("DELETE FROM till_holding")
    assert await marked_scopes(pool) == {"pos.small"}


async def test_sync_2_a_till_that_moves_hears_of_what_it_holds(pool: Pool) -> None:
    await enrol(pool, "small", mode="local_only")
    id = await store_customer(pool, retail("A"))
    await pool.execute("INSERT INTO till_holding VALUES ('small', $1)", id)
    await marks(pool)
    await pool.execute("UPDATE till SET centre = 'C2'")
    assert await marked_scopes(pool) == {"pos.small"}
    await pool.execute("UPDATE till SET mode = 'full'")
    assert await pool.fetchval("SELECT count(*) FROM till_holding") == 0
    assert await marked_scopes(pool) == {"pos.small"}


async def test_i3_every_real_change_raises_the_version_by_one(pool: Pool) -> None:
    id = await store_customer(pool, retail("A"))
    for change in (
        'record = record || \'{"phone": "1"}\'',
        "state = 'inactive'",
        "is_customer = false",
        "everywhere = false",
        "centres = '{C1}'",
        "editors = '{C1}'",
    ):
        before = await version_of(pool, id)
        await pool.execute(f"UPDATE customer SET {change}, version = 1 WHERE id = $1", id)
        assert await version_of(pool, id) == before + 1, change


async def test_i3_a_change_that_changes_nothing_marks_nothing(pool: Pool) -> None:
    id = await store_customer(pool, retail("A"))
    await marks(pool)
    await pool.execute("UPDATE customer SET record = record, centres = centres, version = 9")
    assert await marks(pool) == set()
    assert await version_of(pool, id) == 1
    assert await pool.fetchval("SELECT count(*) FROM customer_history") == 1


async def test_words_of_a_record_changed_without_them_are_void(pool: Pool) -> None:
    id = await store_customer(pool, retail("A"))
    await pool.execute("UPDATE customer SET centres = '{C1}'")
    assert await words_held(pool, id) == list(words_of(retail("A")))
    await pool.execute('UPDATE customer SET record = record || \'{"code": "B"}\'')
    assert await words_held(pool, id) is None
    assert await pool.fetchval("SELECT version FROM word_mark") == 3


@pytest.mark.parametrize("final", ["deleted", "anonymised"])
async def test_i3_a_customer_deleted_or_anonymised_stays_so(pool: Pool, final: str) -> None:
    await store_customer(pool, retail("A"))
    await pool.execute("UPDATE customer SET state = $1", final)
    with pytest.raises(asyncpg.CheckViolationError, match="cannot be undone"):
        await pool.execute("UPDATE customer SET state = 'active'")


async def test_i7_an_erased_customer_is_marked_wherever_it_ever_was(pool: Pool) -> None:
    id = await store_customer(pool, retail("A"), everywhere=False, centres=("C2",))
    await pool.execute(
        "INSERT INTO feed_entry (scope, kind, entity, seq, bucket)"
        " VALUES ('centre.C1.customers', 'customer', $1, 1, 0)",
        id,
    )
    await marks(pool)
    await pool.execute("UPDATE customer SET state = 'anonymised'")
    assert await marked_scopes(pool) == {"centre.C1.customers", "centre.C2.customers"}


@pytest.mark.parametrize(
    "removal", ["DELETE FROM customer", "TRUNCATE customer CASCADE", "DELETE FROM reference"]
)
async def test_sync_4_nothing_that_tills_hold_can_be_removed(pool: Pool, removal: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="never removed"):
        await pool.execute(removal)


async def test_an_id_never_changes(pool: Pool) -> None:
    await store_customer(pool, retail("A"))
    with pytest.raises(asyncpg.CheckViolationError, match="never changes"):
        await pool.execute("UPDATE customer SET id = gen_random_uuid()")


@pytest.mark.parametrize("centre", ["", "A B", "A,B", "C.1", "*", "é", "x" * 61, None])
async def test_a_centre_that_could_not_be_addressed_is_refused(
    pool: Pool, centre: str | None
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="customer_centre_codes"):
        await store_customer(pool, retail("A"), everywhere=False, centres=("C1", centre))  # type: ignore[arg-type]


async def test_sync_3_a_change_by_sql_is_in_the_history_by_field(pool: Pool) -> None:
    id = await store_customer(pool, business("A", "Łódź"))
    await pool.execute(
        "UPDATE customer SET record = record - 'name' || '{\"phone\": \"12\"}', centres = '{C1}'"
    )
    rows = await pool.fetch(
        "SELECT path, old::text, new::text, version, changed_where, changed_by = session_user AS me"
        " FROM customer_history WHERE customer_id = $1 ORDER BY path",
        id,
    )
    assert [tuple(row) for row in rows] == [
        ("", None, None, 1, "test", True),
        ("centres", "[]", '["C1"]', 2, "sql", True),
        ("name", '"Łódź"', None, 2, "sql", True),
        ("phone", None, '"12"', 2, "sql", True),
    ]


async def test_sync_3_a_program_that_says_who_and_when_is_not_the_application(pool: Pool) -> None:
    """Its changes get a history and new words like any other made by SQL; so do the customers it makes."""
    id = await store_customer(pool, retail("A"))
    await pool.execute(
        'UPDATE customer SET record = record || \'{"last_name": "Durand"}\','
        " changed_at = now(), changed_by = 'etl', changed_where = 'etl'"
    )
    row = await pool.fetchrow("SELECT * FROM customer_history WHERE path = 'last_name'")
    assert row is not None
    assert (row["changed_by"], row["changed_where"], row["new"]) == ("etl", "sql", '"Durand"')
    assert await words_held(pool, id) is None
    await pool.execute(
        "INSERT INTO customer (id, everywhere, record, changed_where)"
        ' VALUES (gen_random_uuid(), true, \'{"kind": "business", "code": "B", "name": "N"}\', \'etl\')'
    )
    assert await pool.fetchval("SELECT count(DISTINCT customer_id) FROM word_mark") == 2


async def test_sync_3_the_application_writes_its_own_history(pool: Pool) -> None:
    await store_customer(pool, retail("A"))
    await pool.execute(
        "UPDATE customer SET everywhere = false, changed_at = NULL, changed_by = 'anna', changed_where = 'erp'"
    )
    assert await pool.fetchval("SELECT count(*) FROM customer_history WHERE path <> ''") == 0
    assert await pool.fetchval("SELECT changed_by FROM customer") == "anna"
    await pool.execute("UPDATE customer SET everywhere = true")
    assert await pool.fetchval("SELECT changed_where FROM customer") == "sql"
    assert await pool.fetchval("SELECT count(*) FROM customer_history WHERE path <> ''") == 1


async def test_reference_rows_are_marked_where_they_were_and_are(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO reference (key, kind, scopes, record) VALUES ('operator/a', 'operator', '{centre.C1}', '{}')"
    )
    assert await marked_scopes(pool) == {"centre.C1"}
    await pool.execute("UPDATE reference SET scopes = '{centre.C2}'")
    assert await marked_scopes(pool) == {"centre.C1", "centre.C2"}
    await pool.execute("UPDATE reference SET record = record")
    assert await marked_scopes(pool) == set()
    assert await pool.fetchval("SELECT version FROM reference") == 2


async def test_i1_progress_is_marked_after_everything_its_transaction_changed(pool: Pool) -> None:
    await enrol(pool, "p1")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO journal_progress (pos_id, epoch, applied_seq) VALUES ('p1', 'e', 7)"
        )
        await connection.execute(
            "INSERT INTO verdict (pos_id, epoch, seq, record) VALUES ('p1', 'e', 6, '{}')"
        )
        await store_customer(connection, retail("A"))
    rows = await pool.fetch("SELECT kind, scope, value FROM feed_mark ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("verdict", "pos.p1", None),
        ("customer", "all.customers", None),
        ("progress", "pos.p1", 7),
    ]
    await marks(pool)
    await pool.execute("UPDATE journal_progress SET updated_at = now()")
    assert await marks(pool) == set()


async def test_a_statement_of_twenty_thousand_rows_is_one_of_many_rows(pool: Pool) -> None:
    """A plan made for one row must not be used for many: that would be 20,000 times 20,000."""
    async with pool.acquire() as connection:
        for number in range(8):
            await store_customer(connection, retail(f"first{number}"))
            await connection.execute(
                "UPDATE customer SET everywhere = false WHERE code_key = $1", f"first{number}"
            )
        await connection.execute(
            "INSERT INTO customer (id, everywhere, record)"
            " SELECT gen_random_uuid(), true, jsonb_build_object('code', n)"
            " FROM generate_series(1, 20000) AS n"
        )
        async with asyncio.timeout(30):
            await connection.execute("UPDATE customer SET is_customer = false")
        count = await connection.fetchval(
            "SELECT count(*) FROM feed_mark WHERE scope = 'all.customers'"
        )
        assert count == 8 * 2 + 20_000 * 2


async def test_a_change_wakes_the_sequencer_once(pool: Pool) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with pool.acquire() as connection:

        def hear(*said: object) -> None:
            heard.put_nowait(str(said[2]))

        await connection.add_listener("comptoir_feed", hear)
        async with pool.acquire() as other, other.transaction():
            for number in range(3):
                await store_customer(other, retail(f"c{number}"), id=uuid4())
        assert await asyncio.wait_for(heard.get(), 10) == "comptoir_feed"
        await pool.execute("UPDATE customer SET record = record")
        await pool.execute("UPDATE customer SET everywhere = false")
        await asyncio.wait_for(heard.get(), 10)
        assert heard.empty()
        await connection.remove_listener("comptoir_feed", hear)
