"""From what a client asks for to the criteria of a search, here and in the ERP alike (SEARCH-4)."""

from collections.abc import Sequence

from contracts.reference import AttributeDefinition
from contracts.search import AttributeValue, Criteria
from pos_node.api.models import CustomerFilter
from pos_node.view import View, possible_columns, searched_in


def criteria_of(
    asked: CustomerFilter, view: View, attributes: Sequence[AttributeDefinition]
) -> Criteria:
    """What is not said is as in the till's view. Raises Refusal `view.wrong_column`."""
    column = asked.column or view.default_column
    searched = searched_in(column, possible_columns(attributes))
    shown = "country" in view.columns if asked.country_shown is None else asked.country_shown
    return Criteria(
        phrase=asked.phrase,
        column=searched.column,
        attribute=searched.attribute,
        country_shown=shown,
        kind=asked.kind,
        country=asked.country,
        groups=asked.groups,
        attributes=[_attribute_value(one) for one in asked.attributes],
    )


def _attribute_value(choice: str) -> AttributeValue:
    attribute, _, value = choice.partition(":")
    return AttributeValue(attribute=attribute, value=value)
