"""How a till's customer list looks: columns, their order, and the column a phrase is searched in (LIST-1, LIST-2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from contracts.matching import COLUMNS, Column
from contracts.reference import AttributeDefinition
from pos_node.refusal import Refusal
from web.problems import FieldProblem

DEFAULT_SHOWN = ("kind", "name", "tax_number", "country", "postal_code", "town", "street")
HIDDEN = ("code", "siret", "email", "identity_document", "phone")
ALL = "all"
ATTRIBUTE = "attribute."
_NOT_SEARCHED = ("attributes", "filters")


class View(BaseModel):
    """The list's view, one per till. An attribute's column is `attribute.<code>`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: Annotated[
        list[Annotated[str, Field(max_length=120)]],
        Field(min_length=1, max_length=200, description="shown columns, in order"),
    ] = list(DEFAULT_SHOWN)
    default_column: Annotated[
        str, Field(max_length=120, description="the column a phrase is searched in: `all` or one")
    ] = ALL


@dataclass(frozen=True, slots=True)
class Searched:
    """Where a phrase is looked for: None twice means *All*."""

    column: Column | None = None
    attribute: str | None = None


def possible_columns(attributes: Iterable[AttributeDefinition]) -> tuple[str, ...]:
    """Every column the list can show: one per customer attribute comes last."""
    return (*DEFAULT_SHOWN, *HIDDEN, *(f"{ATTRIBUTE}{one.code}" for one in attributes))


def check_view(view: View, attributes: Sequence[AttributeDefinition]) -> None:
    """Raises Refusal `view.wrong_column`, naming each column that is unknown or there twice."""
    possible = possible_columns(attributes)
    wrong = [
        FieldProblem(f"columns.{place}", "view.wrong_column", {"column": name})
        for place, name in enumerate(view.columns)
        if name not in possible or name in view.columns[:place]
    ]
    if view.default_column != ALL:
        searched_in(view.default_column, possible, "default_column")
    if wrong:
        raise Refusal("view.wrong_column", wrong[0].params, wrong)


def searched_in(name: str, possible: Sequence[str], field: str = "column") -> Searched:
    """The column chosen for a phrase. Raises Refusal `view.wrong_column`, naming the field."""
    if name == ALL:
        return Searched()
    if name.startswith(ATTRIBUTE) and name in possible:
        return Searched(attribute=name.removeprefix(ATTRIBUTE))
    for column in COLUMNS:
        if column == name and name not in _NOT_SEARCHED:
            return Searched(column=column)
    params = {"column": name}
    raise Refusal("view.wrong_column", params, [FieldProblem(field, "view.wrong_column", params)])
