"""Bugs on the way up: journal, relay, progress, verdicts."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from erp_node import changeset, entries
from erp_node import journal as intake
from erp_node.store import journal as erp_rows
from pos_node import app as pos_app
from pos_node import customers, relay
from pos_node import epoch as epochs
from pos_node import journal as till_journal
from pos_node.store import journal as till_rows
from pos_node.store.database import Priority
from simulation.mutants.mutant import Mutant, Swap


def _progress_apart(before: Any) -> Any:
    async def store(connection: Any, some: Sequence[Any], tills: Any) -> Any:
        progress = await erp_rows.lock_progress(connection, (one.journal for one in some))
        ordered = entries.put_in_order(some, progress)
        if ordered.progress:
            await erp_rows.write_progress(connection, ordered.progress)
        await connection.execute("COMMIT")
        await connection.execute("BEGIN")
        changed = await changeset.load_changeset(connection, ordered.due, tills)
        await intake._decide_and_write(connection, changed, ordered.due)
        return intake.Applied(await intake._to_park(connection, ordered, changed), ordered.missing)

    return store


def _gaps_taken(before: Any) -> Any:
    def put_in_order(some: Sequence[Any], progress: Mapping[Any, Any]) -> Any:
        lowest: dict[Any, int] = {}
        for one in sorted(some, key=lambda entry: entry.seq):
            lowest.setdefault(one.journal, one.seq)
        jumped = {
            journal: replace(
                progress.get(journal, entries.Progress()),
                seq=max(progress.get(journal, entries.Progress()).seq, first - 1),
            )
            for journal, first in lowest.items()
        }
        return before(some, {**progress, **jumped})

    return put_in_order


def _repeats_taken(before: Any) -> Any:
    def put_in_order(some: Sequence[Any], progress: Mapping[Any, Any]) -> Any:
        ordered = before(some, progress)
        return replace(ordered, due=(*ordered.repeated, *ordered.due), repeated=())

    return put_in_order


def _anybody(before: Any) -> Any:
    def read_entry(index: int, delivery: Any) -> Any:
        from contracts import envelope

        try:
            origin = envelope.split(delivery.body)[0].origin
        except Exception:
            return before(index, delivery)
        return before(index, replace(delivery, user_id=origin))

    return read_entry


def _dropped_when_confirmed(before: Any) -> Any:
    def forget(connection: sqlite3.Connection, some: Sequence[Any]) -> None:
        for one in some:
            connection.execute(
                "DELETE FROM journal WHERE epoch = ? AND seq = ?", (one.epoch, one.seq)
            )

    async def send(self: Any, some: Sequence[Any]) -> None:
        place = self._place
        await before(self, some)
        if self._place > place:
            await self._store.write(forget, some, priority=Priority.JOURNAL)

    return send


def _never_restored(before: Any) -> Any:
    return lambda *arguments: False


def _nobody_can_tell(before: Any) -> Any:
    return lambda *arguments: None


def _always_ours(before: Any) -> Any:
    return lambda *arguments: True


async def _keep_inside(store: Any, file: Any, rng: Any) -> Any:
    """The epoch beside the database is not looked at."""
    if await store.read(till_rows.read_epoch) is None:
        await epochs.begin_epoch(store, file, rng)
    return await store.read(till_rows.read_standing)


def _nothing_async(before: Any) -> Any:
    async def nothing(*arguments: Any, **named: Any) -> None:
        return None

    return nothing


def _nothing(before: Any) -> Any:
    return lambda *arguments, **named: None


def _waiting_forgotten(before: Any) -> Any:
    def renumber(connection: sqlite3.Connection, *arguments: Any) -> tuple[str, int]:
        connection.execute("DELETE FROM journal")
        done: tuple[str, int] = before(connection, *arguments)
        return done

    return renumber


def _place_kept(before: Any) -> Any:
    def changed(self: Any, state: Any) -> None:
        self._woken.set()

    return changed


def _committed_apart(before: Any) -> Any:
    """What is shown commits; the entry is written a moment later, if the till lives so long."""

    def record(connection: sqlite3.Connection, change: Any, stamp: Any) -> Any:
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        return before(connection, change, stamp)

    return record


def _patient(before: Any) -> Any:
    def send_again(self: Any, unanswered: Any, now: float) -> None:
        self._unanswered = replace(unanswered, since=now)

    return send_again


MUTANTS = (
    Mutant("progress_not_in_the_transaction", "the ERP commits how far it is before what it applied",
           (Swap(intake, "_store", _progress_apart),)),
    Mutant("gap_in_the_journal_taken", "the ERP applies what comes after a missing number",
           (Swap(intake, "put_in_order", _gaps_taken),)),
    Mutant("repeated_entry_applied", "the ERP applies an entry that comes again",
           (Swap(intake, "put_in_order", _repeats_taken),)),
    Mutant("sender_not_compared", "the ERP believes the origin in the message",
           (Swap(intake, "read_entry", _anybody),)),
    Mutant("entry_dropped_after_confirm", "the till lets an entry go when the broker has it",
           (Swap(relay.Relay, "_send", _dropped_when_confirmed),)),
    Mutant("restored_till_not_noticed", "a till from a backup goes on with numbers it has used",
           (Swap(relay, "is_restored", _never_restored), Swap(pos_app, "open_epoch", lambda _: _keep_inside),
            Swap(till_rows, "is_ours", _nobody_can_tell))),
    Mutant("content_not_compared", "what the ERP applied under a number is taken for this till's, whatever it was",
           (Swap(till_rows, "is_ours", _always_ours), Swap(till_journal, "_number_again", _never_restored))),
    Mutant("renumbering_forgets", "a new epoch begins without the entries that wait",
           (Swap(till_journal, "renumber", _waiting_forgotten),)),
    Mutant("verdict_not_written", "the ERP refuses without a word",
           (Swap(changeset, "add_verdicts", _nothing_async),)),
    Mutant("verdict_not_shown", "the till hears why and tells nobody", (Swap(till_journal, "add_notice", _nothing),)),
    Mutant("waits_for_ever", "what was confirmed is never sent again, and a lost link means nothing",
           (Swap(relay.Relay, "_link_changed", _place_kept), Swap(relay.Relay, "_send_again", _patient),
            Swap(relay.Relay, "resend", _nothing))),
    Mutant("entry_not_in_the_transaction", "the till commits a change before its journal entry",
           (Swap(till_journal, "record_change", _committed_apart),
            Swap(customers, "record_change", _committed_apart))),
)  # fmt: skip
