"""What the columns of a table stand for (docs/operations.md lists them for people)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from contracts.customers import Address, Customer
from erp_node.imports.files import WrongFile
from erp_node.imports.rows import PLACING

REQUIRED = ("kind", "code")

Kind: TypeAlias = Literal["field", "main", "attribute", "consent", "placing"]

_PARTS = {"attributes", "consents", "addresses", "contacts"}
_FIELDS = Customer.model_fields.keys() - _PARTS
_MAIN = Address.model_fields.keys() - {"id", "type", "consents"}
NAMES = (
    *REQUIRED,
    *sorted((_FIELDS | PLACING) - set(REQUIRED)),
    *sorted(_MAIN - _FIELDS),
    *(f"address.{name}" for name in sorted(_MAIN & _FIELDS)),
    "attribute.NAME",
    "consent.DEFINITION",
)
"""What columns can be called; those of the main address may all begin with `address.`."""

_CODE = re.compile(r"[A-Za-z0-9_-]{1,60}")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in the file, and what of a customer it is."""

    header: str
    kind: Kind
    name: str


def read_columns(header: Sequence[str]) -> tuple[Column, ...]:
    """The columns of a table. Raises WrongFile for one that is unknown, missing or there twice."""
    columns = tuple(_column(name.strip()) for name in header)
    seen: set[tuple[Kind, str]] = set()
    for one in columns:
        if (one.kind, one.name) in seen:
            raise WrongFile(f"column {one.header} is there twice")
        seen.add((one.kind, one.name))
    for name in REQUIRED:
        if ("field", name) not in seen:
            raise WrongFile(f"column {name} is missing")
    return columns


def is_known(header: str) -> bool:
    """Whether a column of this name may be in a file."""
    return _find(header.strip()) is not None


def _column(header: str) -> Column:
    found = _find(header)
    if found is None:
        raise WrongFile(
            f"there is no column {header or 'without a name'}; there are {', '.join(NAMES)}"
        )
    return found


def _find(header: str) -> Column | None:
    group, dot, name = header.partition(".")
    if group == "address" and name in _MAIN:
        return Column(header, "main", name)
    if group == "attribute" and _CODE.fullmatch(name):
        return Column(header, "attribute", name)
    if group == "consent" and _CODE.fullmatch(name):
        return Column(header, "consent", name)
    if dot:
        return None
    if header in _FIELDS:
        return Column(header, "field", header)
    if header in PLACING:
        return Column(header, "placing", header)
    return Column(header, "main", header) if header in _MAIN else None
