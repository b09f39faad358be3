"""pydantic's errors in our codes, whether a request or a file brought the value."""

from collections.abc import Mapping
from typing import Any

from contracts.limits import NO_NUL
from web.forms import EXAMPLES

_CODES = {
    "missing": "request.field_missing",
    "extra_forbidden": "request.field_unknown",
    "string_too_long": "request.too_long",
    "string_too_short": "request.too_short",
    "too_long": "request.too_many",
    "too_short": "request.too_few",
    "string_type": "request.no_text",
    "string_unicode": "request.not_utf8",
    "greater_than": "request.too_low",
    "greater_than_equal": "request.too_low",
    "less_than": "request.too_high",
    "less_than_equal": "request.too_high",
    "literal_error": "request.no_choice",
    "enum": "request.no_choice",
    "decimal_parsing": "request.no_number",
    "decimal_type": "request.no_number",
    "union_tag_invalid": "request.no_choice",
    "union_tag_not_found": "request.field_missing",
    "model_attributes_type": "request.no_object",
    "model_type": "request.no_object",
    "dict_type": "request.no_object",
    "list_type": "request.no_list",
    "date_from_datetime_inexact": "request.no_date",
    "part_twice": "request.part_twice",
}
_FAMILIES = {
    "int": "request.no_number",
    "float": "request.no_number",
    "bool": "request.no_yes_or_no",
    "uuid": "request.no_id",
    "date": "request.no_date",
    "datetime": "request.no_date",
}
_PARAMS = {
    "max_length": "limit",
    "min_length": "limit",
    "gt": "limit",
    "ge": "limit",
    "lt": "limit",
    "le": "limit",
    "expected": "choices",
    "expected_tags": "choices",
    "key": "key",
}


def code_and_params(error: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """What one of pydantic's errors is in our codes, whatever field it is about."""
    context = error.get("ctx") or {}
    if error["type"] == "string_pattern_mismatch":
        return _of_form(context["pattern"])
    params = {_PARAMS[name]: str(value) for name, value in context.items() if name in _PARAMS}
    return _code(error["type"]), params


def _of_form(pattern: str) -> tuple[str, dict[str, str]]:
    if pattern == NO_NUL:
        return "request.nul", {}
    example = EXAMPLES.get(pattern)
    if example is None:
        return "request.wrong_value", {}
    return "request.wrong_form", {"example": example}


def _code(kind: str) -> str:
    return _CODES.get(kind) or _FAMILIES.get(kind.partition("_")[0], "request.wrong_value")
