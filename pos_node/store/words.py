"""The word index: which customers a query finds, in the order of their names (SEARCH-13, LIST-5).

Two FTS5 tables hold the words of contracts.matching, by column: `word` what the list searches unasked, `detail`
what it searches when a column is chosen. Neither keeps a copy of the words: to take a row out, the words it went
in with are given again. After a first load `detail` is filled little by little; until then, and for columns that
no table has together, customers are read one by one (`found_by_reading`).
"""

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Literal, TypeAlias

import msgspec

from contracts.matching import COLUMNS, Alternative, Clause, Column, Query, kind_filter, matches
from pos_node.store.many import insert_many
from pos_node.store.places import Order, order_of, place_of

Table = Literal["word", "detail"]
Indexed: TypeAlias = tuple[int, str]
"""A row and its words, one line per column of COLUMNS."""

WORD: tuple[Column, ...] = (
    "name", "tax_number", "country", "postal_code", "town", "street", "attributes", "filters",
)  # fmt: skip
DETAIL: tuple[Column, ...] = (
    "code", "siret", "email", "identity_document", "phone", "national_id", "attributes", "filters",
)  # fmt: skip
_HELD: dict[Table, tuple[Column, ...]] = {"word": WORD, "detail": DETAIL}
_AT = {name: place for place, name in enumerate(COLUMNS)}
_NAME, _ATTRIBUTES = _AT["name"], _AT["attributes"]
_EVERYBODY = (kind_filter("retail"), kind_filter("business"))


def _insert(table: Table) -> str:
    columns = _HELD[table]
    return f"INSERT INTO {table} (rowid, {', '.join(columns)}) VALUES (?{', ?' * len(columns)})"


def _delete(table: Table) -> str:
    columns = _HELD[table]
    return (
        f"INSERT INTO {table} ({table}, rowid, {', '.join(columns)}) "
        f"VALUES ('delete', ?{', ?' * len(columns)})"
    )


_STATEMENTS = {
    (table, what): make(table)
    for table in _HELD
    for what, make in (("insert", _insert), ("delete", _delete))
}

_LIST = f"INSERT INTO listed VALUES (?{', ?' * len(WORD)})"
_INDEX_LISTED = f"INSERT INTO word (rowid, {', '.join(WORD)}) SELECT * FROM listed ORDER BY place"
_HELD_BYTES = 256 * 1024 * 1024
"""So much may be held before a part of the index is written: more than the words of any one `index_listed`."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows after `after` and up to `upto` are not in `detail` yet."""

    after: int = 0
    upto: int = 0

    def __contains__(self, row: int) -> bool:
        return self.after < row <= self.upto

    @property
    def open(self) -> bool:
        return self.after < self.upto


def read_gap(connection: sqlite3.Connection) -> Gap:
    row = connection.execute("SELECT value FROM meta WHERE name = 'detail_gap'").fetchone()
    return Gap(*map(int, row[0].split())) if row else Gap()


def write_gap(connection: sqlite3.Connection, gap: Gap) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO meta (name, value) VALUES ('detail_gap', ?)",
        (f"{gap.after} {gap.upto}",),
    )


class WordsChange(msgspec.Struct, frozen=True, gc=False):
    """A row whose words change: None before it comes in, None after it has gone."""

    row: int
    old: str | None
    new: str | None


def change_words(connection: sqlite3.Connection, changes: Iterable[WordsChange]) -> None:
    """Takes old words out and puts new ones in, each table only when its part has changed.

    In the order of places: an index written in order is written once per transaction.
    """
    gap = read_gap(connection)
    work: dict[tuple[Table, str], list[_Entry]] = {key: [] for key in _STATEMENTS}
    for one in changes:
        old, new = _by_column(one.old), _by_column(one.new)
        for table, parts in _PARTS.items():
            if (table == "detail" and one.row in gap) or (old and new and parts(old) == parts(new)):
                continue
            gone, come = _entries(table, one.row, old, new)
            if gone:
                work[table, "delete"].append(gone)
            if come:
                work[table, "insert"].append(come)
    for table in _HELD:
        for what in ("delete", "insert"):
            entries = work[table, what]
            if entries:
                entries.sort()
                connection.executemany(_STATEMENTS[table, what], entries)


def begin_listing(connection: sqlite3.Connection) -> None:
    """Makes room for `list_words`, in memory and of this connection only."""
    connection.execute(f"CREATE TEMP TABLE listed (place INTEGER, {', '.join(WORD)})")
    connection.execute("INSERT INTO word (word, rank) VALUES ('hashsize', ?)", (_HELD_BYTES,))


def list_words(connection: sqlite3.Connection, rows: Iterable[tuple[int, Sequence[str]]]) -> None:
    """Remembers rows, with their words by column, for `index_listed`."""
    listed = [_listed(row, words) for row, words in rows]
    insert_many(connection, _LIST, listed)


def index_listed(connection: sqlite3.Connection) -> None:
    """Puts what was remembered into `word` alone: it is left to the gap.

    One statement for many rows in the order of places: they become one part of the index, and other threads of
    Python run meanwhile.
    """
    connection.execute(_INDEX_LISTED)
    connection.execute("DELETE FROM listed")


def fill_gap(connection: sqlite3.Connection, limit: int) -> bool:
    """Puts the next rows of the gap into `detail`; whether there are more."""
    gap = read_gap(connection)
    rows: list[Indexed] = connection.execute(
        "SELECT row, words FROM customer WHERE row > ? AND row <= ? ORDER BY row LIMIT ?",
        (gap.after, gap.upto, limit),
    ).fetchall()
    details = sorted(_details(row, text.split("\n")) for row, text in rows if text is not None)
    connection.executemany(_STATEMENTS["detail", "insert"], details)
    write_gap(connection, Gap(rows[-1][0], gap.upto) if len(rows) == limit else Gap())
    return len(rows) == limit


_Entry: TypeAlias = tuple[int, *tuple[str, ...]]
"""What one table is given of a row: its place, then its words by column."""


def _by_column(text: str | None) -> Sequence[str] | None:
    return None if text is None else text.split("\n")


def _listed(row: int, w: Sequence[str]) -> _Entry:
    place = place_of(w[_NAME], row)
    return place, w[0], w[1], w[2], w[3], w[4], w[5], _without_names(w[_ATTRIBUTES]), w[13]


def _details(row: int, w: Sequence[str]) -> _Entry:
    place = place_of(w[_NAME], row)
    return place, w[6], w[7], w[8], w[9], w[10], w[11], _with_names(w[_ATTRIBUTES]), w[13]


def _entries(
    table: Table, row: int, old: Sequence[str] | None, new: Sequence[str] | None
) -> tuple[_Entry | None, _Entry | None]:
    """What a table is given to take out, and what to put in."""
    if table == "detail" and old and new and old[_NAME] == new[_NAME]:
        part = _differing(row, old, new)
        if part:
            return part
    make = _MAKE[table]
    return make(row, old) if old else None, make(row, new) if new else None


def _differing(row: int, old: Sequence[str], new: Sequence[str]) -> tuple[_Entry, _Entry] | None:
    """What of `detail` changes of a row that keeps its place: the words that come and go, the others staying.

    An index that keeps no beginnings knows each word by itself, and a word in all its columns at once. None when
    one of these words stands in another column as well: then the whole entry changes.
    """
    before, after = _DETAIL(old), _DETAIL(new)
    if before[_NAMED] != after[_NAMED]:  # not all of these words are in the index
        return None
    moved: set[str] = set()
    staying: list[str] = []
    for was, now in zip(before, after, strict=True):
        if was == now:
            staying.append(was)
        else:
            moved |= _recounted(was.split(" "), now.split(" "))
    if not moved.isdisjoint(" ".join(staying).split(" ")):
        return None
    place = place_of(old[_NAME], row)
    gone = [
        _among(moved, was) if was != now else "" for was, now in zip(before, after, strict=True)
    ]
    come = [
        _among(moved, now) if was != now else "" for was, now in zip(before, after, strict=True)
    ]
    return (place, *gone), (place, *come)


def _recounted(before: Sequence[str], after: Sequence[str]) -> set[str]:
    """Words that are not there as often as before."""
    was, now = set(before), set(after)
    moved = was ^ now
    if len(was) < len(before) or len(now) < len(after):
        moved |= {word for word in was & now if before.count(word) != after.count(word)}
    return moved


def _among(words: set[str], text: str) -> str:
    return " ".join([word for word in text.split(" ") if word in words])


_MAKE = {"word": _listed, "detail": _details}
_PARTS = {
    table: itemgetter(*{_NAME: None} | {_AT[name]: None for name in columns})
    for table, columns in _HELD.items()
}
"""The words that a table's entry is made of: its own columns, and the name, which is its place."""
_DETAIL = itemgetter(*(_AT[name] for name in DETAIL))
_NAMED = DETAIL.index("attributes")


def _without_names(attributes: str) -> str:
    if "=" not in attributes:
        return attributes
    return " ".join([word for word in attributes.split(" ") if "=" not in word])


def _with_names(attributes: str) -> str:
    if "=" not in attributes:
        return ""
    return " ".join([word for word in attributes.split(" ") if "=" in word])


def merge_words(connection: sqlite3.Connection, pages: int) -> bool:
    """Joins parts of the index, writing so many pages of it; whether there may be more to join."""
    before = connection.total_changes
    for table in _HELD:
        connection.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)", (pages,))
    return connection.total_changes - before >= 2 * len(_HELD)


@dataclass(frozen=True, slots=True)
class Match:
    """A query as one of the tables understands it."""

    table: Table
    text: str


def match_of(query: Query) -> Match | None:
    """The query as FTS5 text; None: no table can answer it."""
    wanted = set(query.columns)
    named = any(word[0] == "=" for clause in query.clauses for one in clause for word in one)
    if wanted <= set(WORD) and not named:
        return Match("word", _text(query))
    if wanted <= set(DETAIL) and (named or "attributes" not in wanted):
        return Match("detail", _text(query))
    return None


def _text(query: Query) -> str:
    parts = []
    if query.clauses:
        clauses = " AND ".join(_clause(one) for one in query.clauses)
        parts.append(f"{{{' '.join(query.columns)}}} : ({clauses})")
    parts += [f"filters : {_quoted(one)}" for one in query.filters]
    return " AND ".join(parts) or f"filters : ({' OR '.join(map(_quoted, _EVERYBODY))})"


def _clause(clause: Clause) -> str:
    return f"({' OR '.join(_alternative(one) for one in clause)})"


def _alternative(words: Alternative) -> str:
    starts = " AND ".join(f"{_quoted(word)} *" for word in words)
    return f"({starts})"


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def found_by_reading(
    connection: sqlite3.Connection, query: Query, passed: Order | None, limit: int
) -> list[int]:
    """Places of customers that match, behind one in the order of names (store.places.order_of), by reading every
    customer's words: seconds at a million."""
    found = sorted(
        order_of(place_of(words[_NAME], row), words[_NAME])
        for row, text in _candidates(connection, query)
        if (words := text.split("\n")) and matches(query, words)
    )
    behind = (
        place for _, _, place in found[0 if passed is None else bisect_right(found, passed) :]
    )
    return list(islice(behind, limit))


def _candidates(connection: sqlite3.Connection, query: Query) -> Iterator[Indexed]:
    """Rows with words that may match: one clause with a single reading narrows them down."""
    sure = [clause[0] for clause in query.clauses if len(clause) == 1]
    longest = max((word for one in sure for word in one), key=len, default="")
    return connection.execute(
        "SELECT row, words FROM customer WHERE words IS NOT NULL AND instr(words, ?)", (longest,)
    )
