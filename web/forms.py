"""The forms that texts in a request must have, and one text of each, to be shown to who wrote another."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter

from contracts.cards import CardNumber
from contracts.customers import Code, Country, Email
from contracts.topology import POS_ID

ATTRIBUTE_VALUE = r"^[A-Za-z0-9_-]{1,60}:."
"""An attribute and the value looked for."""
SCOPE = r"^(all|all\.customers|centre\.[A-Za-z0-9_-]+(\.customers)?|pos\.[a-z0-9-]+)$"


def _pattern_of(form: Any) -> str:
    pattern: str = TypeAdapter(form).json_schema()["pattern"]
    return pattern


EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        _pattern_of(Code): "lyon-1",
        _pattern_of(Country): "FR",
        _pattern_of(Email): "anna@example.com",
        _pattern_of(CardNumber): "2900012345",
        POS_ID: "lyon-2",
        ATTRIBUTE_VALUE: "colour:red",
        SCOPE: "centre.lyon.customers",
    }
)
"""By pattern."""
