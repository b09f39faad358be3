"""Whatever changes in whatever order, the word index holds the words customers have now, and no others (LIST-5)."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.matching import COLUMNS, Column
from pos_node.store import connection as opening
from pos_node.store.migrations import migrate
from pos_node.store.places import place_of
from pos_node.store.words import DETAIL, WORD, WordsChange, change_words

VOCABULARY = ("a", "ab", "abc", "b", "ba", "=colour=a", "=colour=ab", "kind=retail")
ROWS = (1, 2, 3)

Words = Mapping[Column, Sequence[str]]

_columns = st.sampled_from([*DETAIL, "name", "town"])
_words = st.lists(st.sampled_from(VOCABULARY), max_size=3)
_customers = st.dictionaries(_columns, _words, max_size=5)
_changes = st.lists(
    st.tuples(st.sampled_from(ROWS), st.none() | _customers), min_size=1, max_size=12
)


@contextmanager
def index() -> Iterator[sqlite3.Connection]:
    with closing(opening.connect(":memory:", "writer")) as connection:
        migrate(connection, Path(":memory:"))
        yield connection


def text_of(words: Words) -> str:
    return "\n".join(" ".join(words.get(name, ())) for name in COLUMNS)


def held(table: str, columns: Sequence[Column], words: Words) -> set[tuple[str, str]]:
    """The words that a table is to have of a customer, with their columns."""
    named = table == "detail"
    return {
        (name, word)
        for name in columns
        for word in words.get(name, ())
        if name != "attributes" or ("=" in word) is named
    }


@given(changes=_changes)
@example(changes=[(1, {"code": ["a"], "phone": ["a"]}), (1, {"code": ["a"], "phone": ["b"]})])
@example(changes=[(1, {"name": ["a"], "email": ["b"]}), (1, {"name": ["b"], "email": ["ab"]})])
@example(changes=[(1, {"code": ["a"]}), (1, {"code": ["a", "a"]}), (1, None)])
@settings(max_examples=150, deadline=None)
def test_list_5_the_index_holds_what_customers_have_now(
    changes: list[tuple[int, Words | None]],
) -> None:
    now: dict[int, Words] = {}
    with index() as connection:
        for row, words in changes:
            old = text_of(now[row]) if row in now else None
            new = None if words is None else text_of(words)
            if old == new:
                continue
            change_words(connection, [WordsChange(row, old, new)])
            if words is None:
                del now[row]
            else:
                now[row] = words
            for table, columns in (("word", WORD), ("detail", DETAIL)):
                assert found(connection, table, columns) == {
                    (place_of(text_of(kept).split("\n")[0], row), column, word)
                    for row, kept in now.items()
                    for column, word in held(table, columns, kept)
                }


def found(
    connection: sqlite3.Connection, table: str, columns: Sequence[Column]
) -> set[tuple[int, str, str]]:
    """Every word of an index: its place, its column and itself."""
    return {
        (place, column, word)
        for column in columns
        for word in VOCABULARY
        for (place,) in connection.execute(
            f"SELECT rowid FROM {table} WHERE {table} MATCH ?", (f'{column} : "{word}"',)
        )
    }
