"""Bugs on the way down: numbering, pages, cursors, versions, searching, and what keeps it all going."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from erp_node import beat, declarations
from erp_node import search as erp_search
from erp_node.store import feed as erp_feed
from messaging import connection as links
from pos_node import feed, pulling, search, sweep
from pos_node import journal as till_journal
from pos_node.retrieval import Retrieval
from pos_node.store import arrivals
from pos_node.store.cursors import read_cursor, seq_by_scope, write_cursor
from pos_node.store.database import Priority
from pos_node.store.fates import Fate
from simulation.mutants.mutant import Mutant, Swap, sql_without


def _cursor_first(before: Any) -> Any:
    def move(connection: sqlite3.Connection, pages: Sequence[Any]) -> list[Any]:
        moved = []
        for page in pages:
            cursor = read_cursor(connection, page.scope)
            if cursor is None or not isinstance(
                found := feed.decide_page(cursor, page), feed.Apply
            ):
                continue
            write_cursor(connection, found.cursor)
            moved.append(page)
        return moved

    def fill(connection: sqlite3.Connection, pages: Sequence[Any], side: Any) -> None:
        for page in pages:
            feed.apply_rows(connection, page, side)
        side.settle(connection, seq_by_scope(connection))

    async def apply(self: Any, pages: list[Any]) -> None:
        due = await self._store.write(move, pages, priority=Priority.FEED)
        await self._store.write(fill, due, self._side, priority=Priority.FEED)
        await before(self, [page for page in pages if page not in due])

    return apply


def _gaps_taken(before: Any) -> Any:
    def decide(cursor: Any, page: Any) -> Any:
        if page.epoch == cursor.epoch and page.prev_seq > cursor.seq:
            return feed.Apply(feed.moved(cursor, page))
        return before(cursor, page)

    return decide


def _any_epoch(before: Any) -> Any:
    def decide(cursor: Any, page: Any) -> Any:
        return before(replace(cursor, epoch=page.epoch) if cursor.epoch else cursor, page)

    return decide


def _pulled_of_any_epoch(before: Any) -> Any:
    def apply(connection: sqlite3.Connection, page: Any, side: Any) -> Any:
        cursor = read_cursor(connection, page.scope)
        if cursor is not None and cursor.epoch:
            write_cursor(connection, replace(cursor, epoch=page.epoch))
        return before(connection, page, side)

    return apply


def _any_version(before: Any) -> Any:
    def fate(held: Any, scope: str, version: int, state: str, *, met: bool = True) -> Any:
        return before(
            held and replace(held, version=min(held.version, version)),
            scope,
            version,
            state,
            met=met,
        )

    return fate


def _nothing_absorbs(before: Any) -> Any:
    def fate(held: Any, scope: str, version: int, state: str, *, met: bool = True) -> Any:
        if held is not None and held.state in ("deleted", "anonymised"):
            return Fate.TAKE
        return before(held, scope, version, state, met=met)

    return fate


def _withdrawn_left(before: Any) -> Any:
    def fate(held: Any, scope: str, version: int, state: str, *, met: bool = True) -> Any:
        if state == "withdrawn" and held is not None and held.state == "active":
            return Fate.LEAVE
        return before(held, scope, version, state, met=met)

    return fate


_LAST: dict[str, int] = {}


def _by_number(before: Any) -> Any:
    """As `WHERE id > last` would: what commits later with a lower number is never seen."""

    async def number(connection: Any, limit: int, record_bytes: int) -> Any:
        ids = [row["id"] for row in await connection.fetch("SELECT id FROM feed_mark ORDER BY id")]
        last = _LAST.get("id", 0)
        if ids and max(ids) < last:  # a database begun anew
            last = 0
        skipped = [one for one in ids if one <= last]
        if skipped:
            await connection.execute("DELETE FROM feed_mark WHERE id = ANY ($1::bigint[])", skipped)
        _LAST["id"] = max([last, *ids])
        return await before(connection, limit, record_bytes)

    return number


def _from_reserved(before: Any) -> Any:
    """The first row gets the number that was reserved for it, which is the head by now."""
    unlocked = sql_without(before, "begin_pass", "pg_advisory_xact_lock(7305002)", "1")
    for found in ("coalesce(head, 0) AS before", "coalesce(head, 0) + row_number()"):
        unlocked = sql_without(unlocked, "number_marks", found, found.replace("head,", "head - 1,"))
    return unlocked


def _reserved_first(before: Any) -> Any:
    """What two that number without a common lock have to do: each takes numbers at once, and fills them when it can."""

    async def number(connection: Any, limit: int, record_bytes: int) -> Any:
        await connection.execute("COMMIT")
        await connection.execute(
            "INSERT INTO feed_scope (scope, head) SELECT DISTINCT scope, 1 FROM feed_mark"
            " ON CONFLICT (scope) DO UPDATE SET head = feed_scope.head + 1"
        )
        await connection.execute("BEGIN")
        return await before(connection, limit, record_bytes)

    return number


def _no_heads(before: Any) -> Any:
    return lambda heads, turn, turns: {}


def _late_counts(before: Any) -> Any:
    def end(self: Any, outcome: Any) -> None:
        self.outcome = outcome

    return end


def _not_stopped(before: Any) -> Any:
    return lambda one: one.end(search.CANCELLED)


def _found_is_stored(before: Any) -> Any:
    async def ask(self: Any, one: Any, deadline: float) -> None:
        await before(self, one, deadline)
        retrieval: Retrieval = self._retrieval
        for row in one.outcome.rows:
            if row.usable:
                await retrieval.retrieve(row.id, deadline)

    return ask


def _nothing_async(before: Any) -> Any:
    async def nothing(*arguments: Any, **named: Any) -> None:
        return None

    return nothing


def _last_row_lost(before: Any) -> Any:
    def apply(
        connection: Any, scope: str, rows: Sequence[Any], *arguments: Any, **named: Any
    ) -> Any:
        kept = rows[:-1] if len(rows) > 3 else rows
        return before(connection, scope, kept, *arguments, **named)

    return apply


def _settles_nothing(before: Any) -> Any:
    def settle(connection: sqlite3.Connection, cursors: Mapping[str, int]) -> None:
        return None

    return settle


def _attached_once(before: Any) -> Any:
    async def keep(self: Any, role: Any, connection: Any) -> None:
        reason = await self._attach_once(role, connection)
        role.detach(reason)
        self._tell_roles(role, attached=False, reason=reason.reason)

    return keep


def _shown_stays(before: Any) -> Any:
    """Entries go, and what they showed stays shown."""
    return lambda connection, customer_id: None


MUTANTS = (
    Mutant("cursor_before_rows", "the till commits its cursor before the rows",
           (Swap(feed.FeedQueue, "_apply", _cursor_first),)),
    Mutant("gap_in_the_feed_not_noticed", "a page after a missing one is applied",
           (Swap(feed, "decide_page", _gaps_taken),)),
    Mutant("feed_epoch_ignored", "numbers of another epoch are taken for the same",
           (Swap(feed, "decide_page", _any_epoch), Swap(pulling, "apply_pulled", _pulled_of_any_epoch))),
    Mutant("version_may_go_down", "an older row replaces a newer one",
           (Swap(arrivals, "fate_of", _any_version),)),
    Mutant("tombstone_does_not_absorb", "what was deleted comes back",
           (Swap(arrivals, "fate_of", _nothing_absorbs),)),
    Mutant("older_erp_not_believed", "a till keeps what an ERP put back to before has no longer",
           (Swap(sweep.Sweep, "_look_back", _nothing_async),)),
    Mutant("withdrawn_ignored", "what is no longer for the centre stays",
           (Swap(arrivals, "fate_of", _withdrawn_left),)),
    Mutant("sequencer_by_number", "marks committed late under a lower number are skipped",
           (Swap(erp_feed, "number_marks", _by_number),)),
    Mutant("two_sequencers", "two ERP processes number at the same time",
           (Swap(erp_feed, "SQL", _from_reserved), Swap(erp_feed, "number_marks", _reserved_first))),
    Mutant("heads_not_told", "nobody says how far the feeds are",
           (Swap(beat, "due_heads", _no_heads),)),
    Mutant("reply_after_cancel_stored", "a late answer ends a search that was cancelled",
           (Swap(search._Search, "end", _late_counts), Swap(search, "_stop", _not_stopped))),
    Mutant("search_result_stored", "what a search finds is stored unasked",
           (Swap(search.Searches, "_ask", _found_is_stored),)),
    Mutant("holding_not_noted", "the ERP forgets what a local-only till fetched",
           (Swap(erp_search, "hold_customers", _nothing_async),)),
    Mutant("last_row_lost", "the last row of a page is left out",
           (Swap(feed, "apply_customers", _last_row_lost),)),
    Mutant("journal_never_settles", "entries whose outcome is here stay",
           (Swap(till_journal, "settle", _settles_nothing),)),
    Mutant("shown_stays", "a change that has its outcome is still shown",
           (Swap(till_journal, "_show_anew", _shown_stays),)),
    Mutant("role_attached_once", "a role whose channel is lost stays without one",
           (Swap(links.Link, "_keep", _attached_once),)),
    Mutant("queues_not_declared_again", "a queue that was deleted stays away",
           (Swap(declarations.Declarations, "_declare_missing", _nothing_async),)),
)  # fmt: skip
