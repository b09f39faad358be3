"""Customers and reference data as the feed brings them: many rows at once, into a table that has some already.

`fate_of` decides, row by row; the rest writes what was decided, in few statements.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from pydantic import ValidationError

from contracts.customers import Customer, code_key, read_keys, tax_key
from contracts.feed import ABSORBING, RowStruct
from contracts.matching import COLUMNS, RULE, words_of
from pos_node.store.fates import Fate, Held, fate_of
from pos_node.store.marks import read_unmet
from pos_node.store.queries import load_sql
from pos_node.store.words import WordsChange, change_words

_SQL = load_sql("arrivals.sql")
_AT_ONCE = 500

KEYED = ("reference", "card")
"""Kinds of rows that are stored by a text, `<kind>/<code>`, each in the table of its name."""


class Broken(ValueError):
    """The row cannot be stored; the text says why."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A row that was left out, and why."""

    scope: str
    key: str
    reason: str


Fold: TypeAlias = Callable[[sqlite3.Connection, UUID, str | None], str | None]
"""`fold(connection, customer_id, record)`: what to show, as JSON, after the changes made here that wait; None
when nothing waits. `record` is the ERP's, or None when the ERP has not answered yet."""


def apply_customers(
    connection: sqlite3.Connection,
    scope: str,
    rows: Sequence[RowStruct],
    fold: Fold,
    *,
    rule: int = RULE,
) -> list[Trouble]:
    """Stores rows of kind customer, each entity at most once among them; returns those left out.

    Words written under another rule than this version's are written anew.
    """
    trouble: list[Trouble] = []
    for start in range(0, len(rows), _AT_ONCE):
        batch = _Batch(connection, scope, fold, rule, trouble)
        batch.apply(rows[start : start + _AT_ONCE])
    return trouble


def apply_keyed(connection: sqlite3.Connection, scope: str, rows: Iterable[RowStruct]) -> None:
    """Stores rows of the kinds in KEYED, by the same rules as customers."""
    for row in rows:
        held = _find_held(connection, row)
        if row.state in ABSORBING:
            connection.execute(_SQL["note_gone"], (scope, row.key, row.version, row.state))
        met = not read_unmet(connection, [row.key])
        if fate_of(held, scope, row.version, row.state, met=met) is Fate.TAKE:
            record = text_of(row) if row.state == "active" else None
            version = _version(row, held, met)
            values = (row.key, scope, version, row.state, record)
            if row.kind == "card":
                connection.execute(_SQL["put_card"], (*values, _owner_of(row)))
            else:
                connection.execute(_SQL["put_reference"], values)


class _Owned(msgspec.Struct):
    customer_id: str | None = None


_read_owned = msgspec.json.Decoder(_Owned).decode


def _owner_of(row: RowStruct) -> str | None:
    """Whose card an active row is. Raises Broken."""
    if row.state != "active":
        return None
    try:
        return _read_owned(row.record).customer_id
    except msgspec.DecodeError as error:
        raise Broken(f"record: {error}") from None


def holds_newer(connection: sqlite3.Connection, rows: Iterable[RowStruct]) -> bool:
    """Whether something here, unless it is gone for good, has a higher version than what came of it."""
    return any(
        held is not None and held.state not in ABSORBING and row.version < held.version
        for row in rows
        for held in (_find_held(connection, row),)
    )


def _find_held(connection: sqlite3.Connection, row: RowStruct) -> Held | None:
    """None also of what has no versions here: progress, verdicts, a customer's row whose key is none."""
    found = None
    if row.kind in KEYED:
        held = _SQL["held_keyed"].format(table=row.kind)
        found = connection.execute(held, (row.key,)).fetchone()
    elif row.kind == "customer":
        with suppress(Broken):
            found = connection.execute(_SQL["held_customer"], (id_of(row.key),)).fetchone()
    return Held(*found) if found else None


def withdraw_customers(connection: sqlite3.Connection, scope: str, ids: Sequence[bytes]) -> int:
    """Takes active customers of a scope out of the list and leaves nothing of them but id and version: the
    ERP no longer has them in this scope. Returns how many there were."""
    marks = ", ".join("?" * len(ids))
    found = connection.execute(
        f"SELECT row, words FROM customer WHERE scope = ? AND state = 'active' AND id IN ({marks})",
        (scope, *ids),
    ).fetchall()
    change_words(connection, [WordsChange(row, words, None) for row, words in found])
    connection.executemany(_SQL["withdraw"], [(row,) for row, _ in found])
    return len(found)


def next_row(connection: sqlite3.Connection) -> int:
    """The row of a customer that is new here."""
    (last,) = connection.execute("SELECT max(row) FROM customer").fetchone()
    return (last or 0) + 1


def text_of(row: RowStruct) -> str:
    """The record of an active row as it came. Raises Broken when there is none."""
    if len(row.record) <= len("null"):
        raise Broken("record: there is none")
    try:
        return str(row.record, "utf-8")
    except UnicodeDecodeError:
        raise Broken("record: not UTF-8") from None


class _Line(msgspec.Struct, frozen=True, gc=False):
    """A customer's line as it stands."""

    row: int
    held: Held
    words: str | None
    keys: tuple[str | None, str | None]


class Content(NamedTuple):
    """What is stored of an active customer."""

    record: str
    shown: str | None
    words: str
    code_key: str
    tax_key: str | None


def content_of(row: RowStruct, rule: int) -> Content:
    """What a row brings. Raises Broken."""
    record = text_of(row)
    if not has_words(row, rule):
        return _content_shown(record, record, None)
    return Content(record, None, "\n".join(row.words), *keys_of(row))


def has_words(row: RowStruct, rule: int) -> bool:
    """Whether the words that came with a row are what this version would find."""
    return rule == RULE and len(row.words) == len(COLUMNS)


def keys_of(row: RowStruct) -> tuple[str, str | None]:
    """The keys of an active customer's code and tax number. Raises Broken."""
    try:
        keys = read_keys(row.record)
    except msgspec.DecodeError as error:
        raise Broken(f"record: {error}") from None
    return code_key(keys.code), tax_key(keys.tax_number)


def id_of(key: str) -> bytes:
    """A customer's id as stored. Raises Broken."""
    try:
        found = bytes.fromhex(key.replace("-", ""))
    except ValueError:
        found = b""
    if len(found) != 16 or len(key) != 36:
        raise Broken("key: not a UUID")
    return found


def _content_shown(record: str, json: str, shown: str | None) -> Content:
    """The content when the till reads the customer itself, to show something else or find its words."""
    try:
        customer = Customer.model_validate_json(json)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise Broken(f"record: {where}: {error.errors()[0]['msg']}") from None
    words = "\n".join(words_of(customer))
    return Content(record, shown, words, code_key(customer.code), tax_key(customer.tax_number))


_Values: TypeAlias = tuple[str | int | bytes | None, ...]


class _Batch:
    """Decides over some rows, then writes what was decided."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        scope: str,
        fold: Fold,
        rule: int,
        trouble: list[Trouble],
    ) -> None:
        self._connection = connection
        self._scope = scope
        self._fold = fold
        self._rule = rule
        self._trouble = trouble
        self._fresh = 1
        self._words: list[WordsChange] = []
        self._gone: list[_Values] = []
        self._new: list[_Values] = []
        self._changed: list[_Values] = []
        self._rewritten: list[_Values] = []

    def apply(self, rows: Sequence[RowStruct]) -> None:
        by_id = self._sound(rows)
        lines = self._read_lines(list(by_id))
        unmet = read_unmet(self._connection, list(by_id))
        pending = {id_ for (id_,) in self._connection.execute(_SQL["pending"])}
        self._fresh = next_row(self._connection)
        for id_, row in by_id.items():
            line = lines.get(id_)
            if row.state in ABSORBING:
                self._gone.append((self._scope, row.key, row.version, row.state))
            held = line.held if line else None
            met = id_ not in unmet
            if fate_of(held, self._scope, row.version, row.state, met=met) is Fate.LEAVE:
                continue
            try:
                self._take(id_, row, line, _version(row, held, met), id_ in pending)
            except Broken as error:
                self._trouble.append(Trouble(self._scope, row.key, str(error)))
        self._write()

    def _sound(self, rows: Sequence[RowStruct]) -> dict[bytes, RowStruct]:
        found: dict[bytes, RowStruct] = {}
        for row in rows:
            try:
                found[id_of(row.key)] = row
            except Broken as error:
                self._trouble.append(Trouble(self._scope, row.key, str(error)))
        return found

    def _read_lines(self, ids: Sequence[bytes]) -> dict[bytes, _Line]:
        marks = ", ".join("?" * len(ids))
        found = self._connection.execute(
            "SELECT id, row, scope, version, state, words, code_key, tax_key "
            f"FROM customer WHERE id IN ({marks})",
            ids,
        )
        return {
            id_: _Line(row, Held(scope, version, state), words, tuple(keys))
            for id_, row, scope, version, state, words, *keys in found
        }

    def _take(
        self, id_: bytes, row: RowStruct, line: _Line | None, version: int, pending: bool
    ) -> None:
        content = self._content(id_, row, pending) if row.state == "active" else None
        number = line.row if line else self._fresh + len(self._new)
        old = line.words if line else None
        new = content.words if content else None
        if old != new:
            self._words.append(WordsChange(number, old, new))
        keys = (content.code_key, content.tax_key) if content else (None, None)
        values = (self._scope, version, row.state, *_columns(row, content))
        if line is None:
            self._new.append((*values, *keys, number, id_))
        elif line.keys == keys:
            self._rewritten.append((*values, number))
        else:
            self._changed.append((*values, *keys, number))

    def _content(self, id_: bytes, row: RowStruct, pending: bool) -> Content:
        content = content_of(row, self._rule)
        shown = self._fold(self._connection, UUID(bytes=id_), content.record) if pending else None
        return content if shown is None else _content_shown(content.record, shown, shown)

    def _write(self) -> None:
        connection = self._connection
        connection.executemany(_SQL["add"], self._new)
        for statement, changed in (("change", self._changed), ("rewrite", self._rewritten)):
            changed.sort(key=_row_of)
            connection.executemany(_SQL[statement], changed)
        change_words(connection, self._words)
        connection.executemany(_SQL["note_gone"], self._gone)


def _version(row: RowStruct, held: Held | None, met: bool) -> int:
    """What is gone keeps the highest version it was heard of with, whoever said so."""
    if held is None or not (met or row.state in ABSORBING):
        return row.version
    return max(row.version, held.version)


def _columns(row: RowStruct, content: Content | None) -> tuple[str | None, ...]:
    """Everything personal; nothing of it stays unless the row is active."""
    if content is None:
        return (None,) * 4
    editors = None if row.editors is None else ",".join(row.editors)
    return editors, content.record, content.shown, content.words


def _row_of(values: _Values) -> int:
    row = values[-1]
    assert isinstance(row, int)
    return row
