"""A customer's record as JSON has it, read field by field when asked (CUST-13).

To read a whole record and to write it again takes longer than everything else that is done to a change
in the ERP, and a change is about one field of thirty.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from operator import is_not
from typing import Any, Self

import msgspec

from contracts.limits import RECORD_BYTES

_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read = msgspec.json.Decoder().decode
_write = msgspec.json.Encoder().encode

Value = Any
"""A JSON value: a field's, or a whole part's when it was added or taken away."""


_MOST_WIRE = 6
"""Bytes that one sign of a record's text comes to at most: four of UTF-8, half as much again by blanks."""


def oversize(text: str) -> int | None:
    """How many bytes a record comes to that no till could be sent, None when it can be (RECORD_BYTES)."""
    if len(text) * _MOST_WIRE <= RECORD_BYTES:
        return None
    size = wire_bytes(text)
    return size if size > RECORD_BYTES else None


def wire_bytes(text: str) -> int:
    """The size of a record as PostgreSQL writes it: with a blank after each comma and colon."""
    return len(json.dumps(json.loads(text), ensure_ascii=False).encode())


class Record(Mapping[str, Value]):
    """Fields by name, absent ones missing. It never changes; a field that was not touched is kept to the letter."""

    __slots__ = ("_raw",)

    def __init__(self, text: str | bytes) -> None:
        """Raises msgspec.DecodeError unless the text is a JSON object."""
        self._raw: dict[str, msgspec.Raw] = _split(text)

    def __getitem__(self, name: str) -> Value:
        return _read(self._raw[name])

    def get(self, name: str, default: Value = None) -> Value:
        raw = self._raw.get(name)
        return default if raw is None else _read(raw)

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __eq__(self, other: object) -> bool:
        """Whether the values are equal, however they are written."""
        if not isinstance(other, Record):
            return NotImplemented
        return self._raw.keys() == other._raw.keys() and self.same(other, self._raw)

    __hash__ = None  # type: ignore[assignment]

    def same(self, other: Self, names: Collection[str]) -> bool:
        """Whether these fields have equal values in both."""
        mine, theirs = self._raw.get, other._raw.get
        if not any(map(is_not, map(mine, names), map(theirs, names))):
            return True  # as nearly always: a loop in Python takes three times as long
        return all(self.get(name) == other.get(name) for name in names)

    def replaced(self, values: Mapping[str, Value]) -> Self:
        """The record with these values; None takes a field away."""
        made = type(self).__new__(type(self))
        made._raw = raw = self._raw.copy()
        for name, value in values.items():
            if value is None:
                raw.pop(name, None)
            else:
                raw[name] = msgspec.Raw(_write(value))
        return made

    def encode(self) -> str:
        """The JSON of it."""
        return _write(self._raw).decode()
