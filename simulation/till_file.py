"""A simulated till's file: the real SQLite, and what may happen to it and to the process around a write."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, TypeVar, TypeVarTuple

from pos_node import journal
from pos_node.store.errors import Closed, Damaged, LockedElsewhere, StoreError
from pos_node.store.inline import InlineDatabase
from pos_node.store.repair import check_file, finish_rebuilding, rebuild
from pos_node.store.replacement import Carry
from pos_node.store.transactions import Priority, named

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Moment = Literal["before_commit", "after_commit"]


class Witness(Protocol):
    """Told of what was committed."""

    def stored(self, kind: str, key: str, version: int, state: str) -> None:
        """A version of a row."""
        ...

    def journalled(self, entry: str, epoch: str, seq: int, body: bytes) -> None:
        """An entry of the journal, or a new number of one."""
        ...


_WATCHED = """
CREATE TEMP TRIGGER simulated_customer_in AFTER INSERT ON main.customer
BEGIN SELECT stored('customer', hex(NEW.id), NEW.version, NEW.state); END;
CREATE TEMP TRIGGER simulated_customer_up AFTER UPDATE OF version, state ON main.customer
BEGIN SELECT stored('customer', hex(NEW.id), NEW.version, NEW.state); END;
CREATE TEMP TRIGGER simulated_reference_in AFTER INSERT ON main.reference
BEGIN SELECT stored('reference', NEW.key, NEW.version, NEW.state); END;
CREATE TEMP TRIGGER simulated_card_in AFTER INSERT ON main.card
BEGIN SELECT stored('card', NEW.key, NEW.version, NEW.state); END;
CREATE TEMP TRIGGER simulated_card_up AFTER UPDATE OF version, state ON main.card
BEGIN SELECT stored('card', NEW.key, NEW.version, NEW.state); END;
CREATE TEMP TRIGGER simulated_epoch AFTER UPDATE ON main.feed_cursor
WHEN OLD.epoch <> '' AND (NEW.epoch <> OLD.epoch OR NEW.sweeping > OLD.sweeping)
BEGIN SELECT stored('epoch', NEW.scope, 0, ''); END;
CREATE TEMP TRIGGER simulated_journal_in AFTER INSERT ON main.journal
BEGIN SELECT journalled(NEW.id, NEW.epoch, NEW.seq, NEW.body); END;
CREATE TEMP TRIGGER simulated_journal_up AFTER UPDATE OF epoch, seq ON main.journal
BEGIN SELECT journalled(NEW.id, NEW.epoch, NEW.seq, NEW.body); END;
CREATE TEMP TRIGGER simulated_reference_up AFTER UPDATE OF version, state ON main.reference
BEGIN SELECT stored('reference', NEW.key, NEW.version, NEW.state); END;
"""


class Killed(BaseException):
    """The process ends here."""


class TillFile:
    """pos_node.store.database.Store on one file, in the process that runs it."""

    def __init__(self, path: Path, witness: Witness, *, stamp: str) -> None:
        """Opens the file as store.opening does. Raises StoreError."""
        self.path = path
        self.trouble: str | None = None
        self.locked = 0
        """So many writes find the file locked."""
        self.kills: list[tuple[Moment, int]] = []
        """The process is killed at this moment of the write after so many others."""
        self.on_kill: Callable[[], None] = lambda: None
        self._witness = witness
        self._noted: list[Callable[[], None]] = []
        self.rebuilt = False
        self._database: InlineDatabase | None = self._open(stamp)

    async def read(self, function: Callable[[sqlite3.Connection, *Ts], T], *arguments: *Ts) -> T:
        await asyncio.sleep(0)
        return await self._need().read(function, *arguments)

    async def write(
        self,
        function: Callable[[sqlite3.Connection, *Ts], T],
        *arguments: *Ts,
        priority: Priority,
    ) -> T:
        await asyncio.sleep(0)
        database = self._need()
        if self.locked > 0:
            self.locked -= 1
            raise LockedElsewhere(self.path, "database is locked")
        kill = self._killed_now()

        def work(connection: sqlite3.Connection) -> T:
            result = function(connection, *arguments)
            if kill == "before_commit":
                raise Killed
            return result

        self._noted.clear()
        try:
            result = await database.write(work, priority=priority)
        except Killed:
            self._die()
            raise asyncio.CancelledError from None
        except StoreError as error:
            self.trouble = error.words
            raise
        self.trouble = None
        for one in self._noted:
            one()
        if kill == "after_commit":
            self._die()
            raise asyncio.CancelledError
        return result

    async def replace(self, prepared: Path, carry: Carry) -> None:
        await self._need().replace(prepared, carry)
        self._watch(self._need())

    def look(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """What an observer reads, beside the till."""
        return function(self._need()._writer.connection)

    def fill_up(self, pages: int | None) -> None:
        """The disk has room for so many pages more; None: for any number."""
        connection = self._need()._writer.connection
        (now,) = connection.execute("PRAGMA page_count").fetchone()
        most = now + pages if pages is not None else 1_073_741_823
        connection.execute(f"PRAGMA max_page_count = {most}")

    def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            connection = database._writer.connection
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.close()

    def _open(self, stamp: str) -> InlineDatabase:
        finish_rebuilding(self.path, stamp)
        try:
            return self._try_to_open()
        except Damaged:
            rebuild(self.path, stamp, journal.fold)
            self.rebuilt = True
            return self._try_to_open()

    def _try_to_open(self) -> InlineDatabase:
        try:
            database = InlineDatabase(self.path)
            try:
                check_file(database._writer.connection, self.path, seconds=60.0)
            except BaseException:
                database.close()
                raise
        except sqlite3.Error as error:
            raise named(error, self.path) from error
        self._watch(database)
        return database

    def _watch(self, database: InlineDatabase) -> None:
        connection = database._writer.connection
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        for name, count in (("stored", 4), ("journalled", 4)):
            connection.create_function(
                name, count, partial(self._note, getattr(self._witness, name))
            )
        for trigger in _WATCHED.strip().split("END;\n"):
            connection.execute(f"{trigger.removesuffix('END;')} END")

    def _note(self, tell: Callable[..., None], *values: object) -> None:
        """What is rolled back was never there."""
        self._noted.append(partial(tell, *values))

    def _need(self) -> InlineDatabase:
        if self._database is None:
            raise Closed(self.path)
        return self._database

    def _killed_now(self) -> Moment | None:
        """Whether this write is one that the process does not survive."""
        for place, (moment, left) in enumerate(self.kills):
            if left > 0:
                self.kills[place] = (moment, left - 1)
                continue
            del self.kills[place]
            return moment
        return None

    def _die(self) -> None:
        self.on_kill()


def make_template(path: Path) -> None:
    """An empty file of this version's schema, to be copied."""
    with closing(InlineDatabase(path)) as database:
        database._writer.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def copy_file(old: Path, new: Path) -> None:
    """A closed file, with what is in its log; what was there is gone."""
    for ending in ("", "-wal", "-shm"):
        aside, beside = old.with_name(old.name + ending), new.with_name(new.name + ending)
        beside.unlink(missing_ok=True)
        if aside.exists():
            shutil.copyfile(aside, beside)
