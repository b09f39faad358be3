"""The lines of a file to import, whatever its ends of lines and however wrong its bytes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LONGEST_LINE = 512 * 1024
"""Bytes; no customer is that large, and a file without line ends must not fill the memory."""

_UTF8_MARK = b"\xef\xbb\xbf"
_UNDECODED = re.compile("[\udc80-\udcff]")
_OTHER_MARKS = (b"\xff\xfe", b"\xfe\xff")


class WrongFile(Exception):
    """The file cannot be imported at all; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number from 1, its text without the end, and how many bytes of the file are read with it.

    Bytes that are not UTF-8 stand in the text as lone surrogates. `wrong`: why it cannot be used; the text is
    then only its start, and `odd_quotes` tells whether it has an odd number of them.
    """

    number: int
    text: str
    read: int
    wrong: str | None = None
    odd_quotes: bool = False


class Lines(Iterator[Line]):
    """Every line of a file opened for bytes. `next` raises WrongFile when it is empty or not UTF-8 altogether."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._number = 0
        self._read = 0

    def __next__(self) -> Line:
        raw = self._file.readline(LONGEST_LINE + 1)
        if not raw:
            if self._number == 0:
                raise WrongFile("the file is empty")
            raise StopIteration
        self._number += 1
        self._read += len(raw)
        if len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
            return self._too_long(raw)
        if self._number == 1:
            raw = _without_mark(raw)
        body = raw.removesuffix(b"\n").removesuffix(b"\r")
        return Line(self._number, body.decode("utf-8", "surrogateescape"), self._read)

    def go_back(self, line: Line) -> None:
        """What follows a line is read again."""
        self._file.seek(line.read)
        self._number, self._read = line.number, line.read

    def _too_long(self, start: bytes) -> Line:
        quotes, raw = start.count(b'"'), start
        while not raw.endswith(b"\n") and (raw := self._file.readline(LONGEST_LINE)):
            quotes += raw.count(b'"')
            self._read += len(raw)
        text = start[:200].decode("utf-8", "replace")
        why = f"the line is longer than {LONGEST_LINE} bytes"
        return Line(self._number, text, self._read, why, quotes % 2 == 1)


def is_json_lines(path: Path) -> bool:
    """Whether a file holds JSON Lines rather than CSV. Raises WrongFile for other JSON; OSError."""
    with path.open("rb") as file:
        for line in Lines(file):
            start = line.text.lstrip()[:1]
            if start == "[":
                raise WrongFile("the file is a JSON list; one object per line is expected")
            if start:
                return start == "{"
    raise WrongFile("the file has only empty lines")


def not_utf8(text: str) -> bool:
    """Whether there are bytes in a text that are not UTF-8."""
    return _UNDECODED.search(text) is not None


def _without_mark(raw: bytes) -> bytes:
    if raw.startswith(_OTHER_MARKS):
        raise WrongFile("the file is UTF-16; save it as UTF-8")
    return raw.removeprefix(_UTF8_MARK)
