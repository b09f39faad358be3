"""CSV: the cells of a row as a customer."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from contracts.customers import Customer
from erp_node.imports.columns import Column, is_known, read_columns
from erp_node.imports.files import Line, Lines, WrongFile, not_utf8
from erp_node.imports.rows import Patch, Placing, Read, Reject, Row, explain, reason_of
from erp_node.imports.spans import Span, take_span

DELIMITERS = (",", ";", "\t", "|")

_LISTS = frozenset({"groups", "centres", "editors"})
_BETWEEN = re.compile(r"[\s,;|]+")
_NOBODY = UUID(int=0)


def _count_known(header: str, delimiter: str) -> int:
    """How many columns of customers a header names when this sign stands between its cells, in quotes or not."""
    try:
        return sum(map(is_known, next(csv.reader([header], delimiter=delimiter), [])))
    except csv.Error:
        return 0


def _no_csv(error: csv.Error) -> str:
    if "field limit" in str(error):
        return f"a cell is longer than {csv.field_size_limit()} signs"
    return f"this is not CSV: {error}"


class Table:
    """Reads the rows behind a header."""

    def __init__(self, header: Line) -> None:
        """Raises WrongFile when the header names no columns of customers."""
        if header.wrong is not None or not_utf8(header.text):
            raise WrongFile(f"line {header.number}: {header.wrong or 'not UTF-8'}")
        self._delimiter = max(DELIMITERS, key=lambda sign: _count_known(header.text, sign))
        try:
            names = self._split(header.text)
            self._columns = read_columns(names)
        except (csv.Error, WrongFile) as error:
            raise WrongFile(f"line {header.number}: {error}") from None
        self._patched = frozenset(one.name for one in self._columns if one.kind == "field")
        self._main = frozenset(one.name for one in self._columns if one.kind == "main")

    def read(self, lines: Lines) -> Iterator[tuple[int, Read]]:
        """Every row, with how many bytes of the file are read by then."""
        for line in lines:
            if line.wrong is not None or line.text.strip():
                span = take_span(line, lines, self._delimiter)
                yield span.last.read, self._read_span(span)

    def _read_span(self, span: Span) -> Read:
        read = self._read_text(span.first.number, span.text, span.wrong)
        if isinstance(read, Reject) and span.left_out:
            return replace(read, reason=read.reason + span.left_out)
        return read

    def _read_text(self, number: int, text: str, wrong: str | None) -> Read:
        if wrong is not None:
            return Reject(number, "", wrong, text)
        try:
            cells = self._split(text)
        except csv.Error as error:
            return Reject(number, "", _no_csv(error), text)
        return self._row(number, text, cells)

    def _split(self, text: str) -> list[str]:
        return next(csv.reader([text], delimiter=self._delimiter, strict=True), [])

    def _row(self, number: int, text: str, cells: list[str]) -> Read:
        if len(cells) != len(self._columns):
            reason = f"there are {len(cells)} cells, {len(self._columns)} are expected"
            return Reject(number, "", reason, text)
        for column, cell in zip(self._columns, cells, strict=True):
            if not_utf8(cell):
                return Reject(number, column.header, reason_of("request.not_utf8"), text)
        return self._customer(number, text, [cell.strip() for cell in cells])

    def _customer(self, number: int, text: str, cells: Sequence[str]) -> Read:
        made = _Made(self._columns, cells)
        try:
            record = Customer.model_validate(made.record)
            placing = Placing.model_validate(made.placing)
        except ValidationError as error:
            column, reason = explain(error, made.headers)
            return Reject(number, column, reason, text)
        return Row(number, text, record, placing, self._patch(record, made))

    def _patch(self, record: Customer, made: "_Made") -> Patch:
        main = record.main_address if self._main else None
        return Patch(self._patched, self._main, main, made.attributes, tuple(record.consents))


class _Made:
    """The cells of one row, put where they belong; and which column each path of a field came from."""

    def __init__(self, columns: Sequence[Column], cells: Sequence[str]) -> None:
        self.placing: dict[str, Any] = {}
        self.attributes: dict[str, str | None] = {}
        self.headers: dict[str, str] = {}
        self.record: dict[str, Any] = {}
        self._main: dict[str, Any] = {"id": _NOBODY, "type": "main"}
        self._consents: list[dict[str, str]] = []
        for column, cell in zip(columns, cells, strict=True):
            self._put(column, cell)
        self.record["attributes"] = {n: v for n, v in self.attributes.items() if v is not None}
        self.record["consents"] = self._consents
        self.record["addresses"] = [self._main] if len(self._main) > 2 else []

    def _put(self, column: Column, cell: str) -> None:
        value: Any = _BETWEEN.split(cell) if cell and column.name in _LISTS else cell
        match column.kind:
            case "attribute":
                self.attributes[column.name] = cell or None
                self.headers[f"attributes.{column.name}"] = column.header
            case "consent" if cell:
                self.headers[f"consents.{len(self._consents)}.state"] = column.header
                self._consents.append({"definition": column.name, "state": cell})
            case "main" if cell:
                self._main[column.name] = value
                self.headers[f"addresses.0.{column.name}"] = column.header
            case "field" if cell:
                self.record[column.name] = value
            case "placing" if cell:
                self.placing[column.name] = value
            case "placing" if column.name in _LISTS:
                self.placing[column.name] = None
