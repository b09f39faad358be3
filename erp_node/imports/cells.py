"""The cells of a row as a customer."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from contracts.customers import Customer
from erp_node.imports.columns import Column, is_known, read_columns
from erp_node.imports.rows import (
    Patch,
    Placing,
    Read,
    Reject,
    Row,
    explain,
    read_json_line,
)
from erp_node.imports.table import Form

_LISTS = frozenset({"groups", "centres", "editors"})
_BETWEEN = re.compile(r"[\s,;|]+")
_NOBODY = UUID(int=0)


class CustomerCells:
    """Reads rows of cells under the columns of a header."""

    def __init__(self, names: Sequence[str]) -> None:
        """Raises WrongFile when these are no columns of customers."""
        self._columns = read_columns(names)
        self._patched = frozenset(one.name for one in self._columns if one.kind == "field")
        self._main = frozenset(one.name for one in self._columns if one.kind == "main")

    def read(self, number: int, text: str, cells: Sequence[str]) -> Read:
        """The row of a line, as it stands there."""
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


CUSTOMERS = Form(is_known, lambda names: CustomerCells(names).read, read_json_line)


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
