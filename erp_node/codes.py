"""CUST-4: the code a customer gets when the one it came with is taken. Pure."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias
from uuid import UUID

from contracts.customers import code_key
from erp_node.callers import Till

COUNTED = 9
"""So many codes of a series are tried before one that nobody else can have."""

_LONGEST = 60

Owners: TypeAlias = Mapping[str, UUID]
"""Who has a code, by its key (contracts.customers.code_key); free ones are missing."""


def free_code(code: str, customer_id: UUID, series: str, owners: Owners) -> str:
    """CUST-4: the code itself when nobody else has it, otherwise the first free one of the series."""
    for candidate in (code, *codes_in_series(code, customer_id, series)):
        if owners.get(code_key(candidate), customer_id) == customer_id:
            return candidate
    raise LookupError("every code of the series is taken")


def codes_in_series(code: str, customer_id: UUID, series: str) -> Iterator[str]:
    """The codes a clashing one may get: prefixed, then counted, and last one that nobody else has."""
    prefix = series if series.endswith(("-", "_")) else f"{series}-"
    yield _fitting(prefix, code, "")
    for count in range(2, COUNTED + 1):
        yield _fitting(prefix, code, f"-{count}")
    yield _fitting(prefix, "", customer_id.hex)


def series_of(till: Till) -> str:
    """CUST-4: what stands before a clashing code of a till."""
    return till.settings.code_series or till.pos_id


def _fitting(prefix: str, code: str, suffix: str) -> str:
    return prefix + code[: _LONGEST - len(prefix) - len(suffix)] + suffix
