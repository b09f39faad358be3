"""SQL files as named queries, and which migrations are missing."""

import pytest

from erp_node.store.migrations import Migration, WrongDatabase, known_migrations, missing_migrations
from erp_node.store.queries import load_sql, parse_sql

ONE, TWO = Migration(1, "start", "SELECT 1"), Migration(2, "more", "SELECT 2")


def test_queries_are_found_by_name() -> None:
    found = parse_sql(
        "-- about\n\n-- name: one\nSELECT 1;\n-- a remark\n\n-- name: two\nSELECT 2\n"
    )
    assert found == {"one": "SELECT 1;\n-- a remark", "two": "SELECT 2"}


def test_a_name_is_there_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse_sql("-- name: one\nSELECT 1\n-- name: one\nSELECT 2")


def test_a_file_of_queries_is_read_from_beside_the_store() -> None:
    assert load_sql("feed.sql")["number_marks"].startswith("--")


def test_what_is_missing_is_applied_in_order() -> None:
    assert missing_migrations([ONE, TWO], {}) == (ONE, TWO)
    assert missing_migrations([ONE, TWO], {1: ONE.checksum}) == (TWO,)
    assert missing_migrations([ONE, TWO], {1: ONE.checksum, 2: TWO.checksum}) == ()


def test_a_newer_database_is_refused_in_one_line() -> None:
    with pytest.raises(WrongDatabase, match="schema 2, this version knows 1") as refusal:
        missing_migrations([ONE], {1: ONE.checksum, 2: TWO.checksum})
    assert "\n" not in str(refusal.value)


def test_a_file_that_reads_differently_now_is_refused() -> None:
    with pytest.raises(WrongDatabase, match=r"0001_start\.sql"):
        missing_migrations([ONE, TWO], {1: "another"})


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = [one.number for one in known_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
