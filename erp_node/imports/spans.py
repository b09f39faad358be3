"""Which lines of a CSV file are one row: a cell in quotes may have line ends.

What stands in quotes is never taken for rows of its own: it may be a text that somebody wrote. Only a
quote that nothing closes up to the end of the file is a mistake of its one line.
"""

import re
from dataclasses import dataclass

from erp_node.imports.files import Line, Lines

LONGEST_ROW = 512 * 1024
"""Bytes behind the first line; no customer is that large, and a quote must not fill the memory."""

_QUOTED = re.compile(r'[^"]*(?:""[^"]*)*')
"""What stands in quotes, two of them being one sign of the text."""


@dataclass(frozen=True, slots=True)
class Span:
    """The lines of one row; `wrong`: why they cannot be read, the text is then the first one's alone."""

    first: Line
    last: Line
    text: str
    wrong: str | None = None

    @property
    def left_out(self) -> str:
        """Behind the reason why a row does not go in: its lines, when there are several."""
        if self.last is self.first:
            return ""
        return f"; lines {self.first.number} to {self.last.number} are left out"


def take_span(first: Line, lines: Lines, delimiter: str) -> Span:
    """The row that begins with a line; further ones are taken while a quote is open."""
    last, kept, wrong = first, [first.text], first.wrong
    is_open = _leaves_open(first, delimiter, is_open=False)
    while is_open:
        line = next(lines, None)
        if line is None:
            lines.go_back(first)
            return Span(first, first, first.text, first.wrong or "a quote is not closed")
        last = line
        is_open = _leaves_open(line, delimiter, is_open=True)
        wrong = wrong or line.wrong
        if line.read - first.read > LONGEST_ROW:
            wrong = wrong or f"the row is longer than {LONGEST_ROW} bytes"
        kept.append(line.text)
        if wrong:
            del kept[1:]
    return Span(first, last, "\n".join(kept), wrong)


def _leaves_open(line: Line, delimiter: str, *, is_open: bool) -> bool:
    """Whether a quote is open behind a line, one being open before it or not."""
    if line.wrong is not None:
        return is_open != line.odd_quotes
    return leaves_open(line.text, delimiter, is_open=is_open)


def leaves_open(text: str, delimiter: str, *, is_open: bool) -> bool:
    """The same of a text. A quote opens at the beginning of a cell only; text behind a closed one ends
    the row, which then is no CSV."""
    if '"' not in text:
        return is_open
    place = 0
    while is_open or (place := _next_quoted(text, place, delimiter)) >= 0:
        quoted = _QUOTED.match(text, place)
        assert quoted is not None
        place = quoted.end() + 1
        if place > len(text):
            return True
        if not text.startswith(delimiter, place):
            return False
        place, is_open = place + 1, False
    return False


def _next_quoted(text: str, place: int, delimiter: str) -> int:
    """Behind the quote that opens the next quoted cell, `place` being where a cell begins; -1: there is none."""
    if text.startswith('"', place):
        return place + 1
    found = text.find(f'{delimiter}"', place)
    return found if found < 0 else found + len(delimiter) + 1
