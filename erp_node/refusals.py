"""Why a change of a customer is not made: rules of business, answered with a text code. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from contracts.customers import REQUIRED, Address, code_key, missing_fields, second_main
from contracts.limits import RECORD_BYTES
from contracts.record import oversize
from contracts.visibility import has_invisible
from erp_node.store.customers import Held


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


def refuse_record(held: Held, before: Held | None = None) -> Refusal | None:
    """Why a record cannot be stored (CUST-2), or None. `before`: what it takes the place of, whose code is let be."""
    kind = held.record.get("kind")
    if kind not in REQUIRED:
        return Refusal("customer.field_invalid", field="kind")
    if missing := missing_fields(kind, held.record.get):
        return Refusal("customer.field_required", field=missing[0])
    if has_invisible(held.code) and not _same_code(before, held):
        return Refusal("customer.code_invisible", field="code")
    if size := oversize(held.text):
        return Refusal("customer.too_large", {"size": str(size), "limit": str(RECORD_BYTES)})
    return None


def _same_code(before: Held | None, after: Held) -> bool:
    return before is not None and code_key(before.code) == code_key(after.code)


def refuse_second_main(before: Held | None, after: Sequence[Address]) -> Refusal | None:
    """Why addresses cannot be put in place of a customer's (ADDR-1), or None: those that were stored so stay."""
    at = second_main(after)
    if at is None or (before is not None and _addresses_of(before) == list(after)):
        return None
    return Refusal("address.second_main", field=f"addresses.{at}.type")


def _addresses_of(held: Held) -> list[Address] | None:
    """None of a record that SQL made invalid."""
    try:
        return list(held.customer.addresses)
    except ValidationError:
        return None


def refuse_invalid(error: ValidationError) -> Refusal:
    """The first wrong field of a record."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    code = "customer.field_required" if first["type"] == "missing" else "customer.field_invalid"
    return Refusal(code, field=".".join(str(step) for step in first["loc"]))
