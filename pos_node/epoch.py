"""The journal's epoch: a name of a count and chance, kept beside the database, so that a restored backup is noticed.

The same name stands in the database. When the two differ, or the ERP knows more of the journal than
the till does, the database is older than it should be, and numbering begins anew.
"""

import asyncio
import os
import random
from pathlib import Path

import structlog

from contracts.presence import Welcome
from pos_node import journal
from pos_node.store import journal as rows
from pos_node.store.database import Priority, Store
from pos_node.store.errors import on_disk
from pos_node.store.journal import Standing
from pos_node.store.replacement import flush

_log = structlog.get_logger("journal")


def is_restored(welcome: Welcome, asked: Standing, last_seq: int) -> bool:
    """Whether one end comes from a backup.

    `last_seq`: numbers above it cannot have reached the ERP from here. The till is older than the
    ERP when the ERP has applied such a number; the ERP is older when it has forgotten what it was
    known to have applied (`asked`: how the till stood when it asked).
    """
    if welcome.epoch != asked.epoch:
        return False
    return welcome.applied_seq > last_seq or welcome.applied_seq < asked.applied_seq


async def open_epoch(store: Store, file: Path, rng: random.Random) -> Standing:
    """Makes sure that the journal has an epoch of its own; to be called before anything is journalled.

    Returns how the till stands at its start. Raises StoreError, of the file beside as well.
    """
    beside = await asyncio.to_thread(read_file, file)
    inside = await store.read(rows.read_epoch)
    if beside is None or beside != inside:
        await begin_epoch(store, file, rng)
    return await store.read(rows.read_standing)


async def begin_epoch(
    store: Store, file: Path, rng: random.Random, applied: int | None = None
) -> str:
    """Numbers the journal anew under a new epoch, which it returns; `applied` as `journal.renumber` takes it.

    Killed between the two steps, the till finds them different at its next start and begins again. Raises
    StoreError; the epoch may then be in the database and not beside it: see `keep_epoch`.
    """
    own = f"{rng.getrandbits(64):016x}"
    epoch, entries = await store.write(journal.renumber, own, applied, priority=Priority.JOURNAL)
    await keep_epoch(file, epoch)
    _log.info("numbering begins anew", action="journal_epoch", epoch=epoch, entries=entries)
    return epoch


async def keep_epoch(file: Path, epoch: str) -> None:
    """Writes down beside the database which epoch is in it. Raises StoreError."""
    await asyncio.to_thread(write_file, file, epoch)


def read_file(file: Path) -> str | None:
    """The epoch beside the database; None when there is none. Raises StoreError."""
    try:
        return file.read_text("ascii").strip() or None
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    except OSError as error:
        raise on_disk(error, file) from error


def write_file(file: Path, epoch: str) -> None:
    """Puts the epoch on the disk, whole or not at all. Raises StoreError."""
    try:
        fresh = file.with_suffix(".new")
        with fresh.open("w", encoding="ascii") as out:
            out.write(epoch)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(file)
        flush(file.parent)
    except OSError as error:
        raise on_disk(error, file) from error
