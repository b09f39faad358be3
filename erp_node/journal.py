"""The way up: tills' journal entries, taken from a queue, applied many per transaction (I1, I9, I10, SYNC-3).

A batch is read (entries), put in order against the progress rows, decided entry by entry on locked
rows (verdicts) and written back in a handful of statements. The progress row is the inbox: what it
has passed is never applied again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from contracts.journal import NUMBER_USED, Resend
from contracts.topology import pos_of
from erp_node.callers import Callers, Till
from erp_node.changeset import Changeset, load_changeset, write_undone
from erp_node.entries import Entry, Ordered, by_number, put_in_order, read_entry
from erp_node.pressure import Pressure
from erp_node.store import journal as store
from erp_node.store.faults import is_transient
from erp_node.store.pool import Connection, Pool
from erp_node.store.transaction import transact
from messaging.channel import Delivery
from messaging.consumer import Bad, Transient
from messaging.failures import describe

log = structlog.get_logger()

AskAgain: TypeAlias = Callable[[str, Resend], Awaitable[None]]
"""Sends a till `journal.resend`; returns when that is confirmed. Raises MessagingError."""

ASK_AGAIN_S = 2.0
"""The same entries are asked for again after this long at the earliest."""

AT_ONCE = 128
"""So many entries are decided while those before are written."""

Tills: TypeAlias = Mapping[str, Till]


@dataclass(frozen=True)
class Intake:
    """What applying a till's journal needs. `monotonic`: seconds that only grow."""

    pool: Pool
    callers: Callers
    resend: AskAgain
    monotonic: Callable[[], float]
    pressure: Pressure
    asked: dict[str, tuple[Resend, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of entries: those to be parked, by index, and what tills must send again."""

    bad: Mapping[int, Bad]
    missing: Mapping[str, Resend]


async def apply_batch(intake: Intake, deliveries: Sequence[Delivery]) -> list[Bad | None]:
    """Handles a batch of journal entries: a messaging.consumer.Handle, bound to an intake.

    Answers None for what is applied, refused by a rule (the till gets a verdict) or was applied
    before. Bad, to be parked: sender not vouched for or not the origin (`forged`), not an active
    till (`sender`), unreadable (`malformed`, `oversized`, `too_new`, `unknown_type`, `wrong_type`),
    a number used again for something else (`sequence_reused`), not applicable even alone
    (`failed`). An unreadable entry whose number can be read is parked and its number used up, with
    a verdict. Raises Transient when the database cannot do it now; MessagingError when a till
    cannot be asked to send again: handling the batch again is right in both cases.
    """
    intake.pressure.note(len(deliveries))
    read = [read_entry(index, one) for index, one in enumerate(deliveries)]
    answers = [one if isinstance(one, Bad) else one.bad for one in read]
    entries = [one for one in read if isinstance(one, Entry)]
    if entries:
        try:
            tills = await intake.callers.find_all(intake.pool, {one.pos_id for one in entries})
            applied = await _apply(intake.pool, entries, tills)
        except Exception as error:
            if is_transient(error):
                raise Transient(describe(error)) from error
            raise
        for index, bad in applied.bad.items():
            answers[index] = answers[index] or bad
        await _ask_again(intake, applied.missing)
    _report(deliveries, read, answers)
    return answers


async def _apply(pool: Pool, entries: Sequence[Entry], tills: Tills) -> Applied:
    strangers = {
        one.index: Bad("sender", f"user_id: pos.{one.pos_id} is not an active till")
        for one in entries
        if one.pos_id not in tills
    }
    known = [one for one in entries if one.pos_id in tills]
    if not known:
        return Applied(strangers, {})
    try:
        applied = await _apply_together(pool, known, tills)
    except Exception as error:
        if is_transient(error):
            raise
        applied = await _apply_alone(pool, known, tills)
    return Applied({**strangers, **applied.bad}, applied.missing)


async def _apply_together(pool: Pool, entries: Sequence[Entry], tills: Tills) -> Applied:
    """One transaction; again when another one was in the way."""

    return await transact(pool, lambda connection: _store(connection, entries, tills))


async def _apply_alone(pool: Pool, entries: Sequence[Entry], tills: Tills) -> Applied:
    """Each entry in its own transaction; one that fails even so is parked, and its number used up."""
    bad: dict[int, Bad] = {}
    missing: dict[str, Resend] = {}
    for entry in by_number(entries):
        try:
            applied = await _apply_together(pool, [entry], tills)
        except Exception as error:
            if is_transient(error):
                raise
            failed = Bad("failed", f"cannot be applied: {describe(error)}")
            applied = await _apply_together(pool, [entry.unreadable(failed)], tills)
        bad |= applied.bad
        missing |= applied.missing
    return Applied(bad, missing)


async def _store(connection: Connection, entries: Sequence[Entry], tills: Tills) -> Applied:
    progress = await store.lock_progress(connection, (one.journal for one in entries))
    ordered = put_in_order(entries, progress)
    changeset = await load_changeset(connection, ordered.due, tills)
    for entry in ordered.reused:
        changeset.report_reused(entry)
    await _decide_and_write(connection, changeset, ordered.due)
    if ordered.progress:
        await store.write_progress(connection, ordered.progress)
    return Applied(await _to_park(connection, ordered, changeset), ordered.missing)


async def _decide_and_write(
    connection: Connection, changeset: Changeset, entries: Sequence[Entry]
) -> None:
    """Decides entry after entry; what is decided is written by PostgreSQL while the next are."""
    writing: asyncio.Task[None] | None = None
    try:
        for start in range(0, max(1, len(entries)), AT_ONCE):
            for entry in entries[start : start + AT_ONCE]:
                changeset.decide(entry)
            if writing is not None:
                await writing
            writing = asyncio.create_task(write_undone(connection, changeset.take()))
            await asyncio.sleep(0)  # it is sent
        if writing is not None:
            await writing
    finally:
        if writing is not None and not writing.done():
            writing.cancel()
            await asyncio.wait([writing])


async def _to_park(
    connection: Connection, ordered: Ordered, changeset: Changeset
) -> dict[int, Bad]:
    """What goes to the dead letters. An entry that came again may not have got there the first time."""
    bad = {
        one.index: Bad(NUMBER_USED, f"seq: {one.seq} was applied with other content")
        for one in ordered.reused
    }
    again = [one for one in ordered.repeated if one.redelivered]
    if again:
        parked = await store.parked_entries(connection, again)
        bad |= {index: Bad(reason, "parked before") for index, reason in parked.items()}
    return {**bad, **changeset.bad}


async def _ask_again(intake: Intake, missing: Mapping[str, Resend]) -> None:
    """Asks tills for what was lost on the way, but not for the same thing at every batch."""
    now = intake.monotonic()
    for pos_id, wanted in missing.items():
        before, at = intake.asked.get(pos_id, (None, 0.0))
        if wanted == before and now - at < ASK_AGAIN_S:
            continue
        await intake.resend(pos_id, wanted)
        intake.asked[pos_id] = (wanted, now)
        log.info("journal entries missing", action="journal.resend", pos=pos_id,
                 epoch=wanted.epoch, from_seq=wanted.from_seq)  # fmt: skip


def _report(
    deliveries: Sequence[Delivery], read: Sequence[Entry | Bad], answers: Sequence[Bad | None]
) -> None:
    """Of an entry whose number cannot be read the broker still vouches for the sender."""
    for delivery, one, bad in zip(deliveries, read, answers, strict=True):
        if bad is not None:
            sender = pos_of(delivery.user_id or "") or ""
            pos, epoch = one.journal if isinstance(one, Entry) else (sender, "")
            seq = one.seq if isinstance(one, Entry) else None
            log.warning("journal entry parked", action=f"journal.{bad.code}", pos=pos,
                        epoch=epoch, seq=seq)  # fmt: skip
