"""The first load of a till: whole feeds of customers into a new file, which then takes the place of the old (SYNC-5).

Feeds that begin at the same time share one load. The cashier goes on working on the old file meanwhile; for the
moment of the exchange reads and writes wait.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import structlog

from messaging.failures import describe
from pos_node.feed import report
from pos_node.pages import Page
from pos_node.store.arrivals import Fold
from pos_node.store.cursors import Cursor
from pos_node.store.database import Store
from pos_node.store.loading import LoadingFile, carry_over

FROM_ROWS = 5_000
"""Fewer rows than this come the ordinary way."""

MOST_HELD = 2_000
"""A till that holds more customers than this already gets the rest the ordinary way."""

FILE = "loading.db"

_log = structlog.get_logger("load")


T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class LoadFailed(Exception):
    """The first load has to begin again."""


class Loads:
    """Decides what is loaded, and keeps one load at a time. `folder`: where the new file is made; None: never."""

    def __init__(self, store: Store, folder: Path | None, fold: Fold) -> None:
        self._store = store
        self._folder = folder
        self._fold = fold
        self._load: Load | None = None

    async def enter(self, scope: str, rows: int) -> "Load | None":
        """The load a scope of so many rows takes part in; None: it comes the ordinary way. Waits for a load that
        is about to end. Raises LoadFailed."""
        if self._folder is None or rows < FROM_ROWS:
            return None
        while (load := self._load) is None or not load.takes_more:
            if load is not None and not load.ended:
                await load.over()
            elif await self._store.read(_holds_many):
                return None
            elif self._load is load:
                self._load = Load(self._folder / FILE, self._store, self._fold)
        await load.enter(scope)
        return load


class Load:
    """One load under way, and the scopes that are in it."""

    def __init__(self, path: Path, store: Store, fold: Fold) -> None:
        self._file = LoadingFile(path)
        self._store = store
        self._fold = fold
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._loading: set[str] = set()
        self._done: dict[str, Cursor] = {}
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._begun = False
        self._finishing = False

    @property
    def ended(self) -> bool:
        """The file has taken its place, or is gone."""
        return self._ended.done()

    @property
    def takes_more(self) -> bool:
        """Whether a scope may still enter."""
        return not self._finishing and not self.ended

    async def over(self) -> None:
        """Returns when it has ended, however that was."""
        await asyncio.wait([self._ended])

    async def enter(self, scope: str) -> None:
        self._loading.add(scope)
        if not self._begun:
            self._begun = True
            await self._run(self._file.begin)

    async def add(self, page: Page) -> None:
        """Appends the rows of a page; returns when they are there. Raises LoadFailed."""
        trouble = await self._run(self._file.add, page.scope, page.rows, page.rule)
        report(trouble)

    async def leave(self, cursor: Cursor) -> None:
        """A scope is in whole; returns when the file has taken its place. Raises LoadFailed."""
        self._loading.discard(cursor.scope)
        self._done[cursor.scope] = cursor
        if not self._loading:
            await self._finish()
        await asyncio.shield(self._ended)

    def fail(self, error: BaseException) -> None:
        """The load is over for every scope in it, unless all of them are in: what is under way then has its own end."""
        if not self._finishing:
            self._end(error)

    async def _finish(self) -> None:
        self._finishing = True
        loaded = tuple(self._done)

        def carry(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
            carry_over(old, new, loaded=loaded, fold=self._fold)

        try:
            await self._run(self._file.finish, list(self._done.values()))
            await self._store.replace(self._file.path, carry)
        except BaseException as error:
            self._end(error)
            raise
        self._ended.set_result(None)
        self._close()

    def _end(self, error: BaseException) -> None:
        """Lets the file go; what the thread was told before is done first."""
        if not self._ended.done():
            self._ended.set_exception(LoadFailed(str(error) or describe(error)))
            self._ended.exception()
            self._thread.submit(self._file.discard)
            self._close()

    def _close(self) -> None:
        self._thread.shutdown(wait=False)

    async def _run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        if self._ended.done():
            raise LoadFailed(str(self._ended.exception()))
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, function, *arguments)
        except (sqlite3.Error, OSError) as error:
            self._end(error)
            raise LoadFailed(str(error)) from error


def _holds_many(connection: sqlite3.Connection) -> bool:
    (held,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM customer LIMIT ?)", (MOST_HELD + 1,)
    ).fetchone()
    return bool(held > MOST_HELD)
