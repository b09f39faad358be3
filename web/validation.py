"""What a request got wrong, from pydantic's errors to our codes, naming the path of each field."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from contracts.limits import NO_NUL
from web.forms import EXAMPLES
from web.language import language_of
from web.problems import FieldProblem, Problem, problem_response

_PLACES = frozenset({"body", "query", "path", "header", "cookie"})
_SHOWN_AT_MOST = 50

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


async def answer_invalid(request: Request, error: Exception) -> Response:
    """The handler of RequestValidationError in a FastAPI application."""
    assert isinstance(error, RequestValidationError)
    return problem_response(invalid(error.errors()), language_of(request))


def invalid(errors: Iterable[Mapping[str, Any]]) -> Problem:
    """422 request.invalid with every field at fault, 400 when the body is no JSON, 415 when it does not say so."""
    found = list(errors)
    if any(one["type"] == "json_invalid" for one in found):
        return Problem(400, "request.not_json")
    if any(one["loc"] == ("body",) and isinstance(one.get("input"), bytes) for one in found):
        return Problem(415, "request.no_json_type")
    fields = [_field(one) for one in found[:_SHOWN_AT_MOST]]
    return Problem(422, "request.invalid", fields=fields)


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


def _field(error: Mapping[str, Any]) -> FieldProblem:
    code, params = code_and_params(error)
    return FieldProblem(_path(error["loc"]), code, params)


def _code(kind: str) -> str:
    return _CODES.get(kind) or _FAMILIES.get(kind.partition("_")[0], "request.wrong_value")


def _path(steps: tuple[int | str, ...]) -> str:
    """`body.addresses.0.country` as its client wrote it: `addresses.0.country`."""
    inner = steps[1:] if steps and steps[0] in _PLACES else steps
    return ".".join(str(step) for step in inner) or "body"
