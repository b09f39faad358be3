"""Tills' journals applied to PostgreSQL (SYNC-3, CUST-3, CUST-4, CUST-13, I1, I3, I9, I10)."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from contracts.customers import code_key
from contracts.journal import Author, Resend, Verdict, content_of
from contracts.matching import words_of
from erp_node.callers import Callers
from erp_node.journal import ASK_AGAIN_S, AT_ONCE, Intake, apply_batch
from erp_node.pressure import Pressure
from erp_node.store.pool import Pool, open_pool
from messaging.channel import Delivery, LinkDown
from messaging.consumer import Transient
from tests.databases import Database, Migrate
from tests.erp import (
    ANNA,
    NOON,
    TillJournal,
    Time,
    deliver,
    enrol,
    migrated,
    put_setting,
    retail,
    store_customer,
    stored,
    words_held,
)


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.dsn, max_size=4)
    await enrol(opened, "p1")
    await enrol(opened, "p2", "C2")
    await enrol(opened, "small", "C1", "local_only")
    yield opened
    await opened.close()


class Bell:
    """Remembers what tills were asked for; fails when told to."""

    def __init__(self) -> None:
        self.rung: list[tuple[str, Resend]] = []
        self.broken = False

    async def __call__(self, pos_id: str, wanted: Resend) -> None:
        if self.broken:
            raise LinkDown("gone")
        self.rung.append((pos_id, wanted))


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def intake(pool: Pool, bell: Bell, time: Time) -> Intake:
    return Intake(pool, Callers(time.monotonic), bell, time.monotonic, Pressure(time.monotonic))


@pytest.fixture
def p1() -> TillJournal:
    return TillJournal("p1")


@pytest.fixture
def p2() -> TillJournal:
    return TillJournal("p2")


async def apply(intake: Intake, *deliveries: Delivery) -> list[str | None]:
    """The codes of what is parked, None for what is done with."""
    return [None if bad is None else bad.code for bad in await apply_batch(intake, deliveries)]


async def progress(pool: Pool, pos_id: str = "p1", epoch: str = "epoch-1") -> int | None:
    reached: int | None = await pool.fetchval(
        "SELECT applied_seq FROM journal_progress WHERE pos_id = $1 AND epoch = $2", pos_id, epoch
    )
    return reached


async def verdicts(pool: Pool, pos_id: str = "p1") -> list[Verdict]:
    rows = await pool.fetch(
        "SELECT record::text FROM verdict WHERE pos_id = $1 ORDER BY seq", pos_id
    )
    return [Verdict.model_validate_json(row[0]) for row in rows]


async def history(pool: Pool, customer_id: UUID) -> list[tuple[Any, ...]]:
    rows = await pool.fetch(
        "SELECT version, path, old::text, new::text, kept FROM customer_history"
        " WHERE customer_id = $1 AND path <> '' ORDER BY id",
        customer_id,
    )
    return [tuple(row) for row in rows]


async def everything(pool: Pool) -> str:
    """All that a batch may write, to see that nothing was."""
    tables = (
        "customer",
        "customer_history",
        "verdict",
        "journal_progress",
        "till_holding",
        "feed_mark",
    )
    found = {
        name: [str(row) for row in await pool.fetch(f"SELECT * FROM {name}")] for name in tables
    }
    return json.dumps(found)


async def test_sync_3_an_edit_is_applied_with_its_history(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    id = await store_customer(pool, retail("A", "Dupont"))
    at = NOON - timedelta(days=3)
    author = Author(operator="zoé", at=at)
    assert await apply(intake, p1.edit(id, ("last_name", "Dupont", "Durand"), author=author)) == [
        None
    ]
    row = await pool.fetchrow("SELECT version, changed_by, changed_where FROM customer")
    assert row is not None
    assert (row["version"], row["changed_by"], row["changed_where"]) == (2, "zoé", "pos.p1")
    assert await words_held(pool, id) == list(words_of(retail("A", "Durand")))
    line = await pool.fetchrow("SELECT * FROM customer_history WHERE path <> ''")
    assert line is not None
    assert dict(line) | {"id": 0} == {
        "id": 0, "customer_id": id, "version": 2, "at": at, "changed_by": "zoé",
        "changed_where": "pos.p1", "path": "last_name", "old": '"Dupont"', "new": '"Durand"', "kept": True,
    }  # fmt: skip
    assert await progress(pool) == 1


async def test_cust_1_a_customer_made_at_a_till_is_there_for_its_centre(
    intake: Intake, pool: Pool, p2: TillJournal
) -> None:
    id = uuid4()
    assert await apply(intake, p2.add(retail("A"), id)) == [None]
    row = await pool.fetchrow("SELECT * FROM customer WHERE id = $1", id)
    assert row is not None
    assert (row["version"], row["everywhere"], row["centres"], row["editors"]) == (
        1,
        False,
        ["C2"],
        ["C2"],
    )
    assert await words_held(pool, id) == list(words_of(retail("A", lowest_price=False)))
    making = await pool.fetchrow("SELECT * FROM customer_history WHERE customer_id = $1", id)
    assert making is not None
    assert (making["path"], making["changed_by"], making["at"]) == ("", "anna", ANNA.at)
    marked = await pool.fetch("SELECT scope FROM feed_mark WHERE entity = $1", id)
    assert [mark["scope"] for mark in marked] == ["centre.C2.customers"]


async def test_sync_2_a_local_only_till_holds_what_it_made(intake: Intake, pool: Pool) -> None:
    id = uuid4()
    await apply(intake, TillJournal("small").add(retail("A"), id))
    held = await pool.fetch("SELECT pos_id, customer_id FROM till_holding")
    assert [tuple(row) for row in held] == [("small", id)]


async def test_many_entries_of_many_tills_are_one_batch(
    intake: Intake, pool: Pool, p1: TillJournal, p2: TillJournal
) -> None:
    id = await store_customer(pool, retail("A"))
    new = uuid4()
    done = await apply(
        intake,
        p1.edit(id, ("phone", None, "1")),
        p2.add(retail("B"), new),
        p2.edit(id, ("email", None, "a@b.fr")),
        p2.edit(new, ("phone", None, "3")),
        p1.edit(id, ("phone", "1", "2")),
    )
    assert done == [None] * 5
    assert await stored(pool, id) == retail("A", phone="2", email="a@b.fr")
    assert (await stored(pool, new)).phone == "3"
    assert await history(pool, id) == [
        (2, "phone", None, '"1"', True),
        (3, "email", None, '"a@b.fr"', True),
        (4, "phone", '"1"', '"2"', True),
    ]
    assert await history(pool, new) == [(2, "phone", None, '"3"', True)]
    assert (await progress(pool), await progress(pool, "p2")) == (2, 3)


async def test_i9_what_comes_of_entries_does_not_hang_on_their_batches(
    intake: Intake, pool: Pool, p1: TillJournal, p2: TillJournal
) -> None:
    async def outcome(together: bool) -> tuple[Any, ...]:
        code = f"TOGETHER-{together}"
        known, new = await store_customer(pool, retail(code)), uuid4()
        entries = [
            p1.edit(known, ("phone", None, "1")),
            p2.edit(known, ("email", None, "a@b.fr"), author=Author(operator="zoé", at=NOON)),
            p1.edit(known, ("phone", "1", None)),
            p2.edit(known, ("email", "a@b.fr", None)),
            p1.edit(known, ("phone", "0", "5")),
            p1.add(retail(f"{code}-2"), new),
            p1.edit(new, ("phone", None, "6"), author=Author(operator="zoé", at=NOON)),
        ]
        for some in [entries] if together else [[one] for one in entries]:
            assert await apply(intake, *some) == [None] * len(some)
        rows = await pool.fetch(
            "SELECT version, wire::jsonb - 'code', changed_by, changed_where"
            " FROM customer WHERE id = ANY ($1) ORDER BY array_position($1, id)",
            [known, new],
        )
        histories = await history(pool, known), await history(pool, new)
        return [tuple(row) for row in rows], *histories

    one_by_one, together = await outcome(False), await outcome(True)
    assert one_by_one == together
    assert [row[0] for row in together[0]] == [5, 2]


async def test_i9_a_batch_handled_twice_equals_once(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    id = await store_customer(pool, retail("A", phone="9"))
    batch = [
        p1.add(retail("A")),
        p1.edit(id, ("phone", "0", "1")),
        p1.edit(uuid4(), ("phone", None, "1")),
    ]
    await apply(intake, *batch)
    before = await everything(pool)
    assert await apply(intake, *batch) == [None] * 3
    assert await apply(intake, *(replace(one, redelivered=True) for one in batch)) == [None] * 3
    assert await everything(pool) == before


async def test_i9_a_restored_till_sends_all_again_under_a_new_epoch(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    await store_customer(pool, retail("A"))
    id = uuid4()
    first = (retail("A", phone="0"), id), (id, ("phone", "0", "1"))
    await apply(intake, p1.add(*first[0]), p1.edit(*first[1]))
    await pool.execute(
        'UPDATE customer SET record = record || \'{"email": "erp@b.fr"}\' WHERE id = $1', id
    )
    version = await pool.fetchval("SELECT version FROM customer WHERE id = $1", id)
    again = TillJournal("p1", epoch="epoch-2")
    await apply(intake, again.add(*first[0]), again.edit(*first[1]))
    assert await progress(pool, epoch="epoch-2") == 2
    row = await pool.fetchrow(
        "SELECT version, record->>'code' AS code FROM customer WHERE id = $1", id
    )
    assert row is not None
    assert (row["version"], row["code"]) == (version, "p1-A")
    assert [(one.epoch, one.outcome) for one in await verdicts(pool)] == [("epoch-1", "renamed")]


async def test_i1_a_gap_is_asked_for_once_and_filled(
    intake: Intake, pool: Pool, p1: TillJournal, bell: Bell, time: Time
) -> None:
    id = await store_customer(pool, retail("A"))
    one, two, three = (p1.edit(id, ("phone", str(n - 1) if n else None, str(n))) for n in range(3))
    assert await apply(intake, one, three) == [None, None]
    assert (await stored(pool, id)).phone == "0"
    await apply(intake, three)
    assert bell.rung == [("p1", Resend(epoch="epoch-1", from_seq=2))]
    time.move(ASK_AGAIN_S)
    await apply(intake, three)
    assert len(bell.rung) == 2
    await apply(intake, two, three)
    assert (await stored(pool, id)).phone == "2"
    assert await progress(pool) == 3


async def test_i1_a_till_that_cannot_be_asked_leaves_the_batch_to_be_handled_again(
    intake: Intake, p1: TillJournal, bell: Bell
) -> None:
    p1.seq = 4
    late = p1.add(retail("A"))
    bell.broken = True
    with pytest.raises(LinkDown):
        await apply(intake, late)
    bell.broken = False
    await apply(intake, late)
    assert bell.rung == [("p1", Resend(epoch="epoch-1", from_seq=1))]


async def test_i9_a_number_used_again_is_refused(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    await apply(intake, p1.add(retail("A")), p1.add(retail("B")))
    p1.seq = 0
    third = p1.add(retail("X"))
    assert await apply(intake, third) == ["sequence_reused"]
    assert await pool.fetchval("SELECT count(*) FROM customer") == 2
    [told] = await verdicts(pool)
    assert (told.seq, told.outcome, told.params) == (1, "parked", {"reason": "sequence_reused"})
    assert told.content == content_of(third.body)


async def test_cust_3_codes_are_the_same_in_a_batch_and_in_the_database(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    """Each in a batch of its own, or all in one: A to Z are a to z, and no other letter is another."""
    codes = ["straße", "STRASSE", "strasse", "É", "é"]
    for code in codes:
        await apply(intake, p1.add(retail(code)))
    alone = [row["code_key"] for row in await pool.fetch("SELECT code_key FROM customer")]
    assert sorted(alone) == sorted([*{code_key(code) for code in codes}, "p1-strasse"])
    await apply(intake, *(p1.add(retail(f"x{code}")) for code in codes))
    assert await pool.fetchval("SELECT count(*) FROM customer WHERE code_key = 'p1-xstrasse'") == 1


async def test_i9_a_customer_sent_a_third_time_with_other_fields_is_a_conflict_again(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    id = uuid4()
    for name in ("Dupont", "Durand", "Martin"):
        await apply(intake, p1.add(retail("A", name), id))
    assert (await stored(pool, id)).last_name == "Dupont"
    assert [[one.lost for one in told.lost] for told in await verdicts(pool)] == [
        ["Durand"], ["Martin"]
    ]  # fmt: skip


async def test_i10_only_enrolled_active_tills_are_heard(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    await pool.execute("UPDATE till SET active = false WHERE pos_id = 'p2'")
    done = await apply(
        intake,
        TillJournal("p2").add(retail("A")),
        TillJournal("nobody").add(retail("B")),
        p1.add(retail("C")),
        replace(TillJournal("p2").add(retail("D")), user_id="pos.p1"),
    )
    assert done == ["sender", "sender", None, "forged"]
    assert await pool.fetchval("SELECT array_agg(record->>'code') FROM customer") == ["C"]


async def test_an_unreadable_entry_is_parked_and_what_follows_flows(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    id = uuid4()
    broken = p1.add(retail("A"), id)
    broken = replace(broken, body=broken.body.replace(b"retail", b"re\xffail"))
    done = await apply(intake, broken, p1.add(retail("B")), deliver(b"\xff\x00", "pos.p1"))
    assert done == ["malformed", None, "malformed"]
    assert await progress(pool) == 2
    (verdict,) = await verdicts(pool)
    assert (verdict.seq, verdict.outcome, verdict.customer_id) == (1, "parked", id)
    assert verdict.params == {"reason": "malformed"}


@pytest.fixture
async def poison(pool: Pool) -> None:
    """A database that cannot store customers with the code POISON."""
    await pool.execute("""
        CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'poison'; END $$;
        CREATE TRIGGER poison BEFORE INSERT ON customer FOR EACH ROW
            WHEN (NEW.record ->> 'code' = 'POISON') EXECUTE FUNCTION refuse_poison();
    """)


@pytest.mark.usefixtures("poison")
async def test_one_entry_that_cannot_be_applied_does_not_block_the_rest(
    intake: Intake, pool: Pool, p1: TillJournal, p2: TillJournal
) -> None:
    poison = p1.add(retail("POISON"))
    done = await apply(
        intake, p1.add(retail("A")), poison, p2.add(retail("B")), p1.add(retail("C"))
    )
    # p1.add(retail("A")) was numbered after the poison: it is sorted behind it
    assert done == [None, "failed", None, None]
    assert await pool.fetchval("SELECT array_agg(c ORDER BY c) FROM (SELECT record->>'code' FROM customer) x (c)") == [
        "A", "B", "C"
    ]  # fmt: skip
    assert (await progress(pool), await progress(pool, "p2")) == (3, 1)
    (verdict,) = await verdicts(pool)
    assert (verdict.seq, verdict.outcome, verdict.params) == (1, "parked", {"reason": "failed"})


@pytest.mark.usefixtures("poison")
async def test_a_parked_entry_that_comes_again_is_parked_again(
    intake: Intake, p1: TillJournal
) -> None:
    poison = p1.add(retail("POISON"))
    assert await apply(intake, poison) == ["failed"]
    assert await apply(intake, replace(poison, redelivered=True)) == ["failed"]
    assert await apply(intake, poison) == [None]


async def test_a_customer_nobody_can_read_does_not_block_the_rest(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    id, other = await store_customer(pool, retail("A")), await store_customer(pool, retail("B"))
    await pool.execute('UPDATE customer SET record = \'{"code": "A"}\' WHERE id = $1', id)
    done = await apply(
        intake, p1.edit(id, ("phone", None, "1")), p1.edit(other, ("phone", None, "2"))
    )
    assert done == [None, None]
    [told] = await verdicts(pool)
    assert (told.outcome, told.code, told.params) == (
        "refused", "customer.field_invalid", {"field": "kind"},
    )  # fmt: skip
    assert (await stored(pool, other)).phone == "2"


async def test_sync_3_a_batch_is_written_in_parts_that_build_on_each_other(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    """A customer is made in the first part and edited in each further one."""
    id = uuid4()
    count = 2 * AT_ONCE
    entries = [p1.add(retail("A"), id)]
    entries += [p1.edit(id, ("phone", str(n - 1) if n else None, str(n))) for n in range(count)]
    assert await apply(intake, *entries) == [None] * (count + 1)
    assert (await stored(pool, id)).phone == str(count - 1)
    assert await pool.fetchval("SELECT version FROM customer") == count + 1
    lines = await pool.fetch("SELECT version, new::text FROM customer_history ORDER BY id")
    assert [row["new"] for row in lines[1:]] == [f'"{n}"' for n in range(count)]
    assert [row["version"] for row in lines] == [*range(1, count + 2)]
    assert await verdicts(pool) == []


async def test_cust_4_an_offline_code_clash_renames_the_newcomer(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    await put_setting(pool, "centre.C1", "code_series", "LYO")
    await store_customer(pool, retail("A"))
    await store_customer(pool, retail("lyo-a"))
    first, second = uuid4(), uuid4()
    await apply(intake, p1.add(retail(" a "), first), p1.add(retail("A"), second))
    assert (await stored(pool, first)).code == "LYO-a-2"
    assert (await stored(pool, second)).code == "LYO-A-3"
    told = await verdicts(pool)
    assert [(one.outcome, one.params["asked"], one.params["code"]) for one in told] == [
        ("renamed", "a", "LYO-a-2"), ("renamed", "A", "LYO-A-3")
    ]  # fmt: skip
    assert await history(pool, first) == [(1, "code", '"a"', '"LYO-a-2"', True)]


async def test_cust_4_two_tills_in_one_batch_want_one_code(
    intake: Intake, pool: Pool, p1: TillJournal, p2: TillJournal
) -> None:
    await apply(intake, p1.add(retail("A")), p2.add(retail("A")))
    codes = await pool.fetchval(
        "SELECT array_agg(record->>'code' ORDER BY record->>'code') FROM customer"
    )
    assert codes == ["A", "p2-A"]


async def test_cust_4_two_batches_at_once_want_one_code(intake: Intake, pool: Pool) -> None:
    tills = [TillJournal("p1"), TillJournal("p2")]
    batches = [[till.add(retail(f"A{n}")) for n in range(50)] for till in tills]
    done = await asyncio.gather(*(apply(intake, *batch) for batch in batches))
    assert done == [[None] * 50] * 2
    assert await pool.fetchval("SELECT count(DISTINCT code_key) FROM customer") == 100
    assert len(await verdicts(pool)) + len(await verdicts(pool, "p2")) == 50


async def test_cust_4_a_code_that_became_free_in_the_batch_is_free(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    id, new = await store_customer(pool, retail("A")), uuid4()
    await apply(intake, p1.edit(id, ("code", "A", "B")), p1.add(retail("A"), new))
    assert ((await stored(pool, id)).code, (await stored(pool, new)).code) == ("B", "A")


async def test_cust_4_two_customers_may_swap_codes(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    a, b = await store_customer(pool, retail("A")), await store_customer(pool, retail("B"))
    done = await apply(
        intake,
        p1.edit(a, ("code", "A", "C")), p1.edit(b, ("code", "B", "A")), p1.edit(a, ("code", "C", "B")),
    )  # fmt: skip
    assert done == [None] * 3
    assert ((await stored(pool, a)).code, (await stored(pool, b)).code) == ("B", "A")


async def test_cust_9_the_lowest_price_comes_from_the_settings(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    await put_setting(pool, "all", "lowest_price_retail", True)
    await put_setting(pool, "pos.p2", "lowest_price_retail", False)
    ids = uuid4(), uuid4()
    await apply(intake, p1.add(retail("A"), ids[0]), TillJournal("p2").add(retail("B"), ids[1]))
    assert [(await stored(pool, id)).lowest_price for id in ids] == [True, False]


async def test_cust_13_a_conflict_keeps_the_erps_value_and_tells_the_till(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    id = await store_customer(pool, retail("A", phone="0"))
    await pool.execute('UPDATE customer SET record = record || \'{"phone": "erp"}\'')
    await apply(intake, p1.edit(id, ("phone", "0", "till"), ("title", None, "Mme")))
    assert await stored(pool, id) == retail("A", phone="erp", title="Mme")
    (verdict,) = await verdicts(pool)
    assert (verdict.outcome, verdict.code) == ("conflict", "customer.conflict")
    assert [(one.path, one.stands, one.lost) for one in verdict.lost] == [("phone", "erp", "till")]
    assert (3, "phone", '"erp"', '"till"', False) in await history(pool, id)
    assert (
        await pool.fetchval(
            "SELECT count(*) FROM feed_mark WHERE scope = 'pos.p1' AND kind = 'verdict'"
        )
        == 1
    )


@pytest.mark.parametrize("state", ["deleted", "anonymised"])
async def test_anon_4_a_late_edit_does_not_undo_an_erasure(
    intake: Intake, pool: Pool, p1: TillJournal, state: str
) -> None:
    id = await store_customer(pool, retail("A"))
    await pool.execute("UPDATE customer SET state = $1", state)
    before = await pool.fetchrow("SELECT * FROM customer")
    await apply(intake, p1.edit(id, ("phone", None, "1")), p1.add(retail("A"), id))
    assert await pool.fetchrow("SELECT * FROM customer") == before
    assert {one.code for one in await verdicts(pool)} == {f"customer.{state}"}


async def test_i1_a_database_that_is_gone_is_waited_for(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    await pool.close()
    with pytest.raises(Transient):
        await apply(intake, p1.add(retail("A")))


async def test_i1_connections_cut_in_the_middle_lose_nothing(
    intake: Intake, pool: Pool, database: Database, p1: TillJournal
) -> None:
    id = await store_customer(pool, retail("A"))
    edit = p1.edit(id, ("phone", None, "1"))
    await pool.execute("""
        CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
        CREATE TRIGGER die BEFORE INSERT ON journal_progress FOR EACH ROW EXECUTE FUNCTION die();
    """)
    with pytest.raises(Transient):
        await apply(intake, edit)
    assert (await stored(pool, id)).phone is None
    await pool.execute("DROP TRIGGER die ON journal_progress")
    assert await apply(intake, edit) == [None]
    assert (await stored(pool, id)).phone == "1"


async def test_i1_a_database_that_is_not_ready_parks_nothing(
    intake: Intake, pool: Pool, p1: TillJournal
) -> None:
    entry = p1.add(retail("A"))
    await pool.execute("ALTER TABLE customer_history RENAME TO elsewhere")
    with pytest.raises(Transient):
        await apply(intake, entry)
    await pool.execute("ALTER TABLE elsewhere RENAME TO customer_history")
    assert await apply(intake, entry) == [None]
    assert await verdicts(pool) == []


async def test_the_log_of_a_parked_entry_names_its_sender_though_it_cannot_be_read(
    intake: Intake,
) -> None:
    strange = deliver(b'{"type": "card.blocked", "version": 1}', "pos.p1", key="p1")
    with capture_logs() as lines:
        (bad,) = await apply_batch(intake, [strange])
    assert bad is not None
    assert [(one["action"], one["pos"]) for one in lines] == [(f"journal.{bad.code}", "p1")]
