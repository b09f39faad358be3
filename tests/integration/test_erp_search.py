"""Tills' questions answered from PostgreSQL (SEARCH-1, 4, 6 to 9, 11 to 13, CUST-3, SYNC-2)."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel

from contracts import registry
from contracts.matching import words_of
from contracts.search import (
    CodeCheck,
    CodeChecked,
    Criteria,
    CustomerFetch,
    CustomerFetched,
    CustomerSearch,
    CustomersFound,
    Refused,
)
from erp_node.breadth import Frequencies, Plan, plan_search
from erp_node.callers import Callers
from erp_node.search import SearchDesk, answer_code_check, answer_fetch, answer_search
from erp_node.store.pool import Pool
from erp_node.store.search import SQL, load_frequencies, open_question_pool, search
from erp_node.upkeep import keep_tidy
from messaging.responder import BadRequest, Reply
from tests.databases import Database, Migrate
from tests.erp import (
    Time,
    business,
    deliver,
    enrol,
    migrated,
    put_setting,
    question,
    retail,
    store_customer,
)
from tests.matching_cases import CASES, CUSTOMERS, Case

M = TypeVar("M", bound=BaseModel)


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_question_pool(database.dsn, max_size=4)
    await enrol(opened, "p1")
    await enrol(opened, "small", "C1", "local_only")
    yield opened
    await opened.close()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def desk(pool: Pool, time: Time) -> SearchDesk:
    return SearchDesk(pool, Callers(time.monotonic), time, uuid4, time.monotonic)


def said(reply: Reply | None, model: type[M]) -> M:
    assert reply is not None
    answer = registry.decode(reply.body)
    assert answer.headers.origin == "erp"
    assert answer.headers.type == reply.type
    assert isinstance(answer.data, model)
    return answer.data


async def find(
    desk: SearchDesk, phrase: str = "", pos_id: str = "p1", **more: object
) -> CustomersFound:
    criteria = Criteria.model_validate({"phrase": phrase, **more})
    reply = await answer_search(desk, question(pos_id, CustomerSearch(criteria=criteria)))
    return said(reply, CustomersFound)


async def names(desk: SearchDesk, phrase: str = "") -> list[str]:
    return [row.code for row in (await find(desk, phrase)).rows]


async def fetched(desk: SearchDesk, id: UUID, pos_id: str = "p1") -> CustomerFetched:
    reply = await answer_fetch(desk, question(pos_id, CustomerFetch(customer_id=id)))
    return said(reply, CustomerFetched)


async def test_search_6_the_row_shows_what_lists_show(desk: SearchDesk, pool: Pool) -> None:
    customer = retail(
        "A1", "Dupont", "Jean", town="Lyon", postal_code="69001", street="rue Neuve", country="FR",
        phone="0611", email="j@d.fr", identity_document="X1", attributes={"colour": "red"},
    )  # fmt: skip
    id = await store_customer(pool, customer)
    (row,) = (await find(desk, "dup lyo")).rows
    assert row.model_dump(exclude_none=True) == {
        "id": id, "version": 1, "usable": True, "editable": True, "kind": "retail", "code": "A1",
        "name": "Dupont Jean", "country": "FR", "postal_code": "69001", "town": "Lyon",
        "street": "rue Neuve", "email": "j@d.fr", "identity_document": "X1", "phone": "0611",
        "attributes": {"colour": "red"},
    }  # fmt: skip


async def test_search_7_more_than_six_sends_no_rows(desk: SearchDesk, pool: Pool) -> None:
    for n in range(6):
        await store_customer(pool, retail(f"A{n}"))
    assert len((await find(desk, "dupont")).rows) == 6
    await store_customer(pool, retail("A7"))
    answer = await find(desk, "dupont")
    assert (answer.outcome, answer.rows) == ("too_many", [])


async def test_search_8_none(desk: SearchDesk) -> None:
    assert (await find(desk, "dupont")).outcome == "none"


async def test_search_11_each_row_says_what_this_till_may_do(desk: SearchDesk, pool: Pool) -> None:
    await store_customer(pool, retail("all"))
    await store_customer(pool, retail("mine"), everywhere=False, centres=("C1",), editors=("C1",))
    await store_customer(pool, retail("theirs"), everywhere=False, centres=("C2",))
    await store_customer(pool, retail("seen"), editors=("C2",))
    rows = (await find(desk, "dupont")).rows
    assert {row.code: (row.usable, row.editable) for row in rows} == {
        "all": (True, True), "mine": (True, True), "theirs": (False, False), "seen": (True, False),
    }  # fmt: skip


async def test_sync_4_only_active_customers_with_the_option_are_found(
    desk: SearchDesk, pool: Pool
) -> None:
    await store_customer(pool, retail("A"), state="inactive")
    await store_customer(pool, retail("B"), is_customer=False)
    await store_customer(pool, retail("C"))
    assert await names(desk, "dupont") == ["C"]
    assert await names(desk) == ["C"]


async def test_search_1_switched_off_for_this_till(desk: SearchDesk, pool: Pool) -> None:
    await store_customer(pool, retail("A"))
    assert await names(desk, "dupont") == ["A"]
    await put_setting(pool, "pos.p1", "search_online", False)
    desk.callers.forget()
    reply = await answer_search(
        desk, question("p1", CustomerSearch(criteria=Criteria(phrase="dupont")))
    )
    assert said(reply, Refused).code == "search.off"
    assert (await find(desk, "dupont", pos_id="small")).outcome == "found"


async def test_search_12_a_question_past_its_deadline_is_not_executed(
    desk: SearchDesk, pool: Pool, time: Time
) -> None:
    asked = question("p1", CustomerSearch(criteria=Criteria(phrase="dupont")))
    time.move(11)
    await pool.close()
    assert await answer_search(desk, asked) is None
    assert await answer_fetch(desk, question("p1", CustomerFetch(customer_id=uuid4()))) is None


async def test_search_12_a_search_ends_at_its_deadline(
    desk: SearchDesk, pool: Pool, time: Time
) -> None:
    await store_customer(pool, retail("A"))
    assert await names(desk, "dupont") == ["A"]
    asked = question("p1", CustomerSearch(criteria=Criteria(phrase="dupont")))
    time.move(9.9)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE customer IN ACCESS EXCLUSIVE MODE")
        assert await asyncio.wait_for(answer_search(desk, asked), 30) is None


@pytest.mark.parametrize(
    ("user", "old", "new", "code"),
    [
        ("pos.p2", b"", b"", "forged"),
        ("erp", b"", b"", "forged"),
        ("pos.p1", b"criteria", b"criterias", "malformed"),
        ("pos.p1", b"customer.search", b"customer.fetch", "malformed"),
        ("pos.p1", b"customer.search", b"customer.peek", "unknown_type"),
    ],
)
async def test_i10_a_question_that_is_none_is_parked(
    desk: SearchDesk, user: str, old: bytes, new: bytes, code: str
) -> None:
    body = question("p1", CustomerSearch(criteria=Criteria(phrase="x"))).body.replace(old, new)
    with pytest.raises(BadRequest) as caught:
        await answer_search(desk, deliver(body, user))
    assert caught.value.code == code


async def test_i10_a_till_that_is_not_enrolled_gets_no_answer(desk: SearchDesk, pool: Pool) -> None:
    await pool.execute("UPDATE till SET active = false WHERE pos_id = 'small'")
    for pos_id in ("small", "nobody"):
        with pytest.raises(BadRequest) as caught:
            await fetched(desk, uuid4(), pos_id)
        assert caught.value.code == "sender"


async def test_search_9_the_complete_record_byte_for_byte(desk: SearchDesk, pool: Pool) -> None:
    customer = retail(
        "A", town="Łódź", description="kept", consents=[{"definition": "x", "state": "given"}]
    )
    id = await store_customer(pool, customer, editors=("C1", "C2"))
    reply = await answer_fetch(desk, question("p1", CustomerFetch(customer_id=id)))
    answer = said(reply, CustomerFetched)
    assert (answer.refusal, answer.scope, answer.version, answer.state) == (
        None,
        "all.customers",
        1,
        "active",
    )
    assert answer.editors == ["C1", "C2"]
    assert answer.words == list(words_of(customer))
    assert answer.record == customer
    text = await pool.fetchval("SELECT record::text FROM customer")
    assert reply is not None
    assert text.encode() in reply.body


async def test_search_9_the_scope_is_the_one_it_comes_by(desk: SearchDesk, pool: Pool) -> None:
    mine = await store_customer(pool, retail("A"), everywhere=False, centres=("C1",))
    assert (await fetched(desk, mine)).scope == "centre.C1.customers"
    assert (await fetched(desk, mine, "small")).scope == "pos.small"


async def test_sync_2_fetching_puts_a_customer_on_the_tills_list(
    desk: SearchDesk, pool: Pool
) -> None:
    id = await store_customer(pool, retail("A"))
    for _ in range(2):
        await fetched(desk, id, "small")
    await fetched(desk, id, "p1")
    held = await pool.fetch("SELECT pos_id, customer_id FROM till_holding")
    assert [tuple(row) for row in held] == [("small", id)]


async def test_search_9_words_changed_by_sql_are_made_when_fetched(
    desk: SearchDesk, pool: Pool
) -> None:
    id = await store_customer(pool, retail("A"))
    await pool.execute('UPDATE customer SET record = record || \'{"last_name": "Durand"}\'')
    assert (await fetched(desk, id)).words == list(words_of(retail("A", "Durand")))


async def test_search_9_refusals(desk: SearchDesk, pool: Pool) -> None:
    assert (await fetched(desk, uuid4())).refusal == "customer.unknown"
    cases = {
        "customer.not_available": [
            await store_customer(pool, retail("A"), everywhere=False, centres=("C2",)),
            await store_customer(pool, retail("B"), state="inactive"),
            await store_customer(pool, retail("C"), is_customer=False),
        ],
        "customer.deleted": [await store_customer(pool, retail("D"), state="deleted")],
        "customer.anonymised": [await store_customer(pool, retail("E"), state="anonymised")],
    }
    for refusal, ids in cases.items():
        for id in ids:
            answer = await fetched(desk, id, "small")
            assert (answer.refusal, answer.record, answer.words) == (refusal, None, [])
    assert await pool.fetchval("SELECT count(*) FROM till_holding") == 0


async def test_cust_3_a_code_is_taken_whatever_its_case(desk: SearchDesk, pool: Pool) -> None:
    id = await store_customer(pool, retail("Ab-1"), everywhere=False, centres=("C2",))
    await store_customer(pool, retail("gone"), state="anonymised")

    async def taken(code: str, who: UUID | None = None) -> bool:
        asked = question("p1", CodeCheck(code=code, customer_id=who))
        answer = said(await answer_code_check(desk, asked), CodeChecked)
        assert answer.code == code
        return answer.taken

    assert await taken(" aB-1 ")
    assert await taken("ab-1", uuid4())
    assert not await taken("ab-1", id)
    assert not await taken("ab-2")
    assert not await taken("gone")


async def test_search_13_the_matching_rule_is_the_same_in_postgresql(
    desk: SearchDesk, pool: Pool
) -> None:
    ids = {customer.code: await store_customer(pool, customer) for customer in CUSTOMERS}
    wrong = [case.name for case in CASES if await _finds(pool, case, ids) is not case.expected]
    assert wrong == []


async def _finds(pool: Pool, case: Case, ids: dict[str, UUID]) -> bool:
    """Whether a case's customer is found, by every plan there can be."""
    answers = set()
    for frequencies in (Frequencies(0, 0), Frequencies(-1, 0), BROAD):
        plan = plan_search(case.criteria.query(), frequencies)
        rows = await search(pool, plan, limit=1_000)
        assert len({row.id for row in rows}) == len(rows)
        answers.add(ids[case.customer.code] in {row.id for row in rows})
    assert len(answers) == 1, case.name
    return answers.pop()


BROAD = Frequencies(1_000, 1, ["e", "rue"], [0.9, 0.9])


async def test_search_7_broad_and_selective_plans_find_the_same(
    desk: SearchDesk, pool: Pool
) -> None:
    """A table of several pages, so that both halves of the look-first statement are used."""
    for n in range(60):
        await store_customer(pool, business(f"B{n}", f"Rue {n} {'x' * 200}"))
    every = await search(pool, Plan("'rue':*"), limit=1_000)
    assert len(every) == 60
    for pages in (1, 3, 1_000):
        halves = await search(pool, Plan("'rue':*", "'b':* | 'rue':*", pages), limit=1_000)
        assert sorted(row.id for row in halves) == sorted(row.id for row in every)


async def test_search_7_statistics_tell_what_is_broad(pool: Pool) -> None:
    assert (await load_frequencies(pool)).rows == Frequencies(-1, 0).rows
    await _fill(pool, 2_000)
    frequencies = await load_frequencies(pool)
    assert frequencies.rows == 2_000
    assert frequencies.of_beginning("rue") >= 0.99
    assert frequencies.of_lexeme("n:kind=business") >= 0.99


@pytest.mark.parametrize("name", ["search", "search_looking_first"])
async def test_search_7_the_index_is_asked_however_broad_the_phrase(pool: Pool, name: str) -> None:
    await _fill(pool, 5_000)
    arguments = "$$'rue':*$$, NULL, 7" + (", '(9,0)'" if name != "search" else "")
    async with pool.acquire() as connection:
        await connection.execute(f"PREPARE one AS {SQL[name]}")
        rows = await connection.fetch(f"EXPLAIN EXECUTE one ({arguments})")
    shown = "\n".join(row[0] for row in rows)
    assert "Bitmap Index Scan on customer_search" in shown
    assert "Seq Scan" not in shown
    assert shown.count("customer_search") == 1
    assert ("Tid Range Scan" in shown) == (name != "search")


async def _fill(pool: Pool, count: int) -> None:
    """Customers who all have the word rue."""
    words = list(words_of(business("B", "Rue")))
    await pool.execute(
        "WITH made AS (INSERT INTO customer (id, everywhere, record, changed_where)"
        " SELECT gen_random_uuid(), true, jsonb_build_object('code', 'B' || n), 'test'"
        " FROM generate_series(1, $2::integer) AS n RETURNING id)"
        " INSERT INTO customer_words SELECT id, 1, $1::text[], 1, search_vector($1::text[]) FROM made",
        words,
        count,
    )
    await pool.execute("ANALYZE customer, customer_words")


async def test_list_5_the_index_is_kept_clean(pool: Pool) -> None:
    async def pending() -> int:
        pages: int = await pool.fetchval("SELECT gin_clean_pending_list('customer_search')")
        return pages

    await store_customer(pool, retail("A"))
    assert await pending() > 0
    await store_customer(pool, retail("B"))
    cleaned = asyncio.Event()

    async def pause(seconds: float) -> None:
        cleaned.set()
        await asyncio.Event().wait()

    upkeep = asyncio.create_task(keep_tidy(pool, pause))
    await cleaned.wait()
    upkeep.cancel()
    await asyncio.wait([upkeep])
    assert await pending() == 0


async def test_upkeep_outlives_a_database_that_is_away(pool: Pool) -> None:
    await pool.close()
    rounds = 0

    async def pause(seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await keep_tidy(pool, pause)
    assert rounds == 3
