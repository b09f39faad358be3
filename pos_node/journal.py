"""The till's own changes: written with the change itself, kept until their outcome has come down.

`record_change` numbers a change inside the cashier's transaction. What the till shows meanwhile is
`fold`: the ERP's record with those changes made to it. `take_progress` and `settle` let them go.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from contracts import changes, envelope
from contracts.cards import CardChange
from contracts.customers import Customer
from contracts.envelope import Headers
from contracts.journal import (
    NUMBER_USED,
    CustomerAdded,
    CustomerEdited,
    Progress,
    Verdict,
    content_of,
)
from contracts.registry import MESSAGES, TYPE_OF
from contracts.topology import user_of
from pos_node.refusal import Refusal
from pos_node.store import customers
from pos_node.store import journal as rows
from pos_node.store.journal import Entry
from pos_node.store.notices import add_notice

CustomerChange = CustomerAdded | CustomerEdited
LocalChange = CustomerChange | CardChange


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an entry is told from outside: who sends it, its id, the time at the till."""

    pos_id: str
    entry_id: UUID
    at: datetime


def overlay(record: Customer | None, local: Sequence[CustomerChange]) -> Customer | None:
    """The record with local changes made to it: what the till shows until their outcome is here.

    A change that no longer fits the record is left out: the ERP will say what became of it. None
    when there is nothing to show but the record itself.
    """
    shown = record
    for one in local:
        match one:
            case CustomerAdded():
                shown = one.record if record is None else shown
            case CustomerEdited() if shown is not None:
                shown = _with_changes(shown, one.changes)
            case _:
                continue
    return shown if local else None


def reached(heads: Mapping[str, int], cursors: Mapping[str, int]) -> bool:
    """Whether the feeds this till follows have come as far as `heads`."""
    return all(cursors[scope] >= head for scope, head in heads.items() if scope in cursors)


def numbered_anew(old: Mapping[str, int], new: Mapping[str, int]) -> bool:
    """Whether a feed begun again at lower numbers: heads of before would never be reached."""
    return any(scope in new and new[scope] < head for scope, head in old.items())


def record_change(connection: sqlite3.Connection, change: LocalChange, stamp: Stamp) -> Entry:
    """Numbers a change and writes it down, in the transaction that makes it (I1).

    Raises Refusal `customer.too_large` when the change could not travel in one message.
    """
    epoch = rows.read_epoch(connection)
    if epoch is None:
        raise RuntimeError("the journal has no epoch: open_epoch comes first")
    seq = rows.take_number(connection)
    entry = _entry(change, stamp, epoch, seq)
    if len(entry.body) > envelope.MAX_BYTES:
        params = {"size": str(len(entry.body)), "limit": str(envelope.MAX_BYTES)}
        raise Refusal("customer.too_large", params)
    rows.append(connection, entry)
    return entry


def fold(connection: sqlite3.Connection, customer_id: UUID, record_json: str | None) -> str | None:
    """What to show instead of a customer's record; None: the record itself.

    The feed calls it with a new record of an active customer, `settle` with the one that is there.
    """
    shown = _fold(connection, customer_id, record_json)
    return envelope.dump(shown).decode() if shown else None


def take_progress(connection: sqlite3.Connection, progress: Progress) -> None:
    """The ERP has applied the journal up to a number; the outcome is here once the heads are reached.

    The feed calls it with a progress row and `settle` afterwards, in the page's transaction.
    """
    applied = progress.applied_seq
    if progress.epoch == rows.read_epoch(connection):
        known = rows.read_applied_seq(connection)
        applied = min(applied, _surely_ours(connection, progress))
        rows.write_applied_seq(connection, max(known, applied))
    rows.mark_applied(connection, progress.epoch, applied, progress.heads)
    for entry in rows.read_applied(connection):
        if numbered_anew(entry.heads, progress.heads):
            rows.replace_heads(connection, entry, progress.heads)


def _surely_ours(connection: sqlite3.Connection, progress: Progress) -> int:
    """Up to which number this file's entries are those the ERP speaks of, in the present epoch (I1).

    A file put back to before gives numbers again: those applied may be others. Once an entry made since is
    seen to be the one that was applied, all of them are.
    """
    limit = rows.read_limit(connection)
    ours = rows.is_ours(connection, progress.epoch, progress.applied_seq, progress.content)
    if ours and limit is not None and progress.applied_seq > limit:
        rows.lift_limit(connection)
    if ours or (ours is None and limit is None):
        return progress.applied_seq
    return rows.read_applied_seq(connection) if limit is None else limit


def settle(connection: sqlite3.Connection, cursors: Mapping[str, int]) -> None:
    """Deletes the entries whose outcome is here, and shows their customers anew.

    The feed calls it when cursors have moved, in the page's transaction; `cursors` are seq by scope.
    """
    if not rows.has_entries(connection):
        return
    done = [one for one in rows.read_applied(connection) if reached(one.heads, cursors)]
    for entry in done:
        rows.delete(connection, entry)
    for customer_id in dict.fromkeys(one.customer_id for one in done):
        _show_anew(connection, customer_id)


def take_verdict(connection: sqlite3.Connection, key: str, verdict: Verdict, at: datetime) -> None:
    """Makes a notice of what the ERP answered, once per key.

    But for a number that was used before by something else: the change gets another one, and is not lost (I1).
    """
    if verdict.params.get("reason") == NUMBER_USED and _number_again(connection, verdict):
        return
    add_notice(connection, key, verdict, at)


def _number_again(connection: sqlite3.Connection, verdict: Verdict) -> bool:
    """Whether the change of this number has another one now. Where the ERP applied the one that is here, it was
    somebody else's under the same number."""
    if rows.was_renumbered(connection, verdict.epoch, verdict.seq):
        return True
    epoch = rows.read_epoch(connection)
    if epoch is None:
        return False
    if verdict.epoch != epoch:  # what waited then got a number of the present epoch
        return True
    entry = rows.find_entry(connection, verdict.epoch, verdict.seq)
    if entry is None:
        return False
    if verdict.content not in (None, content_of(entry.body)):
        return False
    _give_number(connection, entry, epoch)
    return True


def renumber(
    connection: sqlite3.Connection, random: str, applied: int | None = None
) -> tuple[str, int]:
    """Begins a new epoch: entries not known to be applied get new numbers in it, in their order.

    For a database that comes from a backup: a number used twice can then never be taken for a
    repetition. `random`: what makes the epoch's name nobody else's. `applied`: of the epoch that
    ends, the ERP has no more than this; what it had beyond is sent again. Returns the epoch, and
    how many entries wait.
    """
    if applied is not None:
        rows.forget_applied_after(connection, rows.read_epoch(connection) or "", applied)
    waiting = rows.read_unapplied(connection)
    epoch = rows.next_epoch(connection, random)
    rows.begin_epoch(connection, epoch)
    for old in waiting:
        _give_number(connection, old, epoch)
    return epoch, len(waiting)


def _give_number(connection: sqlite3.Connection, old: Entry, epoch: str) -> None:
    """The entry gets the next number."""
    seq = rows.take_number(connection)
    body = _renumbered(old.body, epoch, seq)
    rows.renumber(connection, old, replace(old, epoch=epoch, seq=seq, body=body))


def _fold(
    connection: sqlite3.Connection, customer_id: UUID, record_json: str | None
) -> Customer | None:
    entries = rows.read_of_customer(connection, customer_id)
    if not entries:
        return None
    return overlay(_read_record(record_json), [_read(type_, body) for type_, body in entries])


def _read_record(record_json: str | None) -> Customer | None:
    """A record this version cannot read is shown as it is: it must not stop the feed."""
    try:
        return Customer.model_validate_json(record_json) if record_json else None
    except ValidationError:
        return None


def _with_changes(customer: Customer, made: Iterable[changes.Change]) -> Customer:
    for change in made:
        try:
            customer = changes.apply(customer, [change])
        except (changes.WrongPath, ValidationError):
            continue
    return customer


def _entry(change: LocalChange, stamp: Stamp, epoch: str, seq: int) -> Entry:
    kind = TYPE_OF[type(change)]
    headers = Headers(
        id=stamp.entry_id,
        type=kind.name,
        version=kind.version,
        occurred_at=stamp.at,
        origin=user_of(stamp.pos_id),
        epoch=epoch,
        seq=seq,
        key=str(change.customer_id),
    )
    body = envelope.encode(headers, change)
    return Entry(epoch, seq, stamp.entry_id, kind.name, change.customer_id, body, stamp.at)


def _read(type_: str, body: bytes) -> CustomerChange:
    _, raw = envelope.split(body)
    change = envelope.read_data(MESSAGES[type_].model, raw)
    assert isinstance(change, CustomerAdded | CustomerEdited)
    return change


def _renumbered(body: bytes, epoch: str, seq: int) -> bytes:
    headers, raw = envelope.split(body)
    return envelope.encode(headers.model_copy(update={"epoch": epoch, "seq": seq}), raw)


def _show_anew(connection: sqlite3.Connection, customer_id: UUID) -> None:
    stored = customers.find_customer(connection, customer_id)
    if stored is None:
        return
    active = stored.state == "active"
    shown = _fold(connection, customer_id, stored.record) if active else None
    customers.show_customer(connection, customer_id, shown)
