"""A damaged file: noticed when it is opened, set aside, and begun anew with what only the till had."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from contracts.customers import Customer
from pos_node.store.arrivals import KEYED, Fold
from pos_node.store.connection import connect
from pos_node.store.customers import show_customer
from pos_node.store.errors import Damaged, on_disk
from pos_node.store.lock import FileLock
from pos_node.store.replacement import empty_log, flush
from pos_node.store.transactions import Priority, open_writer, unwrap

CHECK_S = 0.5
"""How long a start may take to look for damage; a larger file is only looked at in part."""

OWN_TABLES = ("meta", "journal", "renumbered", "notice", "login_failure", "list_view")
"""What the ERP does not have; it stands first in the file's schema."""

_STEPS_BETWEEN_LOOKS = 10_000
_ENDINGS = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Salvage:
    """`aside`: where the damaged file is now. `whole`: everything in OWN_TABLES could be read. `entries`: how many
    journal entries there are."""

    aside: Path
    whole: bool
    entries: int


def check_file(
    connection: sqlite3.Connection,
    path: Path,
    *,
    seconds: float = CHECK_S,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Looks for damage, first where it would hurt most, for so long at most. Raises Damaged, and
    sqlite3.OperationalError when the file cannot be read at all."""
    for table in OWN_TABLES:
        _raise_if_damaged(connection, f"PRAGMA quick_check({table})", path)
    until = monotonic() + seconds
    connection.set_progress_handler(lambda: int(monotonic() > until), _STEPS_BETWEEN_LOOKS)
    try:
        with suppress(sqlite3.OperationalError):  # the time is over
            _raise_if_damaged(connection, "PRAGMA quick_check(1)", path)
    finally:
        connection.set_progress_handler(None, 0)


def rebuild(path: Path, stamp: str, fold: Fold) -> Salvage:
    """Begins a new file in the place of a damaged one, which is set aside under a name ending in `stamp`.

    The journal, notices, views and sign-in failures go along as far as they can be read, and customers made here
    with them; the rest comes from the ERP again. The damaged file stays where it is until the new one is whole: what
    fails, or is killed, is done again. The file must not be open. Raises StoreError.
    """
    lock = FileLock(path)
    lock.take()
    try:
        whole, entries = _save_into(_beside(path, "rebuilding"), path, fold)
        _beside(path, "rebuilding").replace(_beside(path, "rebuilt"))
        flush(path.parent)
        return Salvage(_put_in_place(path, stamp), whole, entries)
    except OSError as error:
        raise on_disk(error, path) from error
    finally:
        lock.release()


def finish_rebuilding(path: Path, stamp: str) -> Path | None:
    """Puts a new file that is whole into its place, when the till was killed just before; where the damaged one is
    now, or None when there was nothing to do. Raises StoreError."""
    if not _beside(path, "rebuilt").exists():
        return None
    lock = FileLock(path)
    lock.take()
    try:
        return _put_in_place(path, stamp)
    except OSError as error:
        raise on_disk(error, path) from error
    finally:
        lock.release()


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}.{ending}")


def _save_into(fresh: Path, damaged: Path, fold: Fold) -> tuple[bool, int]:
    """Makes the new file, all of it on the disk: whether everything could be read, and how many entries there are."""
    for ending in _ENDINGS:
        fresh.with_name(fresh.name + ending).unlink(missing_ok=True)
    writer = open_writer(fresh)
    with closing(writer.connection):
        whole = unwrap(writer.run(lambda new: _salvage(damaged, new, fold), Priority.URGENT))
        (entries,) = writer.connection.execute("SELECT count(*) FROM journal").fetchone()
        empty_log(writer.connection, fresh)
    flush(fresh)
    return whole, entries


def _put_in_place(path: Path, stamp: str) -> Path:
    aside = _set_aside(path, stamp)
    _beside(path, "rebuilt").replace(path)
    flush(path.parent)
    return aside


def _raise_if_damaged(connection: sqlite3.Connection, pragma: str, path: Path) -> None:
    try:
        (found,) = connection.execute(pragma).fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise Damaged(path, str(error)) from error
    if found != "ok":
        raise Damaged(path, str(found).splitlines()[0])


def _set_aside(path: Path, stamp: str) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for ending in _ENDINGS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


def _salvage(damaged: Path, new: sqlite3.Connection, fold: Fold) -> bool:
    try:
        old = connect(damaged, "reader")
    except sqlite3.Error:
        return False
    with closing(old):
        copied = [_copy(old, new, table) for table in OWN_TABLES]
        for table in KEYED:
            _copy(old, new, table)
    new.execute("DELETE FROM meta WHERE name IN ('detail_gap', 'left_scopes')")
    if not all(copied):  # numbers may be missing: the journal is to be numbered anew
        new.execute("DELETE FROM meta WHERE name LIKE 'journal%'")
    for (id_,) in new.execute("SELECT DISTINCT customer_id FROM journal").fetchall():
        shown = fold(new, UUID(bytes=id_), None)
        if shown is not None:
            show_customer(new, UUID(bytes=id_), Customer.model_validate_json(shown))
    return all(copied)


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> bool:
    """Copies row by row, as far as it goes; whether that was to the end."""
    try:
        found = old.execute(f"SELECT * FROM {table}")
        marks = ", ".join("?" for _ in found.description)
        for row in found:
            new.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)
    except sqlite3.DatabaseError:
        return False
    return True
