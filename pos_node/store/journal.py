"""Rows of the journal, and the numbers that belong to it. Statements are in journal.sql."""

import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec

from contracts.journal import content_of
from pos_node.store.queries import load_sql

_SQL = load_sql("journal.sql")

Heads = dict[str, int]
_DIGITS = 6
"""Of the count an epoch's name begins with."""

_read_heads = msgspec.json.Decoder(Heads).decode


@dataclass(frozen=True, slots=True)
class Entry:
    """One numbered change; `body` is the envelope exactly as it is sent."""

    epoch: str
    seq: int
    id: UUID
    type: str
    customer_id: UUID
    body: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Applied:
    """An entry the ERP has applied, waiting for its outcome to have come down to `heads`."""

    epoch: str
    seq: int
    customer_id: UUID
    heads: Heads


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the till is, both ways, at one moment.

    `applied_seq` is the highest number of this epoch the ERP is known to have applied.
    """

    epoch: str = ""
    last_seq: int = 0
    applied_seq: int = 0
    waiting: int = 0
    oldest_waiting_at: datetime | None = None
    cursors: dict[str, int] = field(default_factory=dict)


def read_standing(connection: sqlite3.Connection) -> Standing:
    """The numbers of the journal and the feed's cursors."""
    epoch = read_epoch(connection) or ""
    last_seq, applied_seq = _read_number(connection, "journal_seq"), read_applied_seq(connection)
    oldest = connection.execute(_SQL["first_after"], (epoch, applied_seq)).fetchone()
    return Standing(
        epoch=epoch,
        last_seq=last_seq,
        applied_seq=applied_seq,
        waiting=max(0, last_seq - applied_seq),  # a file put back knows less than the ERP
        oldest_waiting_at=datetime.fromisoformat(oldest[1]) if oldest else None,
        cursors=read_cursors(connection),
    )


def read_cursors(connection: sqlite3.Connection) -> dict[str, int]:
    """How far each scope of the feed is applied."""
    return dict(connection.execute("SELECT scope, seq FROM feed_cursor"))


def read_epoch(connection: sqlite3.Connection) -> str | None:
    """The journal's epoch as the database knows it; None in a new database."""
    row = connection.execute(_SQL["read_meta"], ("journal_epoch",)).fetchone()
    return None if row is None else str(row[0])


def next_epoch(connection: sqlite3.Connection, random: str) -> str:
    """The name of a new epoch: greater than that of every other in this database, and nobody else's."""
    (last,) = connection.execute(_SQL["last_epoch"]).fetchone()
    known = [one.partition("-")[0] for one in (read_epoch(connection), last) if one]
    count = max((int(one) for one in known if len(one) == _DIGITS and one.isdecimal()), default=0)
    return f"{count + 1:0{_DIGITS}}-{random}"


def begin_epoch(connection: sqlite3.Connection, epoch: str) -> None:
    """Numbers begin anew at 1, and are nobody else's."""
    lift_limit(connection)
    connection.execute(_SQL["forget_renumbered"], (read_epoch(connection) or "",))
    for name, value in (("journal_epoch", epoch), ("journal_seq", "0"), ("journal_applied", "0")):
        connection.execute(_SQL["write_meta"], (name, value))


def take_number(connection: sqlite3.Connection) -> int:
    """The next number of the epoch: without a gap, and never again even when entries are deleted."""
    seq = _read_number(connection, "journal_seq") + 1
    connection.execute(_SQL["write_meta"], ("journal_seq", str(seq)))
    return seq


def read_applied_seq(connection: sqlite3.Connection) -> int:
    return _read_number(connection, "journal_applied")


def write_applied_seq(connection: sqlite3.Connection, seq: int) -> None:
    connection.execute(_SQL["write_meta"], ("journal_applied", str(seq)))


def append(connection: sqlite3.Connection, entry: Entry) -> None:
    connection.execute(
        _SQL["append"],
        (
            entry.epoch,
            entry.seq,
            str(entry.id),
            entry.type,
            entry.customer_id.bytes,
            entry.body,
            entry.at.isoformat(),
        ),
    )


def read_waiting(
    connection: sqlite3.Connection, epoch: str, after: int, limit: int
) -> tuple[Entry, ...]:
    """Entries the ERP is not known to have applied, in order, after a number."""
    place = max(after, read_applied_seq(connection))
    return tuple(_entry(row) for row in connection.execute(_SQL["after"], (epoch, place, limit)))


def read_first_waiting(connection: sqlite3.Connection, epoch: str) -> int | None:
    """The lowest number the ERP is not known to have applied."""
    place = read_applied_seq(connection)
    row = connection.execute(_SQL["first_after"], (epoch, place)).fetchone()
    return None if row is None else int(row[0])


def limit_progress(connection: sqlite3.Connection) -> None:
    """Of numbers given from now on it must be proven that they are nobody else's; an earlier limit stays."""
    if read_limit(connection) is None:
        last_seq = _read_number(connection, "journal_seq")
        connection.execute(_SQL["write_meta"], ("journal_sent_at_most", str(last_seq)))


def lift_limit(connection: sqlite3.Connection) -> None:
    """What the ERP says to have applied is of this file."""
    connection.execute("DELETE FROM meta WHERE name = 'journal_sent_at_most'")


def read_limit(connection: sqlite3.Connection) -> int | None:
    row = connection.execute(_SQL["read_meta"], ("journal_sent_at_most",)).fetchone()
    return None if row is None else int(row[0])


def is_ours(
    connection: sqlite3.Connection, epoch: str, seq: int, content: str | None
) -> bool | None:
    """Whether the entry the ERP applied under a number is the one this file has there; None: nobody can tell.

    A file put back to before gives numbers again that others have had (I1).
    """
    if seq > _read_number(connection, "journal_seq"):
        return False
    row = connection.execute(_SQL["body_of"], (epoch, seq)).fetchone()
    return None if row is None or content is None else content_of(row[0]) == content


def has_entries(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute(_SQL["any_entry"]).fetchone()[0])


def read_of_customer(
    connection: sqlite3.Connection, customer_id: UUID, noun: str = "customer"
) -> tuple[tuple[str, bytes], ...]:
    """Type and body of every entry of a conversation about a customer, in the order they were made."""
    epoch = read_epoch(connection) or ""
    return tuple(connection.execute(_SQL["of_customer"], (customer_id.bytes, noun, noun, epoch)))


def read_of_cards(connection: sqlite3.Connection) -> tuple[tuple[str, bytes], ...]:
    """Type and body of every entry about cards, in the order they were made."""
    return tuple(connection.execute(_SQL["of_cards"], (read_epoch(connection) or "",)))


def count_of_customer(connection: sqlite3.Connection, customer_id: UUID) -> int:
    row = connection.execute(_SQL["count_of_customer"], (customer_id.bytes,)).fetchone()
    return int(row[0])


def mark_applied(connection: sqlite3.Connection, epoch: str, seq: int, heads: Heads) -> None:
    """Notes where the outcome of all entries up to `seq` will have come down."""
    connection.execute(_SQL["mark_applied"], (msgspec.json.encode(heads).decode(), epoch, seq))


def read_applied(connection: sqlite3.Connection) -> tuple[Applied, ...]:
    """Entries the ERP has applied and whose outcome is not yet known to be here."""
    values = {"epoch": read_epoch(connection) or "", "applied": read_applied_seq(connection)}
    return tuple(
        Applied(epoch, seq, UUID(bytes=customer_id), _read_heads(heads))
        for epoch, seq, customer_id, heads in connection.execute(_SQL["applied"], values)
    )


def replace_heads(connection: sqlite3.Connection, entry: Applied, heads: Heads) -> None:
    connection.execute(
        _SQL["replace_heads"], (msgspec.json.encode(heads).decode(), entry.epoch, entry.seq)
    )


def delete(connection: sqlite3.Connection, entry: Applied) -> None:
    connection.execute(_SQL["delete"], (entry.epoch, entry.seq))


def read_unapplied(connection: sqlite3.Connection) -> tuple[Entry, ...]:
    """Entries of every epoch that are not known to be applied, in the order they were made."""
    epoch = read_epoch(connection) or ""
    return tuple(_entry(row) for row in connection.execute(_SQL["unapplied"], (epoch,)))


def find_entry(connection: sqlite3.Connection, epoch: str, seq: int) -> Entry | None:
    row = connection.execute(_SQL["entry"], (epoch, seq)).fetchone()
    return None if row is None else _entry(row)


def was_renumbered(connection: sqlite3.Connection, epoch: str, seq: int) -> bool:
    """Whether an entry had this number until it got another: known of the last two numberings."""
    return bool(connection.execute(_SQL["was_renumbered"], (epoch, seq)).fetchone()[0])


def renumber(connection: sqlite3.Connection, old: Entry, new: Entry) -> None:
    """The entry is not applied as far as anybody knows, whatever was said of its former number."""
    connection.execute(_SQL["note_renumbered"], (old.epoch, old.seq))
    connection.execute(_SQL["renumber"], (new.epoch, new.seq, new.body, old.epoch, old.seq))


def forget_applied_after(connection: sqlite3.Connection, epoch: str, seq: int) -> None:
    """The ERP has lost what it had applied after this number: these entries wait again."""
    connection.execute(_SQL["forget_applied_after"], (epoch, seq))


def _read_number(connection: sqlite3.Connection, name: str) -> int:
    row = connection.execute(_SQL["read_meta"], (name,)).fetchone()
    return 0 if row is None else int(row[0])


def _entry(row: tuple[str, int, str, str, bytes, bytes, str]) -> Entry:
    epoch, seq, id_, type_, customer_id, body, at = row
    return Entry(
        epoch,
        seq,
        UUID(id_),
        type_,
        UUID(bytes=customer_id),
        body,
        datetime.fromisoformat(at),
    )
