"""What the ERP's API takes and gives about customers."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.customers import REQUIRED, Code, Country, Customer, CustomerKind, display_name
from contracts.matching import Column
from contracts.search import AttributeValue, Criteria
from erp_node.customers import Availability
from erp_node.store.customers import Held, StoredLine
from erp_node.store.listing import ListedState
from web.forms import ATTRIBUTE_VALUE
from web.problems import Shown
from web.strict import strict

Centres = Annotated[list[Code], Field(max_length=10_000)]


class CustomerFilter(BaseModel):
    """What is looked for, as at a till (SEARCH-4, LIST-2, LIST-3)."""

    model_config = ConfigDict(extra="forbid")

    phrase: Annotated[str, Field(max_length=200, examples=["dup lyo"])] = ""
    column: Annotated[Column | None, Field(description="left out: All (LIST-2)")] = None
    attribute: Annotated[Code | None, Field(description="search this attribute's column")] = None
    country_shown: Annotated[bool, Field(description="All searches the country, too")] = False
    kind: CustomerKind | None = None
    country: Country | None = None
    groups: Annotated[list[Code], Field(max_length=20)] = []
    attributes: Annotated[
        list[Annotated[str, Field(pattern=ATTRIBUTE_VALUE, max_length=311)]],
        Field(max_length=20, description="`<attribute>:<value>`"),
    ] = []
    state: Annotated[ListedState | None, Field(description="left out: both")] = None
    after: Annotated[str | None, Field(max_length=60, description="`next` of the page before")] = (
        None
    )
    limit: Annotated[int, Field(ge=1, le=500)] = 50

    def criteria(self) -> Criteria:
        """The criteria as both stores take them."""
        chosen = (one.partition(":") for one in self.attributes)
        return Criteria(
            phrase=self.phrase,
            column=self.column,
            attribute=self.attribute,
            country_shown=self.country_shown,
            kind=self.kind,
            country=self.country,
            groups=self.groups,
            attributes=[AttributeValue(attribute=name, value=value) for name, _, value in chosen],
        )


class AvailabilityShown(BaseModel):
    """Who may use and edit a customer (SYNC-1, SYNC-4, CUST-1)."""

    model_config = ConfigDict(extra="forbid")

    everywhere: Annotated[bool, Field(description="available to every centre")]
    centres: Annotated[Centres, Field(description="or to these")] = []
    editors: Annotated[
        Centres | None, Field(description="centres that may edit it; null: all that may use it")
    ] = None

    def availability(self) -> Availability:
        editors = None if self.editors is None else tuple(self.editors)
        return Availability(self.everywhere, tuple(self.centres), editors)


class NewCustomer(BaseModel):
    """A customer to be made. Without `everywhere` and `centres` it is available everywhere."""

    model_config = ConfigDict(extra="forbid")

    record: Annotated[Customer, strict(Customer)]
    everywhere: bool | None = None
    centres: Centres = []
    editors: Centres | None = None
    is_customer: Annotated[bool, Field(description="false: prospect or supplier (SYNC-1)")] = True

    def availability(self) -> Availability:
        everywhere = not self.centres if self.everywhere is None else self.everywhere
        editors = None if self.editors is None else tuple(self.editors)
        return Availability(everywhere, tuple(self.centres), editors)


class StateWanted(BaseModel):
    """What is not named stays as it is."""

    model_config = ConfigDict(extra="forbid")

    active: Annotated[bool | None, Field(description="false: leaves the tills (SYNC-4)")] = None
    is_customer: Annotated[bool | None, Field(description="the option Customer (SYNC-1)")] = None


class CustomerLine(BaseModel):
    """A customer as the ERP holds it, without its record."""

    id: UUID
    version: int
    state: Literal["active", "inactive", "deleted", "anonymised"]
    is_customer: bool
    availability: AvailabilityShown
    kind: CustomerKind | None
    code: str | None
    name: str

    @staticmethod
    def of(held: Held) -> "CustomerLine":
        return CustomerLine(**_line(held))


class CustomerPage(BaseModel):
    """Customers ordered by code; `next` goes into `after` for the page behind this one."""

    rows: list[CustomerLine]
    next: str | None = None


class CustomerShown(CustomerLine):
    """A complete customer. `warnings`: what should be looked at, for instance CUST-5."""

    record: Annotated[
        Customer | None, Field(description="null: what was put there by SQL is no valid record")
    ]
    warnings: list[Shown] = []

    @staticmethod
    def whole(
        held: Held, record: Customer | None, warnings: Sequence[Shown] = ()
    ) -> "CustomerShown":
        return CustomerShown(**_line(held), record=record, warnings=list(warnings))


class HistoryRow(BaseModel):
    """One field changed by somebody (SYNC-3). An empty `path` is the making of the customer."""

    id: int
    version: int
    at: datetime
    changed_by: str
    changed_where: Annotated[str, Field(examples=["erp", "pos.lyon-1", "sql", "import"])]
    path: str
    old: Any = None
    new: Any = None
    kept: Annotated[bool, Field(description="false: lost against the ERP's value (CUST-13)")]

    @staticmethod
    def of(stored: StoredLine) -> "HistoryRow":
        line = stored.line
        return HistoryRow(
            id=stored.id,
            version=line.version,
            at=line.at,
            changed_by=line.by,
            changed_where=line.where,
            path=line.path,
            old=_value(line.old),
            new=_value(line.new),
            kept=line.kept,
        )


class History(BaseModel):
    """The newest changes first; `next` goes into `before` for older ones."""

    rows: list[HistoryRow]
    next: int | None = None


def _line(held: Held) -> dict[str, Any]:
    """Read without validation: a record that was put there wrong by SQL must not hide the others."""
    fields = held.record
    kind = _kind(fields.get("kind"))
    names = (_text(fields.get(part)) for part in ("name", "first_name", "last_name"))
    return {
        "id": held.id,
        "version": held.version,
        "state": held.state,
        "is_customer": held.is_customer,
        "availability": AvailabilityShown(
            everywhere=held.everywhere,
            centres=list(held.centres),
            editors=None if held.editors is None else list(held.editors),
        ),
        "kind": kind,
        "code": _text(fields.get("code")),
        "name": display_name(kind, *names),
    }


def _kind(value: object) -> CustomerKind | None:
    return next((kind for kind in REQUIRED if kind == value), None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _value(text: str | None) -> object:
    value: object = None if text is None else json.loads(text)
    return value
