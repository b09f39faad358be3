"""Pages applied at a till: rows and cursor together, bad rows left out, nothing twice (SYNC-1 to SYNC-7, I9)."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.feed import PAGE_ROWS, State
from contracts.journal import Progress, Verdict
from contracts.matching import words_of
from contracts.reference import Centre, Setting
from contracts.search import Criteria
from messaging.consumer import Bad
from pos_node.feed import FeedQueue, JournalSide, apply_pages
from pos_node.lists import list_customers
from pos_node.pages import Page, read_data
from pos_node.store.cursors import Cursor, follow_scopes, read_cursors
from pos_node.store.customers import find_by_code, find_customer, show_customer
from pos_node.store.database import Database, Priority
from pos_node.store.digests import digest
from pos_node.store.errors import DiskFull
from pos_node.store.inline import InlineDatabase
from pos_node.store.reference import read_entries
from tests.pos_pages import (
    SCOPE,
    Entity,
    FakeFeed,
    customer,
    customer_id,
    delivery,
    page,
    page_json,
    quiet,
)

SCOPES = ("all", SCOPE, "centre.C1.customers", "pos.p1")
OWN = "centre.C1.customers"


@pytest_asyncio.fixture
async def store(folder: Path) -> AsyncIterator[Database]:
    database = Database(folder / "till.db")
    await database.open()
    await database.write(follow_scopes, SCOPES, priority=Priority.FEED)
    yield database
    await database.close()


@pytest.fixture
def erp() -> FakeFeed:
    return FakeFeed()


class Till:
    """What tests do to a till's feed queue."""

    def __init__(self, store: Database, side: JournalSide) -> None:
        self.store = store
        self.pulled: list[str] = []
        self.queue = FeedQueue(store, SCOPES, side, self.pulled.append, lambda: None)

    async def take(self, *data: bytes) -> list[Bad | None]:
        return await self.queue.handle([delivery(one) for one in data])

    async def names(self) -> list[str]:
        found = await self.store.read(list_customers, Criteria())
        return [row.name for row in found.rows]

    async def cursor(self, scope: str = SCOPE) -> Cursor:
        return {one.scope: one for one in await self.store.read(read_cursors)}[scope]


@pytest.fixture
def till(store: Database) -> Till:
    return Till(store, quiet())


async def test_sync_1_a_changed_customer_arrives_byte_for_byte(till: Till, erp: FakeFeed) -> None:
    sent = erp.put_customer(
        1, customer(1, last_name="Łuczak", description="a\u2028b"), editors=["C1"]
    )
    assert await till.take(erp.page(SCOPE, 0)) == [None]
    held = await till.store.read(find_customer, customer_id(1))
    assert held is not None
    assert (held.record, held.version, held.state, held.scope) == (sent.record, 1, "active", SCOPE)
    assert held.editors == ("C1",)
    assert await till.store.read(find_by_code, " c1 ") == (customer_id(1),)
    assert await till.cursor() == Cursor(SCOPE, "e1", 1, 1, complete=True)


async def test_sync_4_withdrawn_leaves_the_list_and_leaves_nothing_personal(
    till: Till, erp: FakeFeed
) -> None:
    erp.put_customer(1)
    erp.put_customer(2)
    await till.take(erp.page(SCOPE, 0))
    erp.put_customer(1, state="withdrawn")
    await till.take(erp.page(SCOPE, 2))
    assert await till.names() == ["Name2 Jean"]
    held = await till.store.read(find_customer, customer_id(1))
    assert held is not None
    assert (held.state, held.version, held.record, held.shown) == ("withdrawn", 2, None, None)
    assert await till.store.read(find_by_code, "C1") == ()


@pytest.mark.parametrize("state", ["deleted", "anonymised"])
async def test_anon_4_gone_stays_gone_whatever_comes_later(
    till: Till, erp: FakeFeed, state: State
) -> None:
    erp.put_customer(1, version=5)
    await till.take(erp.page(SCOPE, 0))
    erp.put_customer(1, version=6, state=state)
    await till.take(erp.page(SCOPE, 1))
    late = Entity("customer", str(customer_id(1)), 9, record='{"kind":"retail","code":"C1"}')
    await till.take(page_json(SCOPE, [late], epoch="e1", prev_seq=2, to_seq=3, head=3))
    held = await till.store.read(find_customer, customer_id(1))
    assert held is not None
    assert (held.state, held.record) == (state, None)
    assert await till.names() == []


async def test_sync_6_every_kind_of_row_is_in_the_digest(till: Till, erp: FakeFeed) -> None:
    for number in range(20):
        erp.put_customer(number, editors=[[], ["C1"], ["C1", "C2"], None][number % 4])
    erp.put_customer(3, state="deleted")
    erp.put_customer(4, state="withdrawn")
    erp.put_customer(5, state="anonymised")
    erp.put_customer(5, state="deleted", scope=OWN)
    erp.put_reference(Centre(code="C1", labels={"en": "Łódź"}), scope="all")
    erp.put_reference(Centre(code="C2"), scope="all", state="deleted")
    for scope in ("all", SCOPE, OWN):
        await till.take(erp.page(scope, 0))
        assert await till.store.read(digest, scope) == erp.digest(scope)


async def test_i9_the_same_pages_again_change_nothing(till: Till, erp: FakeFeed) -> None:
    for number in range(5):
        erp.put_customer(number)
    pages = [erp.page(SCOPE, 0)]
    erp.put_customer(2, state="withdrawn")
    pages.append(erp.page(SCOPE, 5))
    await till.take(*pages)
    before = await till.store.read(_everything)
    assert await till.take(*pages, *reversed(pages)) == [None] * 4
    assert await till.store.read(_everything) == before
    assert till.pulled == []


async def test_sync_5_a_gap_is_pulled_and_nothing_is_applied(till: Till, erp: FakeFeed) -> None:
    for number in range(3):
        erp.put_customer(number)
    await till.take(erp.page(SCOPE, 0))
    erp.put_customer(3)
    erp.put_customer(4)
    assert await till.take(erp.page(SCOPE, 4)) == [None]
    assert till.pulled == [SCOPE]
    assert len(await till.names()) == 3
    assert (await till.cursor()).behind == 2


async def test_i3_a_late_page_never_brings_an_old_version_back(till: Till, erp: FakeFeed) -> None:
    erp.put_customer(1, customer(1, last_name="Old"))
    old = erp.page(SCOPE, 0)
    erp.put_customer(1, customer(1, last_name="New"))
    await till.take(erp.page(SCOPE, 0))
    await till.take(old)
    mixed = json.loads(old) | {"prev_seq": 2, "to_seq": 3, "head": 3}
    await till.take(json.dumps(mixed).encode())
    assert await till.names() == ["New Jean"]


@pytest.mark.parametrize("order", [(SCOPE, OWN), (OWN, SCOPE)])
async def test_sync_4_a_customer_that_changes_scope_ends_in_the_new_one(
    till: Till, erp: FakeFeed, order: tuple[str, str]
) -> None:
    erp.put_customer(1)
    await till.take(erp.page(SCOPE, 0))
    erp.put_customer(1, version=2, scope=OWN)
    erp.put_customer(1, version=2, state="withdrawn")
    for scope in order:
        await till.take(erp.page(scope, (await till.cursor(scope)).seq))
    held = await till.store.read(find_customer, customer_id(1))
    assert held is not None
    assert (held.scope, held.version, held.state) == (OWN, 2, "active")
    assert await till.names() == ["Name1 Jean"]


async def test_sync_4_moving_there_and_back_never_leaves_the_list(
    till: Till, erp: FakeFeed
) -> None:
    """What the other scope says last is only that the customer is not in it."""
    erp.put_customer(1)
    await till.take(erp.page(SCOPE, 0))
    erp.put_customer(1, version=3, scope=OWN, state="withdrawn")
    await till.take(erp.page(OWN, 0))
    assert await till.names() == ["Name1 Jean"]


GOOD = '{"kind":"customer","key":"00000000-0000-0000-0000-00000000000a","version":1,"record":{"kind":"retail","code":"A","last_name":"Good"}}'  # noqa: E501


@pytest.mark.parametrize(
    "bad",
    [
        '{"kind":"spaceship","key":"x","version":1}',
        '{"kind":"customer","key":"not-a-uuid","version":1,"record":{"kind":"retail","code":"B"}}',
        '{"kind":"customer","key":"00000000-0000-0000-0000-00000000000b","version":1}',
        '{"kind":"customer","key":"00000000-0000-0000-0000-00000000000b","version":1,"record":null}',
        '{"kind":"customer","key":"00000000-0000-0000-0000-00000000000b","version":1,"record":{"kind":"retail"}}',
        '{"kind":"customer","key":"00000000-0000-0000-0000-00000000000b","version":"x","record":{}}',
        '{"kind":"customer","key":"00000000-0000-0000-0000-00000000000b","version":1,"state":"sold"}',
        '{"kind":"reference","key":"setting/all/x","version":1,"record":{"kind":"setting"}}',
        '{"kind":"verdict","key":"v","version":1,"record":{"epoch":3}}',
        '{"kind":"progress","key":"p","version":1}',
        '{"no":"row"}',
        "17",
    ],
)
async def test_one_bad_row_never_stops_the_rest(till: Till, bad: str) -> None:
    data = page_json(SCOPE, [bad, GOOD], epoch="e1", prev_seq=0, to_seq=2, head=2)
    assert await till.take(data) == [None]
    assert await till.names() == ["Good"]
    assert (await till.cursor()).seq == 2


async def test_a_bad_row_is_reported_with_key_and_reason(till: Till) -> None:
    data = page(SCOPE, ['{"kind":"customer","key":"k","version":1,"record":{"code":"secret"}}'])
    applied = await till.store.write(apply_pages, [data], quiet(), priority=Priority.FEED)
    assert [(one.scope, one.key) for one in applied.trouble] == [(SCOPE, "k")]
    assert "secret" not in applied.trouble[0].reason


async def test_search_13_words_of_another_rule_are_written_anew(till: Till) -> None:
    one = Entity("customer", str(customer_id(1)), 1, record=_json(1), words=("nonsense",) * 14)
    await till.take(page_json(SCOPE, [one], epoch="e1", prev_seq=0, to_seq=1, head=1, rule=999))
    assert await till.names() == ["Name1 Jean"]
    found = await till.store.read(list_customers, Criteria(phrase="nonsense"))
    assert found.count == 0


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (delivery(b"{}"), "malformed"),
        (delivery(page_json(SCOPE, [], epoch="e1", prev_seq=-1, to_seq=0, head=0)), "malformed"),
        (delivery(b"{}", type_="erp.beat"), "unknown_type"),
        (
            delivery(
                page_json(SCOPE, [], epoch="e", prev_seq=0, to_seq=0, head=0), origin="pos.p2"
            ),
            "wrong_sender",
        ),
        (
            delivery(page_json("centre.C2.customers", [], epoch="e", prev_seq=0, to_seq=0, head=0)),
            "not_followed",
        ),
        (replace(delivery(b"{}"), body=b"\xff\xfe"), "malformed"),
        (replace(delivery(b"{}"), body=b"x" * 300_000), "oversized"),
        (replace(delivery(b"{}"), content_encoding="zstd"), "malformed"),
        (replace(delivery(b"{}"), content_encoding="gzip"), "malformed"),
        (delivery(b'"' + b"x" * 5_000_000 + b'"', content_encoding="zstd"), "oversized"),
    ],
)
async def test_bad_messages_are_set_aside_and_the_next_is_handled(
    till: Till, erp: FakeFeed, message: object, code: str
) -> None:
    erp.put_customer(1)
    outcome = await till.queue.handle([message, erp.live(SCOPE, 0)])  # type: ignore[list-item]
    assert [one and one.code for one in outcome] == [code, None]
    assert await till.names() == ["Name1 Jean"]


async def test_sync_7_pages_of_the_feeds_a_moved_till_will_follow_are_let_go(
    store: Database, erp: FakeFeed
) -> None:
    later, stray = "centre.C2.customers", "centre.C3.customers"
    queue = FeedQueue(
        store, SCOPES, quiet(), lambda scope: None, lambda: None, later=lambda scope: scope == later
    )
    pages = [page_json(one, [], epoch="e", prev_seq=0, to_seq=0, head=0) for one in (later, stray)]
    outcome = await queue.handle([delivery(one) for one in pages])
    assert [one and one.code for one in outcome] == [None, "not_followed"]


async def test_sync_1_packed_pages_are_unpacked(till: Till, erp: FakeFeed) -> None:
    erp.put_customer(1)
    assert await till.queue.handle([delivery(erp.page(SCOPE, 0), content_encoding="zstd")]) == [
        None
    ]
    assert await till.names() == ["Name1 Jean"]


async def test_several_pages_make_few_transactions(
    till: Till, erp: FakeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = 0
    write = till.store.write

    async def counted(*arguments: object, **named: object) -> object:
        nonlocal writes
        writes += 1
        return await write(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(till.store, "write", counted)
    pages = []
    for number in range(64):
        erp.put_customer(number)
        pages.append(erp.page(SCOPE, number))
    await till.take(*pages)
    assert writes == 1
    assert (await till.cursor()).seq == 64


async def test_i1_verdicts_and_progress_reach_the_journal_and_it_settles(
    store: Database, erp: FakeFeed
) -> None:
    seen: list[object] = []
    side = JournalSide(
        fold=lambda c, i, r: None,
        take_progress=lambda c, progress: seen.append(progress),
        take_verdict=lambda c, key, verdict: seen.append((key, verdict)),
        settle=lambda c, cursors: seen.append(dict(cursors)),
    )
    verdict = Verdict(epoch="j", seq=1, outcome="refused", code="customer.code_taken")
    progress = Progress(epoch="j", applied_seq=1, heads={SCOPE: 4})
    erp.put("pos.p1", Entity("verdict", "v1", 1, record=verdict.model_dump_json()))
    erp.put("pos.p1", Entity("progress", "j", 1, record=progress.model_dump_json()))
    await Till(store, side).take(erp.page("pos.p1", 0))
    assert seen == [("v1", verdict), progress, {"all": 0, SCOPE: 0, OWN: 0, "pos.p1": 2}]


async def test_cust_13_what_waits_here_is_shown_over_a_new_record(
    store: Database, erp: FakeFeed
) -> None:
    def fold(connection: object, id_: UUID, record: str | None) -> str | None:
        return json.dumps(json.loads(record or "{}") | {"phone": "999"})

    till = Till(store, replace(quiet(), fold=fold))
    erp.put_customer(1)
    await till.take(erp.page(SCOPE, 0))
    await store.write(_put_entry, customer_id(1), priority=Priority.JOURNAL)
    erp.put_customer(1, customer(1, last_name="Renamed"))
    await till.take(erp.page(SCOPE, 1))
    held = await store.read(find_customer, customer_id(1))
    assert held is not None
    assert held.customer is not None
    assert (held.customer.last_name, held.customer.phone) == ("Renamed", "999")
    assert json.loads(held.record or "{}").get("phone") is None
    assert (await store.read(list_customers, Criteria(phrase="999", column="phone"))).count == 1


async def test_cust_1_a_customer_made_here_becomes_the_erps(store: Database, erp: FakeFeed) -> None:
    till = Till(store, quiet())
    await store.write(
        show_customer, customer_id(1), customer(1, last_name="Local"), priority=Priority.CASHIER
    )
    erp.put_customer(1, customer(1, last_name="Known"))
    await till.take(erp.page(SCOPE, 0))
    held = await store.read(find_customer, customer_id(1))
    assert held is not None
    assert (held.version, held.shown, held.scope) == (1, None, SCOPE)
    assert await till.names() == ["Known Jean"]


async def test_settings_of_a_newer_erp_are_kept_without_harm(till: Till, erp: FakeFeed) -> None:
    erp.put("all", Entity("reference", "warp_core/x", 1, record='{"kind":"warp_core","code":"x"}'))
    erp.put_reference(Setting(code="all/language", level="all", name="language", value="fr"))
    await till.take(erp.page("all", 0))
    assert [one.value for one in await till.store.read(read_entries, Setting)] == ["fr"]
    assert await till.store.read(digest, "all") == erp.digest("all")


async def test_a_full_disk_applies_nothing_and_says_so(till: Till, erp: FakeFeed) -> None:
    await till.store.write(_leave_room, 5, priority=Priority.FEED)
    for number in range(PAGE_ROWS):
        erp.put_customer(number)
    with pytest.raises(DiskFull, match="disk is full"):
        await till.take(erp.page(SCOPE, 0))
    assert (await till.cursor()).seq == 0
    assert await till.names() == []


_ROWS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([SCOPE, OWN]),
        st.sampled_from(["active", "active", "withdrawn", "deleted"]),
    ),
    max_size=25,
)


@settings(max_examples=50, deadline=None)
@given(rows=_ROWS, cuts=st.lists(st.integers(0, 25), max_size=6), again=st.booleans())
async def test_i2_any_cut_into_pages_ends_with_what_the_erp_has(
    rows: list[tuple[int, str, State]], cuts: list[int], again: bool
) -> None:
    """As the ERP numbers: an entity is active in one scope, and withdrawn from the other in the same version."""
    erp, store = FakeFeed(), InlineDatabase(":memory:")
    await store.write(follow_scopes, SCOPES, priority=Priority.FEED)
    pages: list[Page] = []
    gone: set[int] = set()
    for place, (number, scope, state) in enumerate(rows):
        if number not in gone:
            _number(erp, number, scope, state)
        gone |= {number} if state == "deleted" else set()
        if place in cuts:
            pages += [read_data(erp.page(one, 0))[0] for one in (OWN, SCOPE)]
    pages += [read_data(erp.page(one, 0))[0] for one in (SCOPE, OWN)]
    try:
        for one in pages * (2 if again else 1):
            applied = await store.write(apply_pages, [one], quiet(), priority=Priority.FEED)
            assert not applied.trouble
            # A sign of life from before, come again, may cost a pull: nothing else.
            assert not applied.pull or not one.rows
        for scope in (SCOPE, OWN):
            assert await store.read(digest, scope) == erp.digest(scope)
    finally:
        store.close()


def _number(erp: FakeFeed, number: int, scope: str, state: State) -> None:
    key = str(customer_id(number))
    held = [one for one, feed in erp.entries.items() if key in feed]
    version = max([erp.entries[one][key][1].version for one in held], default=0) + 1
    for one in held:
        if one != scope:
            erp.put_customer(
                number,
                version=version,
                scope=one,
                state="deleted" if state == "deleted" else "withdrawn",
            )
    erp.put_customer(number, version=version, scope=scope, state=state)


def _json(number: int) -> str:
    return json.dumps(customer(number).model_dump(mode="json", exclude_none=True))


def _everything(connection: object) -> list[object]:
    tables = ("customer", "reference", "feed_cursor", "feed_gone", "feed_seen")
    return [connection.execute(f"SELECT * FROM {one}").fetchall() for one in tables]  # type: ignore[attr-defined]


def _leave_room(connection: object, pages: int) -> None:
    (count,) = connection.execute("PRAGMA page_count").fetchone()  # type: ignore[attr-defined]
    connection.execute(f"PRAGMA max_page_count = {count + pages}").fetchone()  # type: ignore[attr-defined]


def _put_entry(connection: object, id_: UUID) -> None:
    connection.execute(  # type: ignore[attr-defined]
        "INSERT INTO journal (epoch, seq, id, type, customer_id, body, at)"
        " VALUES ('j', 1, 'x', 'customer.edited', ?, '', '')",
        (id_.bytes,),
    )


def test_words_have_a_line_per_column() -> None:
    assert len(words_of(customer(1))) == 14
