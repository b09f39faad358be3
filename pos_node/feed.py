"""The way down at a till: pages applied in order, rows and cursor in one transaction (design: Down: the feed).

`decide_page` says what becomes of a page; `apply_pages` does it; `FeedQueue.handle` is what the ordered consumer of
the till's feed queue calls. What is missing is pulled by pulling.py.
"""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import structlog
from pydantic import TypeAdapter, ValidationError

from contracts.cards import Card
from contracts.envelope import MessageError
from contracts.feed import ABSORBING, RowStruct
from contracts.journal import Progress, Verdict
from contracts.reference import REFERENCE_KINDS, ReferenceRecord
from messaging.channel import Delivery
from messaging.consumer import Bad
from pos_node.pages import Page, page_of
from pos_node.store.arrivals import (
    Broken,
    Fold,
    Trouble,
    apply_customers,
    apply_keyed,
    text_of,
)
from pos_node.store.cursors import Cursor, read_cursor, seq_by_scope, write_cursor
from pos_node.store.database import Priority, Store
from pos_node.store.sweeping import mark_seen

ROWS_AT_ONCE = 500
"""Rows in a transaction, the last page's included: what a cashier's write may have to wait for."""

_log = structlog.get_logger("feed")


@dataclass(frozen=True, slots=True)
class JournalSide:
    """What the feed needs of the journal's store (store/journal.py, store/notices.py); each runs inside the
    transaction that applies the page.

    `fold`: see store.arrivals.Fold. `take_progress`: notes applied_seq and heads on the entries.
    `take_verdict(connection, key, verdict)`: makes a notice, once per key. `settle(connection, cursors)`: called
    after cursors moved, with seq by scope: lets go of entries whose heads are reached and calls
    store.customers.show_customer for their customers.
    """

    fold: Fold
    take_progress: Callable[[sqlite3.Connection, Progress], None]
    take_verdict: Callable[[sqlite3.Connection, str, Verdict], None]
    settle: Callable[[sqlite3.Connection, Mapping[str, int]], None]


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing in it is new."""


@dataclass(frozen=True, slots=True)
class Apply:
    """Its rows come next; `cursor` is where the till stands afterwards."""

    cursor: Cursor


@dataclass(frozen=True, slots=True)
class PullFrom:
    """Something is missing before it, or the feed was numbered anew: ask from here."""

    seq: int


Decision: TypeAlias = Drop | Apply | PullFrom


def decide_page(cursor: Cursor, page: Page) -> Decision:
    """What becomes of a page that came by itself, the till standing at `cursor`.

    A page of another epoch may be an old one that was late, so only the ERP's answer to a pull makes a cursor
    void. A sign of life that knows less than the till is answered by a pull as well: the ERP then notices
    that its database is older than it was.
    """
    if cursor.epoch and page.epoch != cursor.epoch:
        return PullFrom(cursor.seq)
    if page.prev_seq > cursor.seq:
        return PullFrom(cursor.seq)
    if page.to_seq > cursor.seq or not cursor.epoch:
        return Apply(moved(cursor, page))
    if not page.rows and page.head < cursor.seq:
        return PullFrom(cursor.seq)
    return Drop()


def moved(cursor: Cursor, page: Page) -> Cursor:
    """The cursor after a page was applied. A sweep is only complete when what is gone was removed."""
    head = max(page.head, page.to_seq, cursor.head if cursor.epoch == page.epoch else 0)
    done = page.to_seq >= head and not cursor.sweeping
    return replace(
        cursor, epoch=page.epoch, seq=page.to_seq, head=head, complete=cursor.complete or done
    )


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of some pages: scopes to pull, and rows left out."""

    pull: frozenset[str] = frozenset()
    trouble: tuple[Trouble, ...] = ()


def apply_pages(
    connection: sqlite3.Connection, pages: Sequence[Page], side: JournalSide
) -> Applied:
    """Decides and applies pages that came by themselves, in one transaction with their cursors."""
    pull: set[str] = set()
    trouble: list[Trouble] = []
    for page in pages:
        cursor = read_cursor(connection, page.scope)
        if cursor is None:
            continue
        match decide_page(cursor, page):
            case Apply(after):
                trouble += apply_page(connection, page, after, side)
                pull.discard(page.scope)
                if after.behind:
                    pull.add(page.scope)
            case PullFrom():
                _hear_head(connection, cursor, page)
                pull.add(page.scope)
            case Drop():
                pass
    side.settle(connection, seq_by_scope(connection))
    return Applied(frozenset(pull), tuple(trouble))


def apply_page(
    connection: sqlite3.Connection, page: Page, after: Cursor, side: JournalSide
) -> list[Trouble]:
    """Stores the rows of one page and moves the cursor; returns the rows left out (one bad row never stops
    the rest). The caller lets the journal settle."""
    trouble = apply_rows(connection, page, side)
    write_cursor(connection, after)
    return trouble


def apply_rows(connection: sqlite3.Connection, page: Page, side: JournalSide) -> list[Trouble]:
    """Stores rows of every kind; returns those left out."""
    by_kind: dict[str, list[RowStruct]] = {}
    for row in page.rows:
        by_kind.setdefault(row.kind, []).append(row)
    trouble: list[Trouble] = []
    for kind, rows in by_kind.items():
        match kind:
            case "customer":
                trouble += apply_customers(connection, page.scope, rows, side.fold, rule=page.rule)
            case "reference":
                trouble += _each(
                    page.scope, rows, lambda row: _apply_reference(connection, page.scope, row)
                )
            case "card":
                trouble += _each(
                    page.scope, rows, lambda row: _apply_card(connection, page.scope, row)
                )
            case "verdict":
                trouble += _each(
                    page.scope, rows, lambda row: _apply_verdict(connection, row, side)
                )
            case "progress":
                trouble += _each(
                    page.scope, rows, lambda row: _apply_progress(connection, row, side)
                )
            case _:
                trouble += [
                    Trouble(page.scope, row.key, f"kind: {kind} is not known") for row in rows
                ]
    mark_seen(connection, page.scope, page.rows)
    return trouble


def _hear_head(connection: sqlite3.Connection, cursor: Cursor, page: Page) -> None:
    """How far behind the till is shows before the pull has begun (SYNC-7)."""
    if page.epoch == cursor.epoch and page.head > cursor.head:
        write_cursor(connection, replace(cursor, head=page.head))


def _each(
    scope: str, rows: Sequence[RowStruct], apply: Callable[[RowStruct], None]
) -> list[Trouble]:
    trouble = []
    for row in rows:
        try:
            apply(row)
        except Broken as error:
            trouble.append(Trouble(scope, row.key, str(error)))
    return trouble


_reference: TypeAdapter[ReferenceRecord] = TypeAdapter(ReferenceRecord)


def _apply_reference(connection: sqlite3.Connection, scope: str, row: RowStruct) -> None:
    """Kinds of a newer ERP are kept unread; those known here must be readable, or settings could not be."""
    known = row.key.split("/", 1)[0] in REFERENCE_KINDS
    if known and row.state == "active":
        try:
            _reference.validate_json(text_of(row))
        except ValidationError as error:
            raise Broken(_first_of(error)) from None
    apply_keyed(connection, scope, [row])


def _apply_card(connection: sqlite3.Connection, scope: str, row: RowStruct) -> None:
    if not row.key.startswith("card/"):
        raise Broken("key: not a card's")
    if row.state == "active":
        _read(Card, row)
    apply_keyed(connection, scope, [row])


def _apply_verdict(connection: sqlite3.Connection, row: RowStruct, side: JournalSide) -> None:
    if row.state == "active":
        side.take_verdict(connection, row.key, _read(Verdict, row))


def _apply_progress(connection: sqlite3.Connection, row: RowStruct, side: JournalSide) -> None:
    if row.state not in ABSORBING:
        side.take_progress(connection, _read(Progress, row))


def _read(model: Any, row: RowStruct) -> Any:
    try:
        return model.model_validate_json(text_of(row))
    except ValidationError as error:
        raise Broken(_first_of(error)) from None


def _first_of(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"record: {'.'.join(map(str, first['loc']))}: {first['msg']}"


class FeedQueue:
    """What comes by itself: `handle` is what the ordered consumer of the till's feed queue calls.

    `scopes` are those the till follows; `pull` is told of which something is missing, `applied`
    is called when rows came. Pages of a scope it will follow `later` are let go: it is pulled whole then.
    """

    def __init__(
        self,
        store: Store,
        scopes: Collection[str],
        side: JournalSide,
        pull: Callable[[str], None],
        applied: Callable[[], None],
        later: Callable[[str], bool] = lambda scope: False,
    ) -> None:
        self._store = store
        self._scopes = scopes
        self._side = side
        self._pull = pull
        self._applied = applied
        self._later = later

    async def handle(self, deliveries: Sequence[Delivery]) -> list[Bad | None]:
        """Applies the pages of many messages, several per transaction; answers which can never be handled.

        Handling a message again changes nothing (I9). Raises StoreError when the store cannot write: the
        messages are then handled again.
        """
        outcome: list[Bad | None] = []
        waiting: list[Page] = []
        for delivery in deliveries:
            try:
                page, trouble = page_of(delivery)
            except MessageError as error:
                outcome.append(Bad(error.code, str(error)))
                continue
            outcome.append(self._refuse(page))
            if page.scope in self._scopes:
                report(trouble)
                waiting.append(page)
            if sum(len(one.rows) + 1 for one in waiting) >= ROWS_AT_ONCE:
                await self._apply(waiting)
                waiting = []
        await self._apply(waiting)
        return outcome

    def _refuse(self, page: Page) -> Bad | None:
        if page.scope in self._scopes or self._later(page.scope):
            return None
        return Bad("not_followed", f"scope: {page.scope} is not for this till")

    async def _apply(self, pages: list[Page]) -> None:
        if not pages:
            return
        applied = await self._store.write(apply_pages, pages, self._side, priority=Priority.FEED)
        report(applied.trouble)
        if any(page.rows for page in pages):
            self._applied()
        for scope in sorted(applied.pull):
            self._pull(scope)


def report(trouble: Sequence[Trouble]) -> None:
    """Rows left out are logged: key and reason, never their content."""
    for one in trouble:
        _log.warning(
            "row left out", action="row_left_out", scope=one.scope, key=one.key, reason=one.reason
        )
