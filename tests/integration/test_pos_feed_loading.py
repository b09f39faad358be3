"""The word index of a first load: few parts, in which everybody is found in the order of names."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from contracts.feed import RowStruct
from contracts.matching import RULE, words_of
from contracts.search import Criteria
from pos_node.lists import list_customers
from pos_node.store import loading_words
from pos_node.store.connection import connect
from pos_node.store.cursors import Cursor
from pos_node.store.loading import LoadingFile
from pos_node.store.places import group_of
from tests.pos_pages import customer, customer_id

SCOPE = "all.customers"
ROWS = 90


def rows(numbers: range, name: str = "Martin") -> list[RowStruct]:
    found = [(n, customer(n, last_name=f"{name} {n % 7}")) for n in numbers]
    return [
        RowStruct(
            key=str(customer_id(n)),
            version=1,
            kind="customer",
            words=list(words_of(one)),
            record=msgspec.Raw(one.model_dump_json(exclude_none=True).encode()),
        )
        for n, one in found
    ]


@pytest.fixture
def load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoadingFile]:
    monkeypatch.setattr(loading_words, "ROWS_AT_ONCE", 5)
    monkeypatch.setattr(loading_words, "ROWS_IN_PART", 40)
    load = LoadingFile(folder / "loading.db")
    load.begin()
    yield load
    load.discard()


def fill(load: LoadingFile, count: int) -> None:
    for start in range(0, count, 10):
        assert load.add(SCOPE, rows(range(start, min(start + 10, count))), RULE) == []
    load.finish([Cursor(SCOPE, "e", count, count, True)])


def parts(path: Path) -> int:
    with closing(connect(path, "reader")) as connection:
        (found,) = connection.execute("SELECT count(DISTINCT segid) FROM word_idx").fetchone()
    return int(found)


@pytest.mark.parametrize(("count", "expected"), [(10, 1), (80, 2), (ROWS, 3)])
def test_list_5_a_part_of_the_index_holds_many_batches(
    load: LoadingFile, count: int, expected: int
) -> None:
    fill(load, count)
    assert parts(load.path) == expected


def test_list_5_everybody_is_found_by_name_whatever_part_holds_them(load: LoadingFile) -> None:
    fill(load, ROWS)
    with closing(connect(load.path, "reader")) as connection:
        page = list_customers(connection, Criteria(phrase="mart"), ROWS + 1)
    assert {row.id for row in page.rows} == {customer_id(n) for n in range(ROWS)}
    groups = [group_of(row.place) for row in page.rows]
    assert groups == sorted(groups)


def test_i2_a_first_load_stores_records_as_text_byte_for_byte(load: LoadingFile) -> None:
    sent = rows(range(1), "Éloïse")
    assert load.add(SCOPE, sent, RULE) == []
    load.finish([])
    with closing(connect(load.path, "reader")) as connection:
        (record,) = connection.execute("SELECT record FROM customer").fetchone()
    assert isinstance(record, str)
    assert record.encode() == bytes(sent[0].record)


def test_sync_5_a_first_load_leaves_out_a_row_without_a_record(load: LoadingFile) -> None:
    good, bad = rows(range(2))
    bad.record = msgspec.Raw()
    trouble = load.add(SCOPE, [good, bad], RULE)
    assert [one.key for one in trouble] == [bad.key]
