"""The till's SQLite file: one thread that writes, by priority, and a few that read.

Store functions are synchronous functions of a connection; each runs whole, in one transaction, in
one of these threads. `InlineDatabase` has the same interface and no threads: functions run at once.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, TypeVarTuple

from pos_node.store.connection import connect
from pos_node.store.errors import Closed, StoreError, translated
from pos_node.store.lock import FileLock
from pos_node.store.migrations import migrate

__all__ = ["Database", "InlineDatabase", "Priority", "Store", "StoreError"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

READERS = 2


class Priority(IntEnum):
    """Whose write goes first. What is not FEED is on the disk when `write` returns; a FEED write may be
    lost with the power, together with the cursor that says it was made."""

    CASHIER = 0
    URGENT = 1
    JOURNAL = 2
    FEED = 3


class Store(Protocol):
    """What the rest of the till knows of its database."""

    async def read(self, function: Callable[[sqlite3.Connection, *Ts], T], *arguments: *Ts) -> T:
        """Runs `function(connection, *arguments)` in a read transaction and returns what it returns.

        Raises what the function raises, or a StoreError.
        """
        ...

    async def write(
        self,
        function: Callable[[sqlite3.Connection, *Ts], T],
        *arguments: *Ts,
        priority: Priority,
    ) -> T:
        """Runs `function(connection, *arguments)` in a write transaction: committed when this returns,
        rolled back when the function raises. Raises what it raises, or a StoreError (DiskFull, …).

        When cancelled before its turn the function does not run; afterwards it runs to its end.
        """
        ...


Outcome = tuple[Any, BaseException | None]
Work = Callable[[sqlite3.Connection], Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One function to run, and who waits for it."""

    work: Work
    priority: Priority
    waiting: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop

    def answer(self, outcome: Outcome) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(_settle, self.waiting, outcome)


class Database:
    """The file behind threads. `open` before anything else, `close` at the end."""

    def __init__(self, path: Path, *, readers: int = READERS) -> None:
        self.path = path
        self._lock = FileLock(path)
        self._writes: queue.PriorityQueue[tuple[int, int, Job | None]] = queue.PriorityQueue()
        self._reads: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._turns = count()
        self._readers = readers
        self._threads: list[threading.Thread] = []

    async def open(self) -> None:
        """Opens and migrates the file. Raises LockedElsewhere, TooNew, Damaged, Unwritable, DiskFull."""
        await asyncio.to_thread(self._start)

    async def close(self) -> None:
        """Finishes what was asked, and closes the file."""
        await asyncio.to_thread(self._stop)

    async def read(self, function: Callable[[sqlite3.Connection, *Ts], T], *arguments: *Ts) -> T:
        job = self._job(lambda connection: function(connection, *arguments), Priority.CASHIER)
        self._reads.put(job)
        result: T = await job.waiting
        return result

    async def write(
        self,
        function: Callable[[sqlite3.Connection, *Ts], T],
        *arguments: *Ts,
        priority: Priority,
    ) -> T:
        job = self._job(lambda connection: function(connection, *arguments), priority)
        self._writes.put((priority, next(self._turns), job))
        result: T = await job.waiting
        return result

    def _job(self, work: Work, priority: Priority) -> Job:
        if not self._threads:
            raise Closed(self.path)
        loop = asyncio.get_running_loop()
        return Job(work, priority, loop.create_future(), loop)

    def _start(self) -> None:
        self._lock.take()
        try:
            writer = open_file(self.path)
            readers = [connect(self.path, "reader") for _ in range(self._readers)]
        except BaseException:
            self._lock.release()
            raise
        self._threads = [
            threading.Thread(target=self._serve_writes, args=(writer,), name="store-writer"),
            *(
                threading.Thread(target=self._serve_reads, args=(one,), name=f"store-reader-{n}")
                for n, one in enumerate(readers)
            ),
        ]
        for thread in self._threads:
            thread.start()

    def _stop(self) -> None:
        threads, self._threads = self._threads, []
        if not threads:
            return
        self._writes.put((len(Priority), next(self._turns), None))
        for _ in threads[1:]:
            self._reads.put(None)
        for thread in reversed(threads):  # the writer last: it empties the write-ahead log
            thread.join()
        self._lock.release()

    def _serve_writes(self, connection: sqlite3.Connection) -> None:
        writer = Writer(connection, self.path)
        while (job := self._writes.get()[2]) is not None:
            if not job.waiting.cancelled():
                job.answer(writer.run(job.work, job.priority))
            del job
        connection.close()

    def _serve_reads(self, connection: sqlite3.Connection) -> None:
        while (job := self._reads.get()) is not None:
            if not job.waiting.cancelled():
                job.answer(run_read(connection, self.path, job.work))
            del job
        connection.close()


class InlineDatabase:
    """The same without threads and without a lock: every function runs where it is asked for."""

    def __init__(self, path: Path | Literal[":memory:"]) -> None:
        self.path = Path(path)
        self._connection = connect(path, "writer")
        migrate(self._connection, self.path)
        self._writer = Writer(self._connection, self.path)

    def close(self) -> None:
        self._connection.close()

    async def read(self, function: Callable[[sqlite3.Connection, *Ts], T], *arguments: *Ts) -> T:
        outcome = run_read(
            self._connection, self.path, lambda connection: function(connection, *arguments)
        )
        result: T = _unwrap(outcome)
        return result

    async def write(
        self,
        function: Callable[[sqlite3.Connection, *Ts], T],
        *arguments: *Ts,
        priority: Priority,
    ) -> T:
        outcome = self._writer.run(lambda connection: function(connection, *arguments), priority)
        result: T = _unwrap(outcome)
        return result


class Writer:
    """Runs write transactions on one connection, waiting for the disk only where it matters."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._synchronous = ""

    def run(self, work: Work, priority: Priority) -> Outcome:
        try:
            self._set_synchronous("NORMAL" if priority is Priority.FEED else "FULL")
            self._connection.execute("BEGIN IMMEDIATE")
            result = work(self._connection)
            self._connection.execute("COMMIT")
        except BaseException as error:  # whoever waits gets it; the thread lives on
            self._roll_back()
            return None, _named(error, self._path)
        return result, None

    def _set_synchronous(self, wanted: str) -> None:
        if wanted != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")


def open_file(path: Path) -> sqlite3.Connection:
    """The writing connection to a file that is there, whole and of this version's schema."""
    try:
        connection = connect(path, "writer")
        migrate(connection, path)
    except sqlite3.Error as error:
        raise _named(error, path) from error
    return connection


def run_read(connection: sqlite3.Connection, path: Path, work: Work) -> Outcome:
    try:
        connection.execute("BEGIN")
        try:
            result = work(connection)
        finally:
            connection.execute("ROLLBACK")
    except BaseException as error:  # whoever waits gets it; the thread lives on
        return None, _named(error, path)
    return result, None


def _settle(waiting: "asyncio.Future[Any]", outcome: Outcome) -> None:
    if waiting.cancelled():
        return
    result, error = outcome
    if error is not None:
        waiting.set_exception(error)
    else:
        waiting.set_result(result)


def _unwrap(outcome: Outcome) -> Any:
    result, error = outcome
    if error is not None:
        raise error
    return result


def _named(error: BaseException, path: Path) -> BaseException:
    """The StoreError behind an SQLite error, or the error itself."""
    if isinstance(error, sqlite3.Error) and (found := translated(error, path)) is not None:
        found.__cause__ = error
        return found
    return error
