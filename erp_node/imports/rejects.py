"""The file that names every row that did not go in, and why."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from erp_node.imports.rows import Reject

HEADER = ("line", "column", "reason", "row")


class Rejects:
    """A CSV file in UTF-8, made when the first row is rejected; one that was there before is taken away.

    It holds whole rows, and so customers' data: only its owner may read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self._path.unlink(missing_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, rejects: Iterable[Reject]) -> None:
        """Adds rows, in the order of their lines. Bytes that are not UTF-8 are written as a question mark."""
        found = sorted(rejects, key=lambda one: one.line)
        if found and self._file is None:
            self._file = open(  # noqa: SIM115 - closed at the end of the import
                self._path, "x", encoding="utf-8", errors="replace", newline="", opener=_private
            )
            csv.writer(self._file).writerow(HEADER)
        if self._file is not None:
            rows = ((one.line, one.column, one.reason, one.raw) for one in found)
            csv.writer(self._file).writerows(rows)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
