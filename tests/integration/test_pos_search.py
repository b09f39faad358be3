"""Online search at a till: what is shown, what is kept, and that nothing else ever is."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import BaseModel

from contracts.matching import words_of
from contracts.search import (
    Criteria,
    CustomerFetch,
    CustomerFetched,
    CustomerSearch,
    CustomersFound,
    FoundCustomer,
)
from messaging.channel import LinkDown
from pos_node.refusal import Refusal
from pos_node.search import SearchResult, SearchState
from tests.pos_parts import Script, business, count_active, retail
from tests.pos_till import TestTill, open_till

LOCAL, REMOTE = UUID(int=5), UUID(int=6)
DUP = Criteria(phrase="dup")


@pytest.fixture
async def till(folder: Path) -> AsyncIterator[TestTill]:
    async with open_till(folder) as opened:
        opened.go_online()
        yield opened


def row(customer_id: UUID = REMOTE, name: str = "Dupuis", **fields: object) -> FoundCustomer:
    values = {"version": 3, "usable": True, "editable": False, "kind": "retail", "code": "R-1"}
    return FoundCustomer.model_validate(values | {"id": customer_id, "name": name} | fields)


def finds(*rows: FoundCustomer, fetched: BaseModel | Exception | None = None) -> Script:
    """An ERP that finds these rows, and answers a fetch so."""

    async def script(question: BaseModel) -> BaseModel:
        if isinstance(question, CustomerSearch):
            return CustomersFound(outcome="found", rows=list(rows))
        assert isinstance(question, CustomerFetch)
        if isinstance(fetched, Exception):
            raise fetched
        assert fetched is not None
        return fetched

    return script


def says(answer: BaseModel) -> Script:
    async def script(question: BaseModel) -> BaseModel:
        return answer

    return script


def complete(**fields: object) -> CustomerFetched:
    record = retail("R-1", "Dupuis")
    values = {
        "customer_id": REMOTE,
        "scope": "all.customers",
        "version": 3,
        "editors": ["C1"],
        "words": list(words_of(record)),
        "record": record,
    }
    return CustomerFetched.model_validate(values | fields)


async def start(till: TestTill, criteria: Criteria = DUP) -> UUID:
    return await till.searches.start(criteria, "anne")


async def ended(till: TestTill, search_id: UUID) -> SearchResult:
    async with asyncio.timeout(20):
        while True:
            result = await till.searches.look(search_id, "anne")
            if result.outcome.state != "running":
                return result


async def searched(till: TestTill) -> SearchResult:
    return await ended(till, await start(till))


def names(result: SearchResult) -> list[str]:
    return [line.row.name for line in result.lines]


async def held(till: TestTill) -> int:
    return await till.store.read(count_active)


async def test_search_1_switched_off_nothing_is_asked(till: TestTill) -> None:
    await till.settings(search_online=False)
    with pytest.raises(Refusal) as refused:
        await start(till)
    assert refused.value.code == "search.off"
    assert till.erp.asked == []


async def test_search_4_phrase_column_and_filters_go_to_the_erp_as_they_are(till: TestTill) -> None:
    criteria = Criteria(
        phrase="dup lyo", column="town", kind="retail", country="FR", groups=["vip"]
    )
    till.erp.script = says(CustomersFound(outcome="none"))
    await ended(till, await start(till, criteria))
    assert till.erp.asked == [CustomerSearch(criteria=criteria)]


async def test_search_4_without_criteria_there_is_nothing_to_ask(till: TestTill) -> None:
    with pytest.raises(Refusal) as refused:
        await start(till, Criteria(phrase=" - "))
    assert refused.value.code == "search.no_criteria"


async def test_search_5_without_the_data_service_local_rows_stay(till: TestTill) -> None:
    await till.hold(LOCAL, retail())
    till.go_offline()
    result = await searched(till)
    assert (result.outcome.state, result.outcome.code) == ("unavailable", "search.unavailable")
    assert names(result) == ["Dupont Jeanne"]
    assert till.erp.asked == []


async def test_search_5_a_link_lost_meanwhile_ends_the_search(till: TestTill) -> None:
    async def cut(question: BaseModel) -> BaseModel:
        raise LinkDown("cut")

    till.erp.script = cut
    result = await searched(till)
    assert (result.outcome.state, result.outcome.code) == ("unavailable", "search.unavailable")


async def test_search_6_erp_rows_are_merged_with_local_ones_by_identity(till: TestTill) -> None:
    await till.hold(LOCAL, retail(last_name="Dupont"))
    found = (row(LOCAL, "Dupont of the ERP"), row(REMOTE, "Duparc"))
    till.erp.script = finds(*found)
    result = await searched(till)
    assert (result.outcome.state, result.outcome.code) == ("found", None)
    assert names(result) == ["Duparc", "Dupont Jeanne"]
    assert [line.held for line in result.lines] == [False, True]


async def test_search_6_six_rows_are_shown(till: TestTill) -> None:
    till.erp.script = finds(*(row(UUID(int=n), f"Dup{n}") for n in range(10, 16)))
    assert len(names(await searched(till))) == 6


@pytest.mark.parametrize(
    ("outcome", "code"), [("too_many", "search.too_many"), ("none", "search.none_erp")]
)
async def test_search_7_and_search_8_local_rows_stay(
    till: TestTill, outcome: SearchState, code: str
) -> None:
    await till.hold(LOCAL, retail())
    till.erp.script = says(CustomersFound.model_validate({"outcome": outcome}))
    result = await searched(till)
    assert (result.outcome.state, result.outcome.code) == (outcome, code)
    assert names(result) == ["Dupont Jeanne"]


async def test_search_9_rows_of_the_erp_are_not_stored(till: TestTill) -> None:
    till.erp.script = finds(row())
    await searched(till)
    assert await held(till) == 0
    assert await till.find(REMOTE) is None


async def test_search_9_choosing_stores_the_complete_record_byte_for_byte(till: TestTill) -> None:
    till.erp.script = finds(row(), fetched=complete())
    search_id = await start(till)
    await ended(till, search_id)
    assert await till.searches.bring(REMOTE)
    stored = await till.find(REMOTE)
    assert stored is not None
    assert (stored.scope, stored.version, stored.editors) == ("all.customers", 3, ("C1",))
    assert stored.record == complete().model_dump_json(
        include={"record"}, exclude_none=True
    ).removeprefix('{"record":').removesuffix("}")
    result = await till.searches.look(search_id, "anne")
    assert [(line.row.name, line.held) for line in result.lines] == [("Dupuis Jeanne", True)]


async def test_search_9_a_customer_no_search_has_found_is_not_fetched(till: TestTill) -> None:
    till.erp.script = finds(row(), fetched=complete())
    assert not await till.searches.bring(REMOTE)
    assert till.erp.asked == []


async def test_search_10_link_lost_when_choosing_clears_the_rows(till: TestTill) -> None:
    await till.hold(LOCAL, retail())
    till.erp.script = finds(row(), fetched=LinkDown("cut"))
    search_id = await start(till)
    await ended(till, search_id)
    with pytest.raises(Refusal) as refused:
        await till.searches.bring(REMOTE)
    assert refused.value.code == "customer.unretrievable"
    result = await till.searches.look(search_id, "anne")
    assert result.outcome.code == "customer.unretrievable"
    assert names(result) == ["Dupont Jeanne"]
    assert await till.find(REMOTE) is None


async def test_search_10_a_damaged_answer_stores_nothing(till: TestTill) -> None:
    till.erp.script = finds(row(), fetched=CustomersFound(outcome="none"))
    await searched(till)
    with pytest.raises(Refusal) as refused:
        await till.searches.bring(REMOTE)
    assert refused.value.code == "customer.unretrievable"
    assert await till.find(REMOTE) is None


async def test_search_9_a_refused_fetch_says_why_and_the_rows_stay(till: TestTill) -> None:
    refused_fetch = CustomerFetched(customer_id=REMOTE, refusal="customer.not_available")
    till.erp.script = finds(row(), fetched=refused_fetch)
    search_id = await start(till)
    await ended(till, search_id)
    with pytest.raises(Refusal) as refused:
        await till.searches.bring(REMOTE)
    assert refused.value.code == "customer.not_available"
    assert len((await till.searches.look(search_id, "anne")).lines) == 1


async def test_search_11_each_row_says_what_this_till_may_do(till: TestTill) -> None:
    await till.hold(LOCAL, business("B", "Dupree", tax_number="1"), editors=("C2",))
    till.erp.script = finds(row(REMOTE, "Dupuis", usable=False, editable=True))
    result = await searched(till)
    assert [(x.row.name, x.usable, x.editable) for x in result.lines] == [
        ("Dupree", True, False),
        ("Dupuis", False, True),
    ]
    with pytest.raises(Refusal) as refused:
        await till.searches.bring(REMOTE)
    assert refused.value.code == "customer.not_available"


async def test_search_12_a_long_search_opens_the_window_and_can_be_cancelled(
    till: TestTill,
) -> None:
    await till.settings(search_wait_window_s=0.05)
    ask = asyncio.Event()

    async def slow(question: BaseModel) -> BaseModel:
        await ask.wait()
        return CustomersFound(outcome="found", rows=[row()])

    till.erp.script = slow
    search_id = await start(till)
    assert not (await till.searches.look(search_id, "anne")).waiting_window
    async with asyncio.timeout(20):
        while not (await till.searches.look(search_id, "anne")).waiting_window:
            continue
    till.searches.cancel(search_id, "anne")
    ask.set()
    result = await ended(till, search_id)
    await asyncio.sleep(0)
    assert result.outcome.state == "cancelled"
    assert not result.waiting_window
    assert (await till.searches.look(search_id, "anne")).lines == ()
    assert not await till.searches.bring(REMOTE)


async def test_search_12_past_the_deadline_the_search_has_expired(till: TestTill) -> None:
    await till.settings(search_deadline_s=0.05)
    result = await searched(till)
    assert (result.outcome.state, result.outcome.code) == ("expired", "search.expired")


async def test_a_cancelled_search_that_has_ended_stays_as_it_is(till: TestTill) -> None:
    till.erp.script = finds(row())
    search_id = await start(till)
    await ended(till, search_id)
    till.searches.cancel(search_id, "anne")
    assert (await till.searches.look(search_id, "anne")).outcome.state == "found"


async def test_a_search_is_seen_only_by_who_began_it(till: TestTill) -> None:
    till.erp.script = finds(row())
    search_id = await start(till)
    for attempt in (till.searches.look(search_id, "ben"), till.searches.look(LOCAL, "anne")):
        with pytest.raises(Refusal) as refused:
            await attempt
        assert refused.value.code == "search.unknown"


async def test_the_oldest_search_is_forgotten(till: TestTill) -> None:
    first = await start(till)
    for _ in range(64):
        await start(till)
    with pytest.raises(Refusal):
        await till.searches.look(first, "anne")
