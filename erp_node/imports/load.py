"""Importing a file: rows are read in one thread while the batch before them is stored."""

import asyncio
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from erp_node.customers import Actor
from erp_node.imports.files import WrongFile, is_json_lines, read_lines
from erp_node.imports.rejects import Rejects
from erp_node.imports.rows import Read, Reject, Row, read_json_line
from erp_node.imports.store import Seen, Stored, store_rows
from erp_node.imports.table import Table
from erp_node.store.pool import Pool
from erp_node.store.search import clean_index, count_words
from messaging.clock import Clock, SystemClock

BATCH = 1_000
TIDY_FROM = 1_000
"""After so many new or changed rows the index is cleaned and words are counted anew."""

SYSTEM_CLOCK = SystemClock()


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


async def import_file(
    pool: Pool,
    path: Path,
    *,
    rejects_path: Path,
    on_progress: Callable[[int], None] = lambda read: None,
    by: str = "import",
    clock: Clock = SYSTEM_CLOCK,
) -> ImportReport:
    """Imports CSV or JSON Lines (see the package); batches of good rows are stored as they come.

    `on_progress` is told how many bytes of the file are done. Bad rows go to the CSV `rejects_path`
    (line, column, reason, row), which is replaced, and is only there when there are any. Stopped in
    between and started again, it goes on. Raises WrongFile, OSError, asyncpg.PostgresError.
    """
    if rejects_path.resolve() == path.resolve():
        raise WrongFile("the rejects cannot go to the file itself")
    done, seen = ImportReport(), Seen()
    with Rejects(rejects_path) as rejects, closing(_batches(path)) as batches:
        batch = await asyncio.to_thread(next, batches, None)
        while batch is not None:
            following = asyncio.create_task(asyncio.to_thread(next, batches, None))
            try:
                stored = await store_rows(pool, batch.rows, seen, Actor(by, clock.now(), "import"))
            finally:
                await asyncio.wait([following])
            rejects.write([*batch.bad, *stored.bad])
            done = done.plus(stored, len(batch.bad) + len(stored.bad))
            on_progress(batch.read)
            batch = following.result()
    if done.created + done.changed >= TIDY_FROM:
        await clean_index(pool)
        await count_words(pool)
    return done


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows that can be read and rows that cannot, and how many bytes are read by the last of them."""

    rows: Sequence[Row]
    bad: Sequence[Reject]
    read: int


def _batches(path: Path) -> Generator[_Batch, None, None]:
    with path.open("rb") as file:
        reads = _read_rows(path, file)
        while some := list(islice(reads, BATCH)):
            rows = [one for _, one in some if isinstance(one, Row)]
            bad = [one for _, one in some if isinstance(one, Reject)]
            yield _Batch(rows, bad, some[-1][0])


def _read_rows(path: Path, file: BinaryIO) -> Iterator[tuple[int, Read]]:
    json_lines = is_json_lines(path)
    lines = read_lines(file)
    if not json_lines:
        header = next(line for line in lines if line.text.strip())
        yield from Table(header).read(lines)
        return
    for line in lines:
        if (read := read_json_line(line)) is not None:
            yield line.read, read
