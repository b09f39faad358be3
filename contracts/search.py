"""Questions about customers only the ERP can answer now: searching, fetching, asking for a code."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.customers import Customer, CustomerKind
from contracts.feed import State
from contracts.matching import (
    Column,
    Query,
    attribute_filter,
    country_filter,
    group_filter,
    kind_filter,
    parse,
)

SHOWN_AT_MOST = 6
"""SEARCH-6, SEARCH-7: this many rows are shown; one more and none is."""


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class AttributeValue(Wire):
    attribute: str
    value: str


class Criteria(Wire):
    """What is searched, locally and in the ERP alike (SEARCH-4, LIST-2, LIST-3)."""

    phrase: Annotated[str, Field(max_length=200)] = ""
    column: Annotated[Column | None, Field(description="None: All")] = None
    attribute: Annotated[str | None, Field(description="search this attribute's column")] = None
    country_shown: bool = False
    kind: CustomerKind | None = None
    country: str | None = None
    groups: list[str] = []
    attributes: list[AttributeValue] = []

    def query(self) -> Query:
        """The criteria made ready for an index."""
        filters = [group_filter(group) for group in self.groups]
        filters += [attribute_filter(one.attribute, one.value) for one in self.attributes]
        if self.kind:
            filters.append(kind_filter(self.kind))
        if self.country:
            filters.append(country_filter(self.country))
        return parse(
            self.phrase,
            column=self.column,
            attribute=self.attribute,
            country_shown=self.country_shown,
            filters=filters,
        )


class CustomerSearch(Wire):
    """Online search (SEARCH-4)."""

    criteria: Criteria


class FoundCustomer(Wire):
    """One row found in the ERP and what this till may do with it (SEARCH-11)."""

    id: UUID
    version: int
    usable: bool
    editable: bool
    kind: CustomerKind
    code: str
    name: str
    tax_number: str | None = None
    country: str | None = None
    postal_code: str | None = None
    town: str | None = None
    street: str | None = None
    siret: str | None = None
    email: str | None = None
    identity_document: str | None = None
    phone: str | None = None
    attributes: dict[str, str] = {}


class CustomersFound(Wire):
    """The answer to a search: rows for `found`, none for the other outcomes (SEARCH-6, 7, 8)."""

    outcome: Literal["found", "too_many", "none"]
    rows: Annotated[list[FoundCustomer], Field(max_length=SHOWN_AT_MOST)] = []


class CustomerFetch(Wire):
    """Asks for one complete record, to be stored (SEARCH-9)."""

    customer_id: UUID


class CustomerFetched(Wire):
    """The complete record, or why there is none: `customer.unknown`, `customer.not_available`, …"""

    customer_id: UUID
    refusal: str | None = None
    scope: str | None = None
    version: int = 0
    state: State = "active"
    editors: list[str] | None = None
    words: list[str] = []
    rule: int = 1
    record: Customer | None = None


class CodeCheck(Wire):
    """Asks whether a customer code is free (CUST-3); `customer_id` is who wants it."""

    code: str
    customer_id: UUID | None = None


class CodeChecked(Wire):
    code: str
    taken: bool


class Refused(Wire):
    """A question that was understood but not answered: a text code and what it is about."""

    code: str
    params: dict[str, str] = {}
