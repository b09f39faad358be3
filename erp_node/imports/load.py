"""Importing a file: while a batch is written, the next is decided and the one after it read."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

from erp_node.centres import known_centres
from erp_node.customers import Actor
from erp_node.imports.cells import CUSTOMERS
from erp_node.imports.files import Lines, WrongFile, is_json_lines
from erp_node.imports.rejects import Rejects
from erp_node.imports.rows import Reject, Row
from erp_node.imports.store import Seen, store_rows
from erp_node.imports.stored import Stored
from erp_node.imports.table import Form, Table
from erp_node.store.pool import Pool
from erp_node.store.search import clean_index, count_words
from messaging.clock import Clock, SystemClock

BATCH = 1_000
AT_ONCE = 2
TIDY_FROM = 1_000
"""After so many new or changed rows the index is cleaned and words are counted anew."""

SYSTEM_CLOCK = SystemClock()

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the rows; their sum is `rows`."""

    rows: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0

    def plus(self, stored: Stored, rejected: int) -> "ImportReport":
        done = stored.created + stored.changed + stored.unchanged
        return ImportReport(
            self.rows + done + rejected,
            self.created + stored.created,
            self.changed + stored.changed,
            self.unchanged + stored.unchanged,
            self.rejected + rejected,
        )


class Import(Protocol):
    """Imports a file of one kind of rows; see load_rows."""

    async def __call__(
        self,
        pool: Pool,
        path: Path,
        *,
        rejects_path: Path,
        on_progress: Callable[[int], None] = ...,
    ) -> ImportReport: ...


async def import_file(
    pool: Pool,
    path: Path,
    *,
    rejects_path: Path,
    on_progress: Callable[[int], None] = lambda read: None,
    by: str = "import",
    clock: Clock = SYSTEM_CLOCK,
) -> ImportReport:
    """Imports customers from CSV or JSON Lines (see the package): load_rows says how, and what is raised besides
    asyncpg.PostgresError."""
    seen, actor, centres = Seen(), Actor(by, clock.now(), "import"), await known_centres(pool)

    async def store(rows: Sequence[Row]) -> Stored:
        return await store_rows(pool, rows, seen, actor, centres)

    done = await load_rows(
        path, CUSTOMERS, store, rejects_path=rejects_path, on_progress=on_progress
    )
    if done.created + done.changed >= TIDY_FROM:
        await clean_index(pool)
        await count_words(pool)
    return done


async def load_rows(
    path: Path,
    form: Form[R],
    store: Callable[[Sequence[R]], Coroutine[Any, Any, Stored]],
    *,
    rejects_path: Path,
    on_progress: Callable[[int], None],
    at_once: int = AT_ONCE,
) -> ImportReport:
    """Reads CSV or JSON Lines; batches of good rows are stored as they come, so many at once: one, where a row may
    rest on one of the batch before.

    `on_progress` is told how many bytes of the file are done. Bad rows go to the CSV `rejects_path`
    (line, column, reason, row), which is replaced, and is only there when there are any. Stopped in
    between and started again, it goes on. Raises WrongFile, OSError, and what `store` does.
    """
    if rejects_path.resolve() == path.resolve():
        raise WrongFile("the rejects cannot go to the file itself")
    done = ImportReport()
    async with AsyncExitStack() as stack:
        rejects = stack.enter_context(Rejects(rejects_path))
        batches = stack.enter_context(closing(_batches(path, form)))
        stored = _stored(batches, store, at_once)
        async for batch, outcome in await stack.enter_async_context(aclosing(stored)):
            rejects.write([*batch.bad, *outcome.bad])
            done = done.plus(outcome, len(batch.bad) + len(outcome.bad))
            on_progress(batch.read)
    return done


@dataclass(frozen=True, slots=True)
class _Batch(Generic[R]):
    """Rows that can be read and rows that cannot, and how many bytes are read by the last of them."""

    rows: Sequence[R]
    bad: Sequence[Reject]
    read: int


async def _stored(
    batches: Iterator[_Batch[R]],
    store: Callable[[Sequence[R]], Coroutine[Any, Any, Stored]],
    at_once: int,
) -> AsyncGenerator[tuple[_Batch[R], Stored], None]:
    """Each batch and what became of it, in order; so many are being stored at a time."""
    storing: deque[tuple[_Batch[R], asyncio.Task[Stored]]] = deque()
    following = asyncio.create_task(asyncio.to_thread(next, batches, None))
    try:
        while (batch := await following) is not None:
            following = asyncio.create_task(asyncio.to_thread(next, batches, None))
            storing.append((batch, asyncio.create_task(store(batch.rows))))
            if len(storing) == at_once:
                yield storing[0][0], await storing[0][1]
                storing.popleft()
        while storing:
            yield storing[0][0], await storing[0][1]
            storing.popleft()
    finally:
        for _, task in storing:
            task.cancel()
        await asyncio.wait([following, *(task for _, task in storing)])


def _batches(path: Path, form: Form[R]) -> Generator[_Batch[R], None, None]:
    with path.open("rb") as file:
        reads = _read_rows(path, file, form)
        while some := list(islice(reads, BATCH)):
            rows = [one for _, one in some if not isinstance(one, Reject)]
            bad = [one for _, one in some if isinstance(one, Reject)]
            yield _Batch(rows, bad, some[-1][0])


def _read_rows(path: Path, file: BinaryIO, form: Form[R]) -> Iterator[tuple[int, R | Reject]]:
    json_lines = is_json_lines(path)
    lines = Lines(file)
    if not json_lines:
        header = next(line for line in lines if line.text.strip())
        yield from Table(header, form).read(lines)
        return
    for line in lines:
        if (read := form.json(line)) is not None:
            yield line.read, read
