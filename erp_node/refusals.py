"""Why a change of a customer is not made: rules of business, answered with a text code. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from contracts.customers import REQUIRED, Address, missing_fields, second_main
from contracts.limits import RECORD_BYTES
from erp_node.store.customers import Held

_MOST_WIRE = 6
"""Bytes that one sign of a record's text comes to at most: four of UTF-8, half as much again by blanks."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule says no: a text code, what fills its text, and the field it is about, if any."""

    code: str
    params: Mapping[str, str] = field(default_factory=dict)
    field: str | None = None


UNKNOWN = Refusal("customer.unknown")


def refuse_edit(held: Held | None, centre: str) -> Refusal | None:
    """Why a centre may not edit a customer (CUST-1, PREV-2, ANON-4), or None."""
    if held is None:
        return UNKNOWN
    if held.state in ("deleted", "anonymised"):
        return Refusal(f"customer.{held.state}")
    if not held.usable_at(centre):
        return Refusal("customer.not_available")
    if not held.editable_at(centre):
        return Refusal("customer.no_edit_right", {"name": held.display_name})
    return None


def refuse_record(held: Held) -> Refusal | None:
    """Why a record cannot be stored (CUST-2), or None."""
    kind = held.record.get("kind")
    if kind not in REQUIRED:
        return Refusal("customer.field_invalid", field="kind")
    if missing := missing_fields(kind, held.record.get):
        return Refusal("customer.field_required", field=missing[0])
    if len(held.text) * _MOST_WIRE > RECORD_BYTES and wire_bytes(held) > RECORD_BYTES:
        return Refusal("customer.too_large", {"limit": str(RECORD_BYTES)})
    return None


def refuse_second_main(before: Sequence[Address], after: Sequence[Address]) -> Refusal | None:
    """Why addresses cannot be put in place of others (ADDR-1), or None: those that were stored so stay."""
    at = second_main(after)
    if at is None or list(after) == list(before):
        return None
    return Refusal("address.second_main", field=f"addresses.{at}.type")


def wire_bytes(held: Held) -> int:
    """The size of a record as PostgreSQL writes it: with a blank after each comma and colon."""
    return len(json.dumps(dict(held.record), ensure_ascii=False).encode())


def refuse_invalid(error: ValidationError) -> Refusal:
    """The first wrong field of a record."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    code = "customer.field_required" if first["type"] == "missing" else "customer.field_invalid"
    return Refusal(code, field=".".join(str(step) for step in first["loc"]))
