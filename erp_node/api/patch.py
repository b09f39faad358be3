"""A customer with some fields changed: absent means untouched, null or blank means no value (RFC 7396)."""

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field, ValidationError, model_validator

from contracts.customers import Code, Customer, CustomerKind, Short, Text
from web.validation import invalid


class CustomerPatch(Customer):
    """Fields of a customer to change. A list replaces the whole list; `attributes` are merged, null takes one away."""

    model_config = ConfigDict(extra="forbid")

    kind: CustomerKind | None = None  # type: ignore[assignment]
    code: Short | None = None  # type: ignore[assignment]
    attributes: dict[Code, Text | None] = Field(default={})  # type: ignore[assignment]

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        return {
            name: None if isinstance(value, str) and not value.strip() else value
            for name, value in given.items()
        }


def patched(customer: Customer, patch: CustomerPatch) -> Customer:
    """The customer with the fields a patch names. Raises Problem request.invalid, naming the fields."""
    tree = customer.model_dump(mode="json", exclude_none=True)
    given = patch.model_dump(mode="json", exclude_unset=True)
    given["attributes"] = _merged(tree["attributes"], given.get("attributes", {}))
    try:
        return Customer.model_validate(_merged(tree, given))
    except ValidationError as error:
        raise invalid(error.errors()) from None


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**old, **new}.items() if value is not None}
