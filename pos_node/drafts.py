"""A customer as a cashier types it: nothing required yet, blanks are no values (CUST-2, CUST-11)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, cast
from uuid import UUID

from pydantic import ConfigDict, Field, ValidationError, model_validator

from contracts.changes import PART_KEYS
from contracts.customers import (
    Address,
    Code,
    Contact,
    Customer,
    CustomerKind,
    Short,
    Side,
    Text,
    missing_fields,
    second_main,
)
from contracts.envelope import dump
from contracts.limits import RECORD_BYTES
from contracts.record import oversize
from contracts.visibility import has_invisible
from pos_node.refusal import Refusal
from web.problems import FieldProblem

NewId = Callable[[], UUID]

READ_ONLY = {
    "description": "customer.description_read_only",
    "lowest_price": "customer.lowest_price_read_only",
}
"""CUST-9, CUST-11: why a till does not write these (contracts.customers.ERP_ONLY)."""


class AddressDraft(Address):
    """An address; a new one may come without id."""

    id: UUID | None = None  # type: ignore[assignment]


class ContactDraft(Contact):
    """A contact person or family member; a new one may come without id, and is the till's."""

    id: UUID | None = None  # type: ignore[assignment]
    origin: Annotated[Side, Field(description="where it was born; a till cannot say otherwise")] = (
        "pos"
    )


class CustomerDraft(Customer):
    """Fields of a customer. A field that is null or blank has no value; one left out is not touched.

    Lists replace the whole list; `attributes` are merged, null takes one away.
    """

    model_config = ConfigDict(extra="forbid")

    kind: CustomerKind | None = None  # type: ignore[assignment]
    code: Short | None = None  # type: ignore[assignment]
    attributes: dict[Code, Text | None] = Field(default={})  # type: ignore[assignment]
    addresses: list[AddressDraft] = Field(default=[], max_length=100)  # type: ignore[assignment]
    contacts: list[ContactDraft] = Field(default=[], max_length=100)  # type: ignore[assignment]

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, given: object) -> object:
        return _without_blanks(given)


def new_customer(draft: CustomerDraft, new_id: NewId) -> Customer:
    """The customer a draft makes. Raises Refusal `customer.incomplete`, marking each missing field (CUST-2)."""
    _check_parts(draft)
    return _with_one_main(_complete(_typed(draft, None, new_id)), None)


def patched(seen: Customer, draft: CustomerDraft, new_id: NewId) -> Customer:
    """The customer with the fields a draft names. Raises Refusal as `new_customer` does."""
    _check_parts(draft)
    typed = _typed(draft, seen, new_id)
    tree = seen.model_dump(mode="json", exclude_none=True)
    attributes = {**tree.get("attributes", {}), **typed.get("attributes", {})}
    return _with_one_main(_complete({**tree, **typed, "attributes": attributes}), seen)


def replaced(seen: Customer, draft: CustomerDraft, new_id: NewId) -> Customer:
    """The customer as the draft has it; what only the ERP writes stays. Raises Refusal as `new_customer`."""
    _check_parts(draft)
    kept = {name: getattr(seen, name) for name in READ_ONLY}
    return _with_one_main(_complete({**kept, **_typed(draft, seen, new_id)}), seen)


def check_read_only(seen: Customer | None, wanted: Customer, default_price: bool) -> None:
    """Raises Refusal when a draft changes what only the ERP writes (CUST-9, CUST-11).

    `default_price` is the lowest price of a new customer (`seen` None): repeating it is no change.
    """
    price = default_price if wanted.lowest_price is not None else None
    before = seen or wanted.model_copy(update={"description": None, "lowest_price": price})
    wrong = [
        FieldProblem(name, code)
        for name, code in READ_ONLY.items()
        if getattr(before, name) != getattr(wanted, name)
    ]
    if wrong:
        raise Refusal(wrong[0].code, fields=wrong)


def check_code(code: str) -> None:
    """Raises Refusal for a new code with signs nobody can see: it would look like another one (CUST-3)."""
    if has_invisible(code):
        raise Refusal(
            "customer.code_invisible", fields=[FieldProblem("code", "customer.code_invisible")]
        )


def check_size(wanted: Customer) -> None:
    """Raises Refusal when a record is so large that the ERP, which sends it to every till, would refuse it."""
    if size := oversize(dump(wanted).decode()):
        params = {"size": str(size), "limit": str(RECORD_BYTES)}
        raise Refusal("customer.too_large", params)


def _without_blanks(given: object) -> object:
    if not isinstance(given, Mapping):
        return given
    return {
        name: None if isinstance(value, str) and not value.strip() else value
        for name, value in given.items()
    }


def _typed(draft: CustomerDraft, seen: Customer | None, new_id: NewId) -> dict[str, Any]:
    """The fields named in a draft, parts with their identity; a contact stays where it was born."""
    tree = draft.model_dump(mode="json", exclude_unset=True)
    origins = {str(one.id): one.origin for one in seen.contacts} if seen else {}
    for name in ("addresses", "contacts"):
        for part in tree.get(name, ()):
            part["id"] = part.get("id") or str(new_id())
    for contact in tree.get("contacts", ()):
        contact["origin"] = origins.get(contact["id"], "pos")
    return tree


def _complete(tree: dict[str, Any]) -> Customer:
    present = {name: value for name, value in tree.items() if value is not None}
    attributes = present.get("attributes", {})
    present["attributes"] = {code: value for code, value in attributes.items() if value is not None}
    if "kind" not in present:
        raise _incomplete(("kind",) if "code" in present else ("kind", "code"))
    try:
        customer = Customer.model_validate({"code": "-", **present})
    except ValidationError as error:  # pragma: no cover - a draft was validated by the same rules
        raise Refusal("request.invalid") from error
    missing = missing_fields(
        customer.kind, partial(getattr, customer.model_copy(update={"code": present.get("code")}))
    )
    if missing:
        raise _incomplete(missing)
    return customer


def _incomplete(names: tuple[str, ...]) -> Refusal:
    marks = [FieldProblem(name, "customer.field_required") for name in names]
    return Refusal("customer.incomplete", fields=marks)


def _with_one_main(customer: Customer, seen: Customer | None) -> Customer:
    """The same. Raises Refusal when two addresses are main ones (ADDR-1), unless they were so before."""
    at = second_main(customer.addresses)
    if at is not None and (seen is None or customer.addresses != seen.addresses):
        wrong = FieldProblem(f"addresses.{at}.type", "address.second_main")
        raise Refusal("request.invalid", fields=[wrong])
    return customer


def _check_parts(draft: CustomerDraft) -> None:
    """Parts are told apart by their key: one that is there twice would be lost."""
    wrong = []
    for name, key in PART_KEYS.items():
        keys = [getattr(part, key) for part in cast("list[object]", getattr(draft, name))]
        wrong += [
            FieldProblem(f"{name}.{place}.{key}", "request.wrong_value")
            for place, one in enumerate(keys)
            if one is not None and one in keys[:place]
        ]
    if wrong:
        raise Refusal("request.invalid", fields=wrong)
