"""Tills' entries about cards applied, and where cards are shown (CARD-8, CARD-9, CARD-12, CARD-13, SYNC-4, I5, I9)."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from contracts.cards import Card, CardAssigned, CardBlocked, CardRequested, Wanted
from contracts.journal import Verdict
from erp_node.callers import Callers
from erp_node.feed import Feed
from erp_node.journal import Intake, apply_batch
from erp_node.pressure import Pressure
from erp_node.store.pool import Pool, open_pool
from tests.databases import Database, Migrate
from tests.erp import ANNA, TillJournal, Time, enrol, migrated, retail, store_customer
from tests.feeds import Reader, make_feed, sequence


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.dsn, max_size=4)
    await enrol(opened, "p1")
    await enrol(opened, "p2", "C2")
    await enrol(opened, "small", "C1", "local_only")
    for code, form in (("new", "physical"), ("mail", "virtual")):
        await opened.execute(
            "INSERT INTO reference (key, kind, record) VALUES ($1, 'card_type', $2)",
            f"card_type/{code}",
            f'{{"kind": "card_type", "code": "{code}", "form": "{form}"}}',
        )
    yield opened
    await opened.close()


@pytest.fixture
def time() -> Time:
    return Time()


async def _never(pos_id: str, wanted: object) -> None:
    raise AssertionError("nothing is missing")


@pytest.fixture
def intake(pool: Pool, time: Time) -> Intake:
    return Intake(pool, Callers(time.monotonic), _never, time.monotonic, Pressure(time.monotonic))


@pytest.fixture
def feed(pool: Pool, time: Time) -> Feed:
    return make_feed(pool, time)


@pytest.fixture
def p1() -> TillJournal:
    return TillJournal("p1")


@pytest.fixture
def p2() -> TillJournal:
    return TillJournal("p2")


def assigned(customer: UUID, number: str, token: int | None = None) -> CardAssigned:
    card = Wanted(number=number, type="new")
    return CardAssigned(customer_id=customer, card=card, token=token, author=ANNA)


def blocked(customer: UUID, number: str, then: str | None = None) -> CardBlocked:
    after = None if then is None else Wanted(number=then, type="new")
    return CardBlocked(
        customer_id=customer, number=number, reason="lost", replacement=after, author=ANNA
    )


async def verdicts(pool: Pool, pos_id: str) -> list[tuple[str, str, dict[str, str]]]:
    rows = await pool.fetch(
        "SELECT record::text FROM verdict WHERE pos_id = $1 ORDER BY seq", pos_id
    )
    read = [Verdict.model_validate_json(row[0]) for row in rows]
    return [(one.outcome, one.code, one.params) for one in read]


async def cards(pool: Pool) -> list[tuple[Any, ...]]:
    rows = await pool.fetch("SELECT number, state, customer_id, version FROM card ORDER BY number")
    return [tuple(row) for row in rows]


async def test_card_8_the_first_to_arrive_keeps_the_card_and_the_other_till_is_told(
    pool: Pool, intake: Intake, p1: TillJournal, p2: TillJournal
) -> None:
    ada = await store_customer(pool, retail("A"))
    bob = await store_customer(pool, retail("B", "Martin", "Bob"))
    one, other = p1.entry(assigned(ada, "C100")), p2.entry(assigned(bob, "c100"))
    assert await apply_batch(intake, [one, other]) == [None, None]
    assert await cards(pool) == [("C100", "active", ada, 1)]
    assert await verdicts(pool, "p1") == []
    told = {
        "name": "Martin Bob",
        "number": "C100",
        "card": "c100",
        "why": "card.in_use",
        "field": "number",
    }
    assert await verdicts(pool, "p2") == [("refused", "card.undone", told)]


async def test_card_8_a_customer_made_in_the_same_batch_gets_a_card(
    pool: Pool, intake: Intake, p1: TillJournal
) -> None:
    new = uuid4()
    batch = [
        p1.add(retail("N"), new),
        p1.entry(assigned(new, "C1")),
        p1.entry(blocked(new, "C1", "C2")),
    ]
    assert await apply_batch(intake, batch) == [None] * 3
    assert await cards(pool) == [("C1", "blocked", new, 2), ("C2", "active", new, 1)]
    events = await pool.fetch("SELECT number_key, event FROM card_event ORDER BY id")
    assert [tuple(row) for row in events] == [
        ("C1", "assigned"), ("C1", "blocked"), ("C2", "assigned"),
    ]  # fmt: skip


async def test_i9_what_comes_of_card_entries_does_not_hang_on_their_batches(
    pool: Pool, intake: Intake, p1: TillJournal
) -> None:
    new = uuid4()
    for one in (
        p1.add(retail("N"), new), p1.entry(assigned(new, "C1")), p1.entry(blocked(new, "C1", "C2")),
    ):  # fmt: skip
        assert await apply_batch(intake, [one, one]) == [None, None]
    assert await cards(pool) == [("C1", "blocked", new, 2), ("C2", "active", new, 1)]


async def test_card_12_a_block_is_applied_once_and_never_to_another_customers_card(
    pool: Pool, intake: Intake, p1: TillJournal, p2: TillJournal
) -> None:
    ada, bob = [await store_customer(pool, retail(code)) for code in "AB"]
    await apply_batch(intake, [p1.entry(assigned(ada, "C1"))])
    await apply_batch(intake, [p2.entry(blocked(bob, "C1")), p2.entry(blocked(bob, "C9"))])
    told = [(code, params["why"]) for _, code, params in await verdicts(pool, "p2")]
    assert told == [("card.not_blocked", "card.not_theirs"), ("card.not_blocked", "card.unknown")]
    await apply_batch(intake, [p1.entry(blocked(ada, "C1")), p1.entry(blocked(ada, "C1"))])
    assert await cards(pool) == [("C1", "blocked", ada, 2)]
    assert await verdicts(pool, "p1") == []


async def test_card_13_a_block_stands_even_when_the_next_card_cannot_be_given(
    pool: Pool, intake: Intake, p1: TillJournal
) -> None:
    ada, bob = [await store_customer(pool, retail(code)) for code in "AB"]
    await apply_batch(intake, [p1.entry(assigned(ada, "C1")), p1.entry(assigned(bob, "C2"))])
    await apply_batch(intake, [p1.entry(blocked(ada, "C1", "C2"))])
    told = [(code, params["card"], params["why"]) for _, code, params in await verdicts(pool, "p1")]
    assert told == [("card.undone", "C2", "card.in_use")]
    assert await cards(pool) == [("C1", "blocked", ada, 2), ("C2", "active", bob, 1)]


async def test_card_15_an_entry_is_refused_while_another_till_holds_the_lock(
    pool: Pool, intake: Intake, p1: TillJournal, p2: TillJournal
) -> None:
    ada = await store_customer(pool, retail("A"))
    await pool.execute(
        "INSERT INTO card_lock VALUES ('C1', 'p2', 7, clock_timestamp() + interval '1 minute', $1)",
        ada,
    )
    await apply_batch(intake, [p1.entry(assigned(ada, "C1"))])
    assert [params["why"] for *_, params in await verdicts(pool, "p1")] == ["card.locked"]
    await apply_batch(intake, [p2.entry(assigned(ada, "C1", 6)), p2.entry(assigned(ada, "C1", 7))])
    assert [params["why"] for *_, params in await verdicts(pool, "p2")] == ["card.lock_lost"]
    assert await cards(pool) == [("C1", "active", ada, 1)]


async def test_card_9_a_request_made_offline_leads_to_one_card_and_one_letter(
    pool: Pool, intake: Intake, p1: TillJournal
) -> None:
    ada = await store_customer(pool, retail("A", email="ada@example.com"))
    wanted = CardRequested(customer_id=ada, request_id=uuid4(), type="mail", author=ANNA)
    await apply_batch(intake, [p1.entry(wanted), p1.entry(wanted)])
    assert await pool.fetchval("SELECT count(*) FROM card WHERE form = 'virtual'") == 1
    assert await pool.fetchval("SELECT count(*) FROM card_letter") == 1
    assert await verdicts(pool, "p1") == []


async def shown(feed: Feed, *scopes: str) -> dict[str, Card]:
    """The cards that a till which follows these scopes has."""
    found: dict[str, Card] = {}
    for scope in scopes:
        reader = Reader(feed, scope, pos_id=scope.removeprefix("pos."))
        await reader.catch_up()
        assert await reader.agrees()
        for key, row in reader.active.items():
            if row.kind == "card":
                found[f"{scope} {key}"] = Card.model_validate_json(row.record)
    return found


SCOPES = ("all", "all.customers", "centre.C1.customers", "centre.C2.customers", "pos.small")


async def test_sync_4_a_card_goes_where_its_customer_goes(
    pool: Pool, intake: Intake, feed: Feed, p1: TillJournal
) -> None:
    ada = await store_customer(pool, retail("A"), everywhere=False, centres=("C1",))
    await apply_batch(intake, [p1.entry(assigned(ada, "c1"))])
    await sequence(pool)
    found = await shown(feed, *SCOPES)
    assert list(found) == ["centre.C1.customers card/C1"]
    assert found["centre.C1.customers card/C1"] == Card(number="c1", type="new", customer_id=ada)
    await pool.execute("UPDATE customer SET centres = '{C1,C2}' WHERE id = $1", ada)
    await pool.execute("INSERT INTO till_holding VALUES ('small', $1)", ada)
    await sequence(pool)
    assert list(await shown(feed, *SCOPES)) == [
        "centre.C1.customers card/C1", "centre.C2.customers card/C1", "pos.small card/C1",
    ]  # fmt: skip
    await pool.execute("UPDATE customer SET everywhere = true WHERE id = $1", ada)
    await sequence(pool)
    assert list(await shown(feed, *SCOPES)) == ["all.customers card/C1", "pos.small card/C1"]
    await pool.execute("UPDATE customer SET state = 'inactive' WHERE id = $1", ada)
    await sequence(pool)
    assert await shown(feed, *SCOPES) == {}


async def test_card_12_a_blocked_card_is_shown_to_everybody_and_one_nobody_has_to_nobody(
    pool: Pool, intake: Intake, feed: Feed, p1: TillJournal
) -> None:
    ada = await store_customer(pool, retail("A"), everywhere=False, centres=("C1",))
    await pool.execute("INSERT INTO card (number) VALUES ('FREE')")
    await apply_batch(intake, [p1.entry(assigned(ada, "C1")), p1.entry(blocked(ada, "C1"))])
    await sequence(pool)
    found = await shown(feed, *SCOPES)
    assert list(found) == ["all card/C1"]
    assert (found["all card/C1"].state, found["all card/C1"].reason) == ("blocked", "lost")
    await pool.execute("UPDATE card SET state = 'active' WHERE number = 'C1'")
    await sequence(pool)
    assert list(await shown(feed, *SCOPES)) == ["centre.C1.customers card/C1"]


async def test_i5_the_database_itself_keeps_a_customer_from_having_two_cards(pool: Pool) -> None:
    ada = await store_customer(pool, retail("A"))
    await pool.execute("INSERT INTO card (number, customer_id) VALUES ('C1', $1)", ada)
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute("INSERT INTO card (number, customer_id) VALUES ('C2', $1)", ada)
    with pytest.raises(asyncpg.CheckViolationError, match="needs a reason"):
        await pool.execute("UPDATE card SET state = 'blocked'")
    with pytest.raises(asyncpg.CheckViolationError, match="never changes"):
        await pool.execute("UPDATE card SET number = 'C3'")


@pytest.mark.parametrize("event", ["assigned", "blocked"])
async def test_i9_what_the_office_decided_since_stands_when_a_restored_till_sends_its_entry_again(
    pool: Pool, intake: Intake, event: str
) -> None:
    ada = await store_customer(pool, retail("A"))
    bob = await store_customer(pool, retail("B", "Martin", "Bob"))
    before, after, id = TillJournal("p1"), TillJournal("p1", "epoch-2"), uuid4()
    await apply_batch(intake, [before.entry(assigned(ada, "C1"))])
    entry = assigned(bob, "C2") if event == "assigned" else blocked(ada, "C1", "C2")
    assert await apply_batch(intake, [before.entry_again(entry, id)]) == [None]
    await pool.execute("UPDATE card SET customer_id = NULL WHERE number = 'C2'")
    await pool.execute("UPDATE card SET state = 'active' WHERE number = 'C1'")
    decided = await cards(pool)
    assert await apply_batch(intake, [after.entry_again(entry, id)]) == [None]
    assert await cards(pool) == decided
    assert await verdicts(pool, "p1") == []
    await apply_batch(intake, [after.entry_again(entry, uuid4())])  # another one is another deed
    assert await cards(pool) != decided


async def test_card_13_the_next_card_that_was_refused_is_refused_again_to_a_restored_till(
    pool: Pool, intake: Intake
) -> None:
    ada = await store_customer(pool, retail("A"))
    bob = await store_customer(pool, retail("B", "Martin", "Bob"))
    before, after, id = TillJournal("p1"), TillJournal("p1", "epoch-2"), uuid4()
    entry = blocked(ada, "C1", "C2")
    await apply_batch(
        intake, [before.entry(assigned(ada, "C1")), before.entry(assigned(bob, "C2"))]
    )
    await apply_batch(intake, [before.entry_again(entry, id)])
    await pool.execute("UPDATE card SET state = 'active' WHERE number = 'C1'")
    await apply_batch(intake, [after.entry_again(entry, id)])
    assert (await cards(pool))[0][:2] == ("C1", "active")
    told = [(code, params["why"]) for _, code, params in await verdicts(pool, "p1")]
    assert told == [("card.undone", "card.in_use")] * 2


async def test_i9_an_entry_that_changed_nothing_changes_nothing_later(
    pool: Pool, intake: Intake, p2: TillJournal
) -> None:
    ada = await store_customer(pool, retail("A"))
    before, after, id = TillJournal("p1"), TillJournal("p1", "epoch-2"), uuid4()
    await apply_batch(
        intake, [p2.entry(assigned(ada, "C1")), before.entry_again(assigned(ada, "C1"), id)]
    )
    await pool.execute("UPDATE card SET customer_id = NULL")
    await apply_batch(intake, [after.entry_again(assigned(ada, "C1"), id)])
    assert [owner for *_, owner, _ in await cards(pool)] == [None]


async def test_i9_an_entry_that_comes_twice_in_a_batch_is_applied_once(
    pool: Pool, intake: Intake, p2: TillJournal
) -> None:
    ada = await store_customer(pool, retail("A"))
    before, after, id = TillJournal("p1"), TillJournal("p1", "epoch-2"), uuid4()
    batch = [
        before.entry_again(assigned(ada, "C1"), id),
        p2.entry(blocked(ada, "C1")),
        after.entry_again(assigned(ada, "C1"), id),
    ]
    assert await apply_batch(intake, batch) == [None] * 3
    assert await cards(pool) == [("C1", "blocked", ada, 2)]
    assert await verdicts(pool, "p1") == []


async def test_card_9_a_virtual_card_taken_away_since_is_not_refused_to_a_restored_till(
    pool: Pool, intake: Intake
) -> None:
    ada = await store_customer(pool, retail("A", email="ada@example.com"))
    before, after, id = TillJournal("p1"), TillJournal("p1", "epoch-2"), uuid4()
    wish = CardRequested(customer_id=ada, request_id=uuid4(), type="mail", author=ANNA)
    await apply_batch(intake, [before.entry_again(wish, id)])
    await pool.execute("UPDATE card SET customer_id = NULL")
    await apply_batch(intake, [after.entry_again(wish, id)])
    assert [owner for *_, owner, _ in await cards(pool)] == [None]
    assert await verdicts(pool, "p1") == []


async def test_card_13_a_block_whose_next_card_cannot_even_be_decided_is_not_half_applied(
    pool: Pool, intake: Intake, p1: TillJournal
) -> None:
    ada = await store_customer(pool, retail("A"))
    await pool.execute(
        "INSERT INTO reference (key, kind, record) VALUES ('card_type/post', 'card_type', $1)",
        '{"kind": "card_type", "code": "post", "form": "physical", "required_fields": ["postal_code"]}',
    )
    await apply_batch(intake, [p1.entry(assigned(ada, "C1"))])
    await pool.execute(
        "UPDATE customer SET record = jsonb_set(record, '{addresses}', '[7]') WHERE id = $1", ada
    )
    then = Wanted(number="C2", type="post")
    block = CardBlocked(customer_id=ada, number="C1", reason="lost", replacement=then, author=ANNA)
    [bad] = await apply_batch(intake, [p1.entry(block)])
    assert bad is not None
    assert bad.code == "failed"
    assert [state for _, state, *_ in await cards(pool)] == ["active"]


async def test_sync_4_a_card_whose_customer_went_at_once_is_withdrawn_from_whoever_has_it_from_an_answer(
    pool: Pool, intake: Intake, feed: Feed, p1: TillJournal
) -> None:
    ada = await store_customer(pool, retail("A"), everywhere=False, centres=("C1",))
    await sequence(pool)
    reader = Reader(feed, "centre.C1.customers")
    await reader.catch_up()
    await apply_batch(intake, [p1.entry(assigned(ada, "C1"))])
    await pool.execute("UPDATE customer SET state = 'deleted' WHERE id = $1", ada)
    await sequence(pool)
    await reader.catch_up()
    assert reader.rows["card/C1"].state == "withdrawn"


RACES: tuple[tuple[str, dict[str, str]], ...] = (
    ("UPDATE card SET customer_id = $2 WHERE number = 'C1' AND $1::uuid IS NOT NULL", {"centre.C2.customers": "C1"}),
    ("UPDATE card SET customer_id = NULL WHERE customer_id = $1 AND $2::uuid IS NOT NULL", {}),
    ("UPDATE customer SET centres = '{C2}' WHERE id = $1 AND $2::uuid IS NOT NULL", {"centre.C2.customers": "C1"}),
    ("UPDATE customer SET state = 'inactive' WHERE id = $1 AND $2::uuid IS NOT NULL", {}),
    ("UPDATE card SET state = 'blocked', reason = 'lost' WHERE $1::uuid <> $2::uuid", {"all": "C1"}),
)  # fmt: skip


@pytest.mark.parametrize(("change", "then"), RACES)
async def test_i2_a_card_changed_again_before_it_was_numbered_leaves_where_it_was(
    pool: Pool, intake: Intake, feed: Feed, p1: TillJournal, change: str, then: dict[str, str]
) -> None:
    ada = await store_customer(pool, retail("A"), everywhere=False, centres=("C1",))
    bob = await store_customer(pool, retail("B"), everywhere=False, centres=("C2",))
    await sequence(pool)
    await apply_batch(intake, [p1.entry(assigned(ada, "C1"))])
    async with pool.acquire() as other, other.transaction():
        await other.execute(change, ada, bob)
        await sequence(pool)
        assert list(await shown(feed, *SCOPES)) == ["centre.C1.customers card/C1"]
    await sequence(pool)
    found = await shown(feed, *SCOPES)
    assert list(found) == [f"{scope} card/{number}" for scope, number in then.items()]


async def test_i3_sql_neither_sets_a_cards_version_back_nor_writes_its_number_otherwise(
    pool: Pool, intake: Intake, p1: TillJournal
) -> None:
    ada = await store_customer(pool, retail("A"))
    await apply_batch(intake, [p1.entry(assigned(ada, "C1"))])
    await pool.execute("UPDATE card SET points = 5")
    await pool.execute("UPDATE card SET version = 1")
    assert [version for *_, version in await cards(pool)] == [2]
    for wrong in (
        "UPDATE card SET number = 'c1'",
        "INSERT INTO card (number, version) VALUES ('C9', 0)",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(wrong)
