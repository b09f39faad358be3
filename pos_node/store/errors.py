"""What may go wrong with the till's file, in words an operator can act on."""

import errno
import sqlite3
from pathlib import Path


class StoreError(Exception):
    """The till's database cannot be used."""

    def __init__(self, path: Path, reason: str = "") -> None:
        self.path = path
        self.reason = reason
        summary = (type(self).__doc__ or "").strip().splitlines()[0].rstrip(".")
        self.words = f"{summary}{f' ({reason})' if reason else ''}"
        super().__init__(f"{path}: {self.words}")


class DiskFull(StoreError):
    """The disk is full: nothing was changed; free some space and try again."""


class Damaged(StoreError):
    """The file is damaged; what it mirrors comes again from the ERP once it is rebuilt."""


class LockedElsewhere(StoreError):
    """Another till is running on this file."""


class TooNew(StoreError):
    """The file was made by a newer version of the till."""


class Unwritable(StoreError):
    """The file cannot be read or written."""


class Closed(StoreError):
    """The database is closed."""


def on_disk(error: OSError, path: Path) -> StoreError:
    """The StoreError behind an error of the system with a file."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return DiskFull(path) if full else Unwritable(path, error.strerror or str(error))


def translated(error: sqlite3.Error, path: Path) -> StoreError | None:
    """The StoreError behind an error of SQLite; None when it is the caller's: a constraint, wrong SQL."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return DiskFull(path)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Damaged(path, str(error))
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LockedElsewhere(path, str(error))
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN:
            return Unwritable(path, str(error))
    return None
