"""Reading a record that a database kept: as strictly as the model does, in a third of its time when all is well."""

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
from pydantic import AfterValidator

from contracts.customers import Customer
from contracts.decoders import struct_of
from contracts.limits import NO_NUL

StoredCustomer: TypeAlias = Any
"""A Customer, or a struct with its fields."""

_MAYBE_BLANK = re.compile(r'"(?:[^\S ]|: ?" )')
"""A text that begins with a space may be nothing else, which the model does not take for a text."""


def _is_looked_at_here(part: object) -> bool:
    """What the struct leaves out: `_is_plain` and `_has_repeated` stand for it."""
    return isinstance(part, AfterValidator) or getattr(part, "pattern", None) == NO_NUL


_read = msgspec.json.Decoder(struct_of(Customer, unchecked=_is_looked_at_here)).decode


def read_stored(record: str) -> StoredCustomer:
    """The customer of a stored record. Raises pydantic.ValidationError.

    It accepts what `Customer` accepts and nothing else; whatever is unusual is left to `Customer` itself.
    """
    if _is_plain(record):
        try:
            found = _read(record)
        except msgspec.DecodeError:
            pass
        else:
            if not _has_repeated(found):
                return found
    return Customer.model_validate_json(record)


def _is_plain(record: str) -> bool:
    """No character is written as a number, and no text begins with a space."""
    return "\\" not in record and not _MAYBE_BLANK.search(record)


def _has_repeated(found: Any) -> bool:
    """Whether two parts have the same key."""
    owners = (found, *found.addresses, *found.contacts)
    return (
        _repeats(found.addresses, "id")
        or _repeats(found.contacts, "id")
        or any(_repeats(one.consents, "definition") for one in owners)
    )


def _repeats(parts: Sequence[object], key: str) -> bool:
    return len(parts) > 1 and len({getattr(part, key) for part in parts}) < len(parts)
