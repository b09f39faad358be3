"""Rows of a till's journal: progress and verdicts, many at a time."""

from collections.abc import Iterable, Mapping, Sequence

from contracts.envelope import dump
from contracts.journal import Verdict
from erp_node.entries import Entry, Progress
from erp_node.store.pool import Database
from erp_node.store.queries import load_sql

SQL = load_sql("journal.sql")

Journal = tuple[str, str]


async def lock_progress(database: Database, journals: Iterable[Journal]) -> dict[Journal, Progress]:
    """How far these journals are applied, locked until the end of the transaction."""
    asked = sorted(set(journals))
    rows = await database.fetch(
        SQL["lock_progress"], [pos_id for pos_id, _ in asked], [epoch for _, epoch in asked]
    )
    return {
        (row["pos_id"], row["epoch"]): Progress(row["applied_seq"], row["last_hash"] or "")
        for row in rows
    }


async def write_progress(database: Database, progress: Mapping[Journal, Progress]) -> None:
    """Moves journals on; never back."""
    await database.execute(
        SQL["write_progress"],
        [pos_id for pos_id, _ in progress],
        [epoch for _, epoch in progress],
        [one.seq for one in progress.values()],
        [one.contents for one in progress.values()],
    )


async def add_verdicts(database: Database, verdicts: Sequence[tuple[str, Verdict]]) -> None:
    """What the ERP answers to entries of tills; an entry has one answer for ever."""
    await database.execute(
        SQL["add_verdicts"],
        [pos_id for pos_id, _ in verdicts],
        [verdict.epoch for _, verdict in verdicts],
        [verdict.seq for _, verdict in verdicts],
        [dump(verdict).decode() for _, verdict in verdicts],
    )


async def parked_entries(database: Database, entries: Sequence[Entry]) -> dict[int, str]:
    """Those of the entries that were parked when they were first handled: index and reason."""
    rows = await database.fetch(
        SQL["parked_entries"],
        [entry.pos_id for entry in entries],
        [entry.epoch for entry in entries],
        [entry.seq for entry in entries],
    )
    reasons = {(row["pos_id"], row["epoch"], row["seq"]): row["reason"] for row in rows}
    return {
        entry.index: reasons[entry.pos_id, entry.epoch, entry.seq]
        for entry in entries
        if (entry.pos_id, entry.epoch, entry.seq) in reasons
    }


async def forget_verdicts(database: Database, days: int, limit: int) -> int:
    """Forgets verdicts older than so many days, and their places in the feeds; how many those were."""
    forgotten: int = await database.fetchval(SQL["forget_verdicts"], days, limit)
    return forgotten
