"""Files of a trace: JSON Lines that begin anew when they are long, and of which the oldest go."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from traces.record import Head, Line

LONGEST_BYTES = 64 * 1024 * 1024
MOST_FILES = 16


class TraceWriter:
    """Writes the lines of one node into a folder: `<node>-<time>-<number>.jsonl`.

    A file that has `longest` bytes is followed by another; of this node's files the newest `most`
    stay. Every method raises OSError.
    """

    def __init__(
        self,
        folder: Path,
        head: Callable[[], Head],
        *,
        longest: int = LONGEST_BYTES,
        most: int = MOST_FILES,
    ) -> None:
        """`head` makes the first line of a file that begins now."""
        self._folder = folder
        self._head = head
        self._longest = longest
        self._most = most
        self._file: BinaryIO | None = None
        self._size = 0
        self._number = 0

    def write(self, line: Line) -> None:
        """One line more; on the disk after `flush`."""
        text = line.model_dump_json(exclude_none=True, exclude_defaults=True).encode() + b"\n"
        if self._file is None or self._size + len(text) > self._longest:
            self._begin()
        self._put(text)

    def flush(self) -> None:
        """Lets others read all that was written."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Ends the file."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _begin(self) -> None:
        self.close()
        head = self._head()
        self._number += 1
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file = (self._folder / file_name(head.node, head.began, self._number)).open("xb")
        self._size = 0
        self._put(head.model_dump_json().encode() + b"\n")
        own = f"{head.node}-{'[0-9]' * 8}T*.jsonl"  # not those of a till whose name goes on
        for old in sorted(self._folder.glob(own))[: -self._most]:
            old.unlink()

    def _put(self, text: bytes) -> None:
        if self._file is not None:
            self._file.write(text)
            self._size += len(text)


def file_name(node: str, began: datetime, number: int) -> str:
    """Sorts by time within a node."""
    return f"{node}-{began.strftime('%Y%m%dT%H%M%S%f')}-{number:04d}.jsonl"
