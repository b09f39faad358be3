"""Opening the till's file with the settings every connection has."""

import sqlite3
from pathlib import Path
from typing import Literal

from pos_node.store.privacy import make_private

CACHE_KIB = {"writer": 16_384, "reader": 4_096}
MMAP_BYTES = 256 * 1024 * 1024
CHECKPOINT_PAGES = 8_000
"""Of the log: a page that is changed again and again is written back to the file once."""
BUSY_MS = 10_000
PAGE_BYTES = 8_192
"""Of a new file: five customers to a page leave less room unused than two."""

Use = Literal["writer", "reader"]


def connect(path: Path | Literal[":memory:"], use: Use) -> sqlite3.Connection:
    """Opens a connection that begins and ends its transactions itself. Deleted content is overwritten
    (`secure_delete`), so that an erasure leaves nothing behind in free pages (ANON-5). Only the till's own user may
    read the file."""
    if isinstance(path, Path):
        make_private(path)
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        _set_up(connection, use)
    except BaseException:  # left open it would, when it is closed some day, take away another's log
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, use: Use) -> None:
    for pragma in (
        f"busy_timeout = {BUSY_MS}",
        f"page_size = {PAGE_BYTES}",
        "journal_mode = WAL",
        "secure_delete = ON",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
        f"cache_size = -{CACHE_KIB[use]}",
        f"mmap_size = {MMAP_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    if use == "reader":
        connection.execute("PRAGMA query_only = ON")
