"""The words of a first load, indexed in a file of their own by a thread of their own: half of a load's work."""

import sqlite3
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

from pos_node.store.migrations import migrate
from pos_node.store.privacy import make_private
from pos_node.store.words import begin_listing, index_listed, list_words

_PRAGMAS = (
    "page_size = 8192",
    "journal_mode = OFF",
    "synchronous = OFF",
    "locking_mode = EXCLUSIVE",
    "secure_delete = ON",
    "trusted_schema = OFF",
    "cache_size = -32768",
    "threads = 1",
    "temp_store = MEMORY",
)
ROWS_AT_ONCE = 1_000
"""Rows handed to the thread together."""

ROWS_IN_PART = 16_000
"""Rows that become one part of the index: SQLite joins sixteen of them, and every part makes searching slower."""

BATCHES_AHEAD = 3

_SHADOWS = ("word_data", "word_idx")

Listed = tuple[int, Sequence[str]]


def make_file(path: Path) -> sqlite3.Connection:
    """A new file with the till's schema that is written without care: a crash costs the file."""
    connection = open_file(path)
    migrate(connection, path)
    return connection


def open_file(path: Path) -> sqlite3.Connection:
    """The same file again."""
    make_private(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def remove_file(path: Path) -> None:
    for ending in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


class LoadingWords:
    """`begin`, then `add` and `write` by turns, then `finish`; `discard` at any point."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection
        self._waiting: list[Listed] = []
        self._thread: ThreadPoolExecutor | None = None
        self._writing: deque[Future[None]] = deque()
        self._listed = 0

    def begin(self) -> None:
        self._connection = make_file(self.path)
        begin_listing(self._connection)
        self._connection.execute("BEGIN")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load-words")

    def add(self, row: int, words: Sequence[str]) -> None:
        self._waiting.append((row, words))

    def write(self, *, all_of_them: bool = False) -> None:
        """Hands on what was added, when it is enough; waits when the thread is far behind. Raises sqlite3.Error."""
        assert self._thread is not None
        if len(self._waiting) >= ROWS_AT_ONCE or all_of_them:
            batch, self._waiting = self._waiting, []
            self._writing.append(self._thread.submit(self._write, batch, all_of_them))
        while len(self._writing) > BATCHES_AHEAD:
            self._writing.popleft().result()

    def finish(self) -> None:
        """Everything is in the file, after the last `write`. Raises sqlite3.Error."""
        while self._writing:
            self._writing.popleft().result()
        self._connection.execute("COMMIT")
        self._end()

    def discard(self) -> None:
        """Removes the file, whatever state it is in."""
        self._end()
        remove_file(self.path)

    def _write(self, batch: Sequence[Listed], last: bool) -> None:
        list_words(self._connection, batch)
        self._listed += len(batch)
        if last or self._listed >= ROWS_IN_PART:
            index_listed(self._connection)
            self._listed = 0

    def _end(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None
        self._waiting.clear()
        self._writing.clear()
        with suppress(AttributeError, sqlite3.Error):
            self._connection.close()


def take_words(target: Path, source: Path) -> None:
    """Copies the index of one file over the empty one of another of the same schema. No connection may be open
    to either, since it would remember the index as it was."""
    with closing(open_file(target)) as connection:
        connection.execute("ATTACH ? AS made", (str(source),))
        connection.execute("BEGIN")
        for table in _SHADOWS:
            connection.execute(f"DELETE FROM main.{table}")
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM made.{table}")
        connection.execute("COMMIT")
