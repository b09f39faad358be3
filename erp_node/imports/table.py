"""CSV: the rows behind a header, whatever they are about."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from erp_node.imports.files import Line, Lines, WrongFile, not_utf8
from erp_node.imports.rows import Reject, reason_of
from erp_node.imports.spans import Span, take_span

DELIMITERS = (",", ";", "\t", "|")

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Form(Generic[R]):
    """How the rows of a file are read.

    `is_known`: whether a column may have this name. `cells`: takes a header's names, raises WrongFile, and gives what
    reads a row of its line, its text and its cells. `json`: reads a line of JSON Lines, None when it is empty.
    """

    is_known: Callable[[str], bool]
    cells: Callable[[Sequence[str]], Callable[[int, str, Sequence[str]], R | Reject]]
    json: Callable[[Line], R | Reject | None]


def _count_known(header: str, delimiter: str, is_known: Callable[[str], bool]) -> int:
    """How many columns a header names when this sign stands between its cells, in quotes or not."""
    try:
        return sum(map(is_known, next(csv.reader([header], delimiter=delimiter), [])))
    except csv.Error:
        return 0


def _no_csv(error: csv.Error) -> str:
    if "field limit" in str(error):
        return f"a cell is longer than {csv.field_size_limit()} signs"
    return f"this is not CSV: {error}"


class Table(Generic[R]):
    """Reads the rows behind a header."""

    def __init__(self, header: Line, form: Form[R]) -> None:
        """Raises WrongFile when the header names other columns than there are."""
        if header.wrong is not None or not_utf8(header.text):
            raise WrongFile(f"line {header.number}: {header.wrong or 'not UTF-8'}")
        self._delimiter = max(
            DELIMITERS, key=lambda sign: _count_known(header.text, sign, form.is_known)
        )
        try:
            self._names = [name.strip() for name in self._split(header.text)]
            self._read_cells = form.cells(self._names)
        except (csv.Error, WrongFile) as error:
            raise WrongFile(f"line {header.number}: {error}") from None

    def read(self, lines: Lines) -> Iterator[tuple[int, R | Reject]]:
        """Every row, with how many bytes of the file are read by then."""
        for line in lines:
            if line.wrong is not None or line.text.strip():
                span = take_span(line, lines, self._delimiter)
                yield span.last.read, self._read_span(span)

    def _read_span(self, span: Span) -> R | Reject:
        read = self._read_text(span.first.number, span.text, span.wrong)
        if isinstance(read, Reject) and span.left_out:
            return replace(read, reason=read.reason + span.left_out)
        return read

    def _read_text(self, number: int, text: str, wrong: str | None) -> R | Reject:
        if wrong is not None:
            return Reject(number, "", wrong, text)
        try:
            cells = self._split(text)
        except csv.Error as error:
            return Reject(number, "", _no_csv(error), text)
        return self._row(number, text, cells)

    def _split(self, text: str) -> list[str]:
        return next(csv.reader([text], delimiter=self._delimiter, strict=True), [])

    def _row(self, number: int, text: str, cells: list[str]) -> R | Reject:
        if len(cells) != len(self._names):
            reason = f"there are {len(cells)} cells, {len(self._names)} are expected"
            return Reject(number, "", reason, text)
        for name, cell in zip(self._names, cells, strict=True):
            if not_utf8(cell):
                return Reject(number, name, reason_of("request.not_utf8"), text)
        return self._read_cells(number, text, [cell.strip() for cell in cells])
