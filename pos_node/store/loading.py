"""The first load: many customers into a file of their own, without the care a file in use needs.

Nothing is written twice, nothing waits for the disk, indexes are made at the end; a crash costs the load. The file
then takes the place of the till's (store.replacement), with what the till made meanwhile carried over.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from contracts.customers import Customer
from contracts.feed import ABSORBING, RowStruct
from pos_node.store.arrivals import (
    KEYED,
    Broken,
    Fold,
    Trouble,
    apply_keyed,
    content_of,
    has_words,
    id_of,
    keys_of,
)
from pos_node.store.cursors import Cursor, begin_cursor, read_cursors
from pos_node.store.customers import show_customer
from pos_node.store.fates import Fate, Held, fate_of
from pos_node.store.loading_words import (
    LoadingWords,
    make_file,
    open_file,
    remove_file,
    take_words,
)
from pos_node.store.many import insert_many
from pos_node.store.queries import load_sql
from pos_node.store.replacement import flush
from pos_node.store.words import Gap, WordsChange, change_words, write_gap

_SQL = load_sql("loading.sql")
CARRIED_TABLES = (
    "meta", "journal", "renumbered", "notice", "login_failure", "list_view", "reference",
)  # fmt: skip


class LoadingFile:
    """A file being filled. `begin`, `add` …, `finish`, or `discard` at any point."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection
        self._words = LoadingWords(path.with_name(f"{path.name}-words"))
        self._indexes: list[str] = []
        self._last = 0

    def begin(self) -> None:
        """Makes the file anew. Raises sqlite3.Error."""
        self.discard()
        self._connection = connection = make_file(self.path)
        found = connection.execute(_SQL["customer_indexes"]).fetchall()
        for name, _ in found:
            connection.execute(f"DROP INDEX {name}")
        self._indexes = [sql for _, sql in found]
        connection.execute("BEGIN")
        self._words.begin()

    def add(self, scope: str, rows: Iterable[RowStruct], rule: int) -> list[Trouble]:
        """Appends customers; returns the rows left out. Withdrawn ones are nothing to a till that starts."""
        lines: list[tuple[Any, ...]] = []
        trouble: list[Trouble] = []
        for row in rows:
            if row.state == "withdrawn":
                continue
            try:
                if row.kind in KEYED:
                    apply_keyed(self._connection, scope, [row])
                else:
                    lines.append(self._line(scope, row, rule))
            except Broken as error:
                trouble.append(Trouble(scope, row.key, str(error)))
        self._words.write()
        insert_many(self._connection, _SQL["add"], lines)
        return trouble

    def finish(self, cursors: Iterable[Cursor]) -> None:
        """Makes the indexes and has everything on the disk. Raises sqlite3.Error, OSError."""
        connection = self._connection
        self._words.write(all_of_them=True)
        write_gap(connection, Gap(0, self._last))
        for cursor in cursors:
            begin_cursor(connection, cursor)
        connection.execute("COMMIT")
        missing = [sql for sql in self._indexes if not _make_index(connection, sql)]
        connection.close()
        self._words.finish()
        take_words(self.path, self._words.path)
        self._words.discard()
        if missing:  # an entity changed its scope during the load
            with closing(open_file(self.path)) as connection:
                _drop_repeated(connection)
                for sql in missing:
                    connection.execute(sql)
        flush(self.path)

    def discard(self) -> None:
        """Removes the file, whatever state it is in."""
        with suppress(AttributeError, sqlite3.Error):
            self._connection.close()
        self._words.discard()
        remove_file(self.path)

    def _line(self, scope: str, row: RowStruct, rule: int) -> tuple[Any, ...]:
        if row.kind != "customer":
            raise Broken(f"kind: {row.kind} does not belong into a first load")
        id_, number = id_of(row.key), self._last + 1
        if row.state in ABSORBING:
            self._last = number
            gone = (scope, row.key, row.version, row.state)
            self._connection.execute(_SQL["note_gone"], gone)
            return number, id_, scope, row.version, row.state, *(None,) * 5
        found = _found(row, rule)
        self._last = number
        self._words.add(number, found.words)
        editors = None if row.editors is None else ",".join(row.editors)
        return (
            number, id_, scope, row.version, row.state, editors,
            *found.keys, found.record, "\n".join(found.words),
        )  # fmt: skip


class _Found(NamedTuple):
    """What is stored of an active customer; the record as it came, which is checked to be text when it comes in."""

    record: msgspec.Raw | str
    words: Sequence[str]
    keys: tuple[str, str | None]


def _found(row: RowStruct, rule: int) -> _Found:
    if has_words(row, rule):
        return _Found(row.record, row.words, keys_of(row))
    content = content_of(row, rule)
    return _Found(content.record, content.words.split("\n"), (content.code_key, content.tax_key))


def carry_over(
    old: sqlite3.Connection, new: sqlite3.Connection, *, loaded: Sequence[str], fold: Fold
) -> None:
    """Brings into a loaded file what the till has besides: its journal, notices, settings and views, the cursors
    and customers of other scopes, customers made here, and what it shows of changes on their way."""
    for table in CARRIED_TABLES:
        _copy(old, new, table, f"SELECT * FROM {table} WHERE {_kept(table)}")
    others = [one for one in read_cursors(old) if one.scope not in loaded]
    for cursor in others:
        begin_cursor(new, cursor)
    for table in ("feed_seen", "feed_gone"):
        for cursor in others:
            _copy(old, new, table, f"SELECT * FROM {table} WHERE scope = ?", cursor.scope)
    for line in old.execute(_SQL["customers"]):
        _carry_customer(new, line)
    for line in old.execute("SELECT key, scope, version, state, record, customer_id FROM card"):
        _carry_card(new, line)
    for (id_,) in old.execute(_SQL["changed_here"]):
        found = new.execute(_SQL["record_of"], (id_,)).fetchone()
        if found is not None and found[0] == "active":
            shown = fold(new, UUID(bytes=id_), found[1])
            if shown is not None:
                show_customer(new, UUID(bytes=id_), Customer.model_validate_json(shown))


def _kept(table: str) -> str:
    return "name <> 'detail_gap'" if table == "meta" else "true"


def _copy(
    old: sqlite3.Connection, new: sqlite3.Connection, table: str, select: str, *values: str
) -> None:
    found = old.execute(select, values)
    marks = ", ".join("?" for _ in found.description)
    new.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", found)


def _carry_customer(new: sqlite3.Connection, line: tuple[Any, ...]) -> None:
    """A customer of the old file is kept where the new one has none, or has less."""
    id_, scope, version, state, *_, words = line
    found = new.execute(_SQL["held"], (id_,)).fetchone()
    if found is None:
        row = new.execute(_SQL["put"], line).lastrowid
        change_words(new, [WordsChange(row or 0, None, words)])
        return
    row, old_words, *held = found
    if fate_of(Held(*held), scope, version, state) is Fate.TAKE and version > held[1]:
        new.execute(_SQL["replace"], (*line[1:], row))
        change_words(new, [WordsChange(row, old_words, words)])


def _carry_card(new: sqlite3.Connection, line: tuple[Any, ...]) -> None:
    """A card of the old file is kept where the new one has none, or has less."""
    key, scope, version, state, *_ = line
    held = "SELECT scope, version, state FROM card WHERE key = ?"
    found = new.execute(held, (key,)).fetchone()
    if found is None or (
        fate_of(Held(*found), scope, version, state) is Fate.TAKE and version > found[1]
    ):
        new.execute("INSERT OR REPLACE INTO card VALUES (?, ?, ?, ?, ?, ?)", line)


def _make_index(connection: sqlite3.Connection, sql: str) -> bool:
    try:
        connection.execute(sql)
    except sqlite3.IntegrityError:
        return False
    return True


def _drop_repeated(connection: sqlite3.Connection) -> None:
    """Of a customer that came more than once, what would have stood had the rows come one after another."""
    connection.execute("CREATE INDEX repeated ON customer (id)")
    for (id_,) in connection.execute(_SQL["repeated"]).fetchall():
        kept, *others = connection.execute(_SQL["lines_of"], (id_,)).fetchall()
        for line in others:
            _, _, scope, version, state = line
            taken = fate_of(Held(*kept[2:]), scope, version, state) is Fate.TAKE
            row, words, *_ = kept if taken else line
            kept = line if taken else kept
            change_words(connection, [WordsChange(row, words, None)])
            connection.execute("DELETE FROM customer WHERE row = ?", (row,))
    connection.execute("DROP INDEX repeated")
