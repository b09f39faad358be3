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

    Bytes that are not UTF-8 stand in the text as lone surrogates. `wrong`: why it cannot be used.
    """

    number: int
    text: str
    read: int
    wrong: str | None = None


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """Every line of a file opened for bytes. Raises WrongFile when it is empty or not UTF-8 altogether."""
    number, read = 0, 0
    while raw := file.readline(LONGEST_LINE + 1):
        number += 1
        if number == 1:
            raw = _without_mark(raw)
        cut = len(raw) > LONGEST_LINE and not raw.endswith(b"\n")
        if cut:
            _skip_line(file)
        read = file.tell() if cut else read + len(raw)
        yield _line(number, raw, read, cut)
    if number == 0:
        raise WrongFile("the file is empty")


def is_json_lines(path: Path) -> bool:
    """Whether a file holds JSON Lines rather than CSV. Raises WrongFile for other JSON; OSError."""
    with path.open("rb") as file:
        for line in read_lines(file):
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


def _skip_line(file: BinaryIO) -> None:
    while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass


def _line(number: int, raw: bytes, read: int, cut: bool) -> Line:
    if cut:
        start = raw[:200].decode("utf-8", "replace")
        return Line(number, start, read, f"the line is longer than {LONGEST_LINE} bytes")
    body = raw.removesuffix(b"\n").removesuffix(b"\r")
    return Line(number, body.decode("utf-8", "surrogateescape"), read)
