"""A row to import: read and checked by itself, before anything is known of the customers there are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.customers import Address, Code, Consent, Customer
from contracts.texts import text
from erp_node.imports.files import Line, not_utf8
from web.field_codes import code_and_params


class Placing(BaseModel):
    """What a row may say beside the record; what it leaves out stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: UUID | None = None
    everywhere: bool | None = None
    centres: list[Code] | None = None
    editors: list[Code] | None = None
    is_customer: bool | None = None
    active: bool | None = None


PLACING = frozenset(Placing.model_fields)
_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Patch:
    """The fields of a customer that a table has columns for; the others stay as they are."""

    fields: frozenset[str]
    main_fields: frozenset[str] = frozenset()
    main: Address | None = None
    attributes: Mapping[str, str | None] | None = None
    consents: Sequence[Consent] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A readable row. `record` is whole, or `patch` says what of it counts."""

    line: int
    raw: str
    record: Customer
    placing: Placing
    patch: Patch | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that does not go in: where, which column, why, and the row as it stands in the file."""

    line: int
    column: str
    reason: str
    raw: str


Read: TypeAlias = Row | Reject


def read_json_line(line: Line) -> Read | None:
    """A customer of one line of JSON Lines; None when it is empty."""
    found = read_object(line)
    return _read_record(line, found) if isinstance(found, dict) else found


def read_object(line: Line) -> dict[str, Any] | Reject | None:
    """The object of one line of JSON Lines; None when it is empty."""
    if line.wrong is not None:
        return Reject(line.number, "", line.wrong, line.text)
    if not_utf8(line.text):
        return Reject(line.number, "", reason_of("request.not_utf8"), line.text)
    if not line.text.strip():
        return None
    try:
        found = msgspec.json.decode(line.text)
    except (msgspec.DecodeError, RecursionError) as error:
        return Reject(line.number, "", f"this is not JSON: {error}", line.text)
    if not isinstance(found, dict):
        return Reject(line.number, "", reason_of("request.no_object"), line.text)
    return found


def _read_record(line: Line, found: dict[str, Any]) -> Read:
    record = found.pop("record", None)
    if record is None:
        record = {name: found.pop(name) for name in tuple(found) if name not in PLACING}
    try:
        placing = Placing.model_validate(found)
        customer = Customer.model_validate(record, extra="forbid")
    except ValidationError as error:
        column, reason = explain(error)
        return Reject(line.number, column, reason, line.text)
    return Row(line.number, line.text, customer, placing)


def explain(error: ValidationError, names: Mapping[str, str] | None = None) -> tuple[str, str]:
    """The columns at fault and what is wrong with each; `names` are columns by the paths of fields."""
    known = names or {}
    faults = error.errors(include_url=False, include_input=False)
    found = [(_path(fault["loc"]), reason_of(*code_and_params(fault))) for fault in faults]
    named = [(known.get(path, path), reason) for path, reason in found]
    if len(named) == 1:
        return named[0]
    return _each_once(column for column, _ in named), "; ".join(f"{c}: {r}" for c, r in named)


def reason_of(code: str, params: Mapping[str, str] = _NO_PARAMS) -> str:
    """The text the API has for this code, as it goes on behind a column's name."""
    said = text(code, params)
    return said[:1].lower() + said[1:]


def _path(steps: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in steps)


def _each_once(names: Iterator[str]) -> str:
    return ", ".join(dict.fromkeys(names))
