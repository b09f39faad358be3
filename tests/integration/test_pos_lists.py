"""The list while typing: the word index finds what the rule says, in the order of names (LIST-1 to LIST-3, LIST-5)."""

import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.customers import Customer
from contracts.envelope import dump
from contracts.feed import State
from contracts.folding import fold
from contracts.matching import COLUMNS, Column, matches, words_of
from contracts.search import AttributeValue, Criteria
from pos_node.bookmark import LONGEST, Bookmark, read_bookmark
from pos_node.lists import ListRow, list_customers
from pos_node.ordering import LINES
from pos_node.store.customers import CustomerData, show_customer, store_customer
from pos_node.store.inline import InlineDatabase
from pos_node.store.places import LONGEST_NAME, ROW_BITS, place_of
from pos_node.store.transactions import Priority
from pos_node.store.words import Gap, Table, fill_gap, write_gap
from tests.matching_cases import CASES, CUSTOMERS, Case
from tests.pos_pages import customer, customer_id
from tests.record_strategies import customers

SPACE = UUID(int=7)


@dataclass
class Listed:
    """A till's list, and what it should hold."""

    database: InlineDatabase = field(default_factory=lambda: InlineDatabase(":memory:"))
    held: dict[UUID, Customer] = field(default_factory=dict)
    versions: dict[UUID, int] = field(default_factory=dict)

    async def store(self, id_: UUID, one: Customer | None) -> None:
        """The ERP's row of a customer; None: withdrawn."""
        self.versions[id_] = version = self.versions.get(id_, 0) + 1
        state: State = "active" if one else "withdrawn"
        record = dump(one).decode() if one else None
        data = CustomerData(id_, version, state, None, words_of(one) if one else (), record)
        await self.database.write(
            store_customer, "all.customers", data, lambda *_: None, priority=Priority.FEED
        )
        self.held.pop(id_, None)
        if one is not None:
            self.held[id_] = one

    async def show(self, id_: UUID, one: Customer) -> None:
        """A change made at the till."""
        await self.database.write(show_customer, id_, one, priority=Priority.CASHIER)
        self.held[id_] = one

    async def find(self, criteria: Criteria, limit: int = 50) -> list[ListRow]:
        """All pages, one after the other."""
        found: list[ListRow] = []
        after = None
        while True:
            page = await self.database.read(list_customers, criteria, limit, after)
            assert page.count == len(page.rows) + (page.next is not None)
            found += page.rows
            if page.next is None:
                return found
            after = read_bookmark(page.next.text)

    def expected(self, criteria: Criteria) -> set[UUID]:
        query = criteria.query()
        return {id_ for id_, one in self.held.items() if matches(query, words_of(one))}


@pytest.fixture
def listed() -> Iterator[Listed]:
    made = Listed()
    yield made
    made.database.close()


@pytest.mark.parametrize("gap", [False, True], ids=["indexed", "details still to be indexed"])
async def test_search_13_the_list_agrees_with_the_table_of_cases(listed: Listed, gap: bool) -> None:
    if gap:
        await listed.database.write(write_gap, Gap(0, 10_000), priority=Priority.FEED)
    for number, one in enumerate(CUSTOMERS):
        await listed.store(uuid5(SPACE, str(number)), one)
    wrong = [case.name for case in CASES if not await _holds(listed, case)]
    assert not wrong


async def _holds(listed: Listed, case: Case) -> bool:
    wanted = uuid5(SPACE, str(CUSTOMERS.index(case.customer)))
    found = {row.id for row in await listed.find(case.criteria)}
    return (wanted in found) == case.expected and found == listed.expected(case.criteria)


@st.composite
def _criteria(draw: st.DrawFn) -> Criteria:
    """Criteria about some customer, or none."""
    one = draw(customers())
    words = [word for text in words_of(one) for word in text.split() if word.isalnum()] or ["x"]
    parts = draw(st.lists(st.sampled_from(words), max_size=2))
    phrase = " ".join(part[: draw(st.integers(1, 6))] for part in parts)
    attributes = [
        AttributeValue(attribute=name, value=value) for name, value in one.attributes.items()
    ]
    return Criteria(
        phrase=phrase[:200],
        column=draw(st.none() | st.sampled_from(COLUMNS)),
        attribute=draw(st.none() | st.sampled_from(sorted(one.attributes) or ["colour"])),
        country_shown=draw(st.booleans()),
        kind=draw(st.none() | st.just(one.kind)),
        groups=draw(st.sampled_from([[], one.groups[:1]])),
        attributes=draw(st.sampled_from([[], attributes[:1]])),
    )


_STEPS = st.lists(
    st.tuples(
        st.integers(0, 4), st.sampled_from(["store", "show", "withdraw", "fill"]), customers()
    ),
    min_size=1,
    max_size=10,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(steps=_STEPS, criteria=st.lists(_criteria(), min_size=1, max_size=3), gap=st.integers(0, 5))
async def test_search_13_the_index_stays_exact_whatever_changes(
    steps: list[tuple[int, str, Customer]], criteria: list[Criteria], gap: int
) -> None:
    """Names, words and states change in any order, also while details are still to be indexed."""
    listed = Listed()
    await listed.database.write(write_gap, Gap(0, gap), priority=Priority.FEED)
    try:
        for number, what, one in steps:
            id_ = uuid5(SPACE, str(number))
            if what == "store" or (what == "show" and id_ not in listed.held):
                await listed.store(id_, one)
            elif what == "show":
                await listed.show(id_, one)
            elif what == "withdraw":
                await listed.store(id_, None)
            else:
                await listed.database.write(fill_gap, 2, priority=Priority.FEED)
        for wanted in [*criteria, *(_about(one) for _, _, one in steps)]:
            rows = await listed.find(wanted, limit=2)
            assert {row.id for row in rows} == listed.expected(wanted)
            assert [row.place for row in rows] == sorted(row.place for row in rows)
    finally:
        listed.database.close()


def _about(one: Customer) -> Criteria:
    return Criteria(phrase=words_of(one)[0][:3])


async def test_list_5_rows_come_in_the_order_of_names(listed: Listed) -> None:
    names = [
        "Zola",
        "Émile",
        "de La Tour",
        "O'Brien",
        "Łukasz",
        "3M",
        "Dupont",
        "Dupond",
        "Dubois",
        "d",
    ]
    for number, name in enumerate(names):
        await listed.store(customer_id(number), customer(number, last_name=name, first_name=None))
    found = [row.name for row in await listed.find(Criteria())]
    assert found == [
        "3M",
        "d",
        "de La Tour",
        "Dubois",
        "Dupond",
        "Dupont",
        "Émile",
        "Łukasz",
        "O'Brien",
        "Zola",
    ]


@pytest.mark.parametrize("gap", [False, True], ids=["indexed", "read one by one"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("phrase", ["", "ber", "lyon"])
async def test_list_1_names_that_begin_alike_are_in_order_as_well(
    listed: Listed, limit: int, phrase: str, gap: bool
) -> None:
    firsts = ["Zoé", "Louis", "Agnès", "Émile", "Agnès", "Bo", "Éloi"]
    names = [(last, first) for last in ("Bernardin", "Bernard", "Abel") for first in firsts]
    town = [{"id": str(UUID(int=1)), "type": "main", "town": "Lyon"}]
    for number, (last, first) in enumerate(names):
        one = customer(number, last_name=last, first_name=first, addresses=town)
        await listed.store(customer_id(number), one)
    if gap:
        await listed.database.write(write_gap, Gap(0, 1_000), priority=Priority.FEED)
    criteria = Criteria(phrase=phrase, column="name" if phrase == "ber" else None)
    rows = await listed.find(criteria, limit)
    expected = sorted(
        fold(f"{last} {first}") for last, first in names if phrase != "ber" or last != "Abel"
    )
    assert [fold(row.name) for row in rows] == expected
    assert len({row.id for row in rows}) == len(rows)


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_list_5_a_crowd_of_namesakes_is_listed_as_it_came(
    listed: Listed, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pos_node.ordering.NAMESAKES", 4)
    firsts = ["Zoé", "Louis", "Agnès", "Bo", "Émile", "Carl"]
    for number, (last, first) in enumerate(
        (last, first) for last in ("Bernhard", "Abelards") for first in firsts
    ):
        await listed.store(customer_id(number), customer(number, last_name=last, first_name=first))
    rows = await listed.find(Criteria(), limit)
    assert [row.name for row in rows] == [
        f"{last} {first}" for last in ("Abelards", "Bernhard") for first in firsts
    ]


TEN = "abcdefghij"


async def _ten(listed: Listed, last: str = "Bernardin") -> None:
    for number, first in enumerate(TEN):
        await listed.store(customer_id(number), customer(number, last_name=last, first_name=first))


async def _rest(listed: Listed, after: Bookmark | None, limit: int = 4) -> list[str]:
    found = list[str]()
    while after is not None:
        page = await listed.database.read(list_customers, Criteria(phrase="bern"), limit, after)
        found += [row.name for row in page.rows]
        after = page.next
    return found


@pytest.mark.parametrize("gap", [False, True], ids=["indexed", "read one by one"])
@pytest.mark.parametrize(
    "becomes",
    [None, {"first_name": "zz"}, {"first_name": "a"}, {"last_name": "Zidane"}],
    ids=["withdrawn", "later first name", "earlier first name", "other last name"],
)
async def test_list_1_whatever_becomes_of_a_pages_last_customer_all_others_follow(
    listed: Listed, becomes: dict[str, str] | None, gap: bool
) -> None:
    await _ten(listed)
    if gap:
        await listed.database.write(write_gap, Gap(0, 1_000), priority=Priority.FEED)
    column: Column | None = "name" if gap else None
    criteria = Criteria(phrase="bern", column=column)
    page = await listed.database.read(list_customers, criteria, 4)
    assert [row.name[-1] for row in page.rows] == list(TEN[:4])
    values = {"last_name": "Bernardin", "first_name": "d"} | (becomes or {})
    await listed.store(customer_id(3), customer(3, **values) if becomes else None)
    rest = [name for name in await _rest(listed, page.next) if name != "Bernardin zz"]
    assert rest == [f"Bernardin {first}" for first in TEN[4:]]


async def test_list_1_a_group_that_becomes_a_crowd_between_two_pages_begins_anew(
    listed: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pos_node.ordering.NAMESAKES", len(TEN))
    await _ten(listed)
    page = await listed.database.read(list_customers, Criteria(phrase="bern"), 4)
    await listed.store(customer_id(10), customer(10, last_name="Bernardin", first_name="aa"))
    assert {f"Bernardin {first}" for first in TEN} <= set(await _rest(listed, page.next))


async def test_list_1_a_crowd_that_dissolves_between_two_pages_begins_anew(
    listed: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pos_node.ordering.NAMESAKES", len(TEN) - 1)
    for number, first in enumerate(reversed(TEN)):
        one = customer(number, last_name="Bernardin", first_name=first)
        await listed.store(customer_id(number), one)
    page = await listed.database.read(list_customers, Criteria(phrase="bern"), 4)
    assert [row.name[-1] for row in page.rows] == ["j", "i", "h", "g"], "as they came"
    await listed.store(customer_id(0), None)
    rest = await _rest(listed, page.next)
    assert {f"Bernardin {first}" for first in "abcdef"} <= set(rest)


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_list_1_names_that_differ_late_are_each_listed_once(
    listed: Listed, limit: int
) -> None:
    long = "Bernardin " + "a" * LONGEST_NAME
    for number, last in enumerate(["y", "x", "z", "x"]):
        one = customer(number, last_name=long[:249] + last, first_name="é" * 250)
        await listed.store(customer_id(number), one)
    rows = await listed.find(Criteria(phrase="bern"), limit)
    assert {row.id for row in rows} == set(listed.held)
    assert len(rows) == len(listed.held)


@given(name=st.none() | st.text(max_size=LONGEST_NAME), row=st.integers(1, 2**ROW_BITS - 1))
def test_list_1_a_bookmark_comes_back_as_it_was_given(name: str | None, row: int) -> None:
    mark = Bookmark(place_of(name or "", row), name)
    assert read_bookmark(mark.text) == mark
    assert len(mark.text) <= LONGEST


@given(
    text=st.text(max_size=40) | st.binary(max_size=30).map(lambda b: urlsafe_b64encode(b).decode())
)
def test_list_1_what_is_no_bookmark_is_refused(text: str) -> None:
    try:
        mark = read_bookmark(text)
    except ValueError:
        return
    assert mark.text == text
    assert 0 <= mark.place < 2**63


async def test_a_record_this_version_cannot_read_stays_when_its_change_is_done(
    listed: Listed,
) -> None:
    one = customer(1, last_name="Petit")
    await listed.store(customer_id(1), one)
    await listed.show(customer_id(1), one.model_copy(update={"phone": "0611"}))

    def spoil(connection: sqlite3.Connection) -> None:
        connection.execute('UPDATE customer SET record = \'{"kind": "future"}\'')

    await listed.database.write(spoil, priority=Priority.FEED)
    await listed.database.write(show_customer, customer_id(1), None, priority=Priority.FEED)
    page = await listed.database.read(list_customers, Criteria(phrase="petit"))
    assert [(row.name, row.local) for row in page.rows] == [("?", False)]


async def test_list_5_a_new_name_moves_the_row(listed: Listed) -> None:
    for number, name in enumerate(["Adam", "Berg", "Cole"]):
        await listed.store(customer_id(number), customer(number, last_name=name))
    await listed.store(customer_id(0), customer(0, last_name="Zorn"))
    await listed.show(customer_id(2), customer(2, last_name="Aal"))
    assert [row.name for row in await listed.find(Criteria())] == [
        "Aal Jean",
        "Berg Jean",
        "Zorn Jean",
    ]
    assert [row.name for row in await listed.find(Criteria(phrase="adam"))] == []


async def test_list_1_only_active_customers_and_every_column(listed: Listed) -> None:
    one = customer(
        1, kind="business", name="Fleurs Müller", tax_number="FR12", siret="73282932000074",
        email="a@b.test", identity_document="X1", phone="0478", attributes={"colour": "red"},
        country_code="PL",
        addresses=[{"id": str(UUID(int=1)), "type": "main", "country": "FR", "postal_code": "69003",
                    "town": "Lyon", "street": "rue X", "building": "12"}],
    )  # fmt: skip
    await listed.store(customer_id(1), one)
    await listed.store(customer_id(2), customer(2))
    await listed.store(customer_id(2), None)
    (row,) = await listed.find(Criteria())
    assert (row.id, row.version, row.editors, row.local) == (customer_id(1), 1, None, False)
    shown = (row.kind, row.name, row.tax_number, row.country, row.postal_code, row.town, row.street)
    assert shown == ("business", "Fleurs Müller", "FR12", "FR", "69003", "Lyon", "rue X 12")
    hidden = (row.code, row.siret, row.email, row.identity_document, row.phone, row.attributes)
    assert hidden == ("C1", "73282932000074", "a@b.test", "X1", "0478", {"colour": "red"})


async def test_list_2_a_change_made_here_is_listed_at_once(listed: Listed) -> None:
    await listed.store(customer_id(1), customer(1))
    await listed.show(customer_id(1), customer(1, last_name="Changed"))
    (row,) = await listed.find(Criteria(phrase="chang"))
    assert (row.name, row.local) == ("Changed Jean", True)


@pytest.mark.parametrize(
    ("stored", "count", "more"), [(0, 0, False), (6, 6, False), (7, 7, True), (9, 7, True)]
)
async def test_search_3_the_list_counts_as_far_as_the_banner_needs(
    listed: Listed, stored: int, count: int, more: bool
) -> None:
    for number in range(stored):
        await listed.store(customer_id(number), customer(number))
    page = await listed.database.read(list_customers, Criteria(phrase="jean"), 6)
    assert (len(page.rows), page.count, page.next is not None) == (min(stored, 6), count, more)


@given(name=st.text(max_size=20), other=st.text(max_size=20), row=st.integers(1, 2**ROW_BITS - 1))
def test_list_5_places_fit_and_never_clash(name: str, other: str, row: int) -> None:
    place = place_of(name, row)
    assert 0 <= place < 2**63
    assert place & (2**ROW_BITS - 1) == row
    assert place_of(other, row) >> ROW_BITS == place_of(other, 1) >> ROW_BITS


@pytest.mark.parametrize("column", COLUMNS)
async def test_list_2_every_column_can_be_searched_alone(listed: Listed, column: Column) -> None:
    for number, one in enumerate(CUSTOMERS):
        await listed.store(uuid5(SPACE, str(number)), one)
    for one in CUSTOMERS:
        for word in words_of(one)[COLUMNS.index(column)].split()[:3]:
            criteria = Criteria(phrase=word[:4], column=column)
            assert {row.id for row in await listed.find(criteria)} == listed.expected(criteria)


async def test_list_1_a_record_this_version_cannot_read_still_has_a_line(listed: Listed) -> None:
    await listed.store(customer_id(1), customer(1))
    spoil = "UPDATE customer SET record = '{}'"
    await listed.database.write(lambda c: c.execute(spoil), priority=Priority.FEED)
    (row,) = await listed.find(Criteria(phrase="name1"))
    assert (row.id, row.name) == (customer_id(1), "?")


@pytest.mark.parametrize("table", ["word", "detail"])
async def test_list_5_nothing_is_sorted_and_nothing_read_beyond_the_limit(
    listed: Listed, table: Table
) -> None:
    def plan(connection: sqlite3.Connection) -> list[str]:
        found = connection.execute(f"EXPLAIN QUERY PLAN {LINES[table]}", ("x", -1))
        return [detail for *_, detail in found]

    index, row = await listed.database.read(plan)
    assert index.startswith(f"SCAN {table} VIRTUAL TABLE INDEX")
    assert row == "SEARCH customer USING INTEGER PRIMARY KEY (rowid=?)"
