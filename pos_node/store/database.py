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
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar, TypeVarTuple

from pos_node.store.connection import connect
from pos_node.store.errors import Closed, StoreError
from pos_node.store.inline import InlineDatabase
from pos_node.store.lock import FileLock
from pos_node.store.repair import check_file
from pos_node.store.replacement import Carry, take_place
from pos_node.store.transactions import (
    Outcome,
    Priority,
    Writer,
    named,
    open_writer,
    run_read,
)

__all__ = ["Carry", "Database", "InlineDatabase", "Priority", "Store", "StoreError"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

READERS = 2


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

    async def replace(self, prepared: Path, carry: Carry) -> None:
        """Puts a prepared file in the place of this one, after `carry(old, new)` has run in a transaction of
        the new one. Reads and writes wait meanwhile; a crash leaves either the old file or the new one.

        Once asked for it is done to its end: when cancelled, this raises only after that. Raises StoreError,
        OSError, and what `carry` raises; the old file then stays.
        """
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One function to run, and who waits for it. Without priority it takes no connection: it runs alone, and always."""

    work: Callable[..., Any]
    priority: Priority | None
    waiting: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop

    def answer(self, outcome: Outcome) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(_settle, self.waiting, outcome)


class Gate:
    """Holds the readers, their connections closed, while the file is replaced; the last to come calls `all_in`."""

    def __init__(self, readers: int, all_in: Callable[[], None]) -> None:
        self._missing = readers
        self._all_in = all_in
        self._counting = threading.Lock()
        self._open = threading.Event()

    def wait_in(self) -> None:
        with self._counting:
            self._missing -= 1
            last = self._missing == 0
        if last:
            self._all_in()
        self._open.wait()

    def open(self) -> None:
        self._open.set()


class Database:
    """The file behind threads. `open` before anything else, `close` at the end."""

    def __init__(self, path: Path, *, readers: int = READERS) -> None:
        self.path = path
        self._lock = FileLock(path)
        self._failed: dict[bool, str] = {}
        self._writes: queue.PriorityQueue[tuple[int, int, Job | None]] = queue.PriorityQueue()
        self._reads: queue.SimpleQueue[Job | Gate | None] = queue.SimpleQueue()
        self._turns = count()
        self._readers = readers
        self._threads: list[threading.Thread] = []
        self._writer: Writer | None = None

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

    @property
    def trouble(self) -> str | None:
        """Why the file could not be written last, in words; None while it can be (SYNC-7)."""
        return next(iter(list(self._failed.values())), None)

    async def replace(self, prepared: Path, carry: Carry) -> None:
        job = self._job(lambda: self._swap(prepared, carry, gate), None)
        turn = (Priority.FEED, next(self._turns), job)
        gate = Gate(self._readers, lambda: self._writes.put(turn))
        for _ in range(self._readers):
            self._reads.put(gate)
        await _until_over(job.waiting)

    def _job(self, work: Callable[..., Any], priority: Priority | None) -> Job:
        if not self._threads:
            raise Closed(self.path)
        loop = asyncio.get_running_loop()
        return Job(work, priority, loop.create_future(), loop)

    def _start(self) -> None:
        self._lock.take()
        try:
            self._opened(check=True)
        except BaseException:
            self._lock.release()
            raise
        serve = [self._serve_writes, *[self._serve_reads] * self._readers]
        self._threads = [
            threading.Thread(target=one, name=f"store-{n}") for n, one in enumerate(serve)
        ]
        for thread in self._threads:
            thread.start()

    def _stop(self) -> None:
        threads, self._threads = self._threads, []
        if not threads:
            return
        for _ in threads[1:]:
            self._reads.put(None)
        for thread in threads[1:]:
            thread.join()
        self._writes.put((len(Priority), next(self._turns), None))
        threads[
            0
        ].join()  # the writer last: readers may wait for it, and it empties the write-ahead log
        self._lock.release()

    def _serve_writes(self) -> None:
        while (job := self._writes.get()[2]) is not None:
            if job.priority is None or not job.waiting.cancelled():
                job.answer(self._run_write(job))
            del job
        if self._writer is not None:
            self._writer.connection.close()
            self._writer = None

    def _run_write(self, job: Job) -> Outcome:
        try:
            if job.priority is None:
                return job.work(), None
            outcome = self._opened().run(job.work, job.priority)
        except Exception as error:  # whoever waits gets it; the thread lives on
            outcome = None, named(error, self.path)
        self._note(job.priority, outcome[1])
        return outcome

    def _note(self, priority: Priority | None, error: BaseException | None) -> None:
        """A small write may find room where the next page of the feed does not."""
        if isinstance(error, StoreError):
            self._failed[priority is Priority.FEED] = error.words
        elif error is None and priority is not None:
            self._failed.pop(False, None)
            if priority is Priority.FEED:
                self._failed.pop(True, None)

    def _opened(self, *, check: bool = False) -> Writer:
        """The writer, opened anew if it could not be before. Raises StoreError; then nothing stays open."""
        if self._writer is None:
            writer = open_writer(self.path)
            try:
                if check:
                    check_file(writer.connection, self.path)
            except BaseException as error:
                writer.connection.close()  # later it would remove the log of the file that comes after
                raise named(error, self.path) from error
            self._writer = writer
        return self._writer

    def _swap(self, prepared: Path, carry: Carry, gate: Gate) -> None:
        """All of an exchange, the readers being in the gate: nobody else moves a step of it."""
        try:
            writer, self._writer = self._opened(), None
            try:
                take_place(writer.connection, prepared, self.path, carry)
            finally:
                writer.connection.close()
                with suppress(StoreError):  # the next write tries again
                    self._opened()
        finally:
            gate.open()

    def _serve_reads(self) -> None:
        connection: sqlite3.Connection | None = None
        while (job := self._reads.get()) is not None:
            if isinstance(job, Gate):
                _close(connection)
                connection = None
                job.wait_in()
            elif not job.waiting.cancelled():
                connection = self._answer_read(connection, job)
            del job
        _close(connection)

    def _answer_read(
        self, connection: sqlite3.Connection | None, job: Job
    ) -> sqlite3.Connection | None:
        try:
            connection = connection or connect(self.path, "reader")
        except sqlite3.Error as error:
            job.answer((None, named(error, self.path)))
            return None
        job.answer(run_read(connection, self.path, job.work))
        return connection


async def _until_over(waiting: "asyncio.Future[Any]") -> None:
    """Returns, or raises, when it is over; not before, however often cancelled."""
    cancelled: asyncio.CancelledError | None = None
    while not waiting.done():
        try:
            await asyncio.wait([waiting])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        waiting.exception()
        raise cancelled
    waiting.result()


def _close(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        connection.close()


def _settle(waiting: "asyncio.Future[Any]", outcome: Outcome) -> None:
    if waiting.cancelled():
        return
    result, error = outcome
    if error is not None:
        waiting.set_exception(error)
    else:
        waiting.set_result(result)
