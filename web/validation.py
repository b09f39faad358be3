"""What a request got wrong, naming the path of each field."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from web.field_codes import code_and_params
from web.language import language_of
from web.problems import FieldProblem, Problem, problem_response

_PLACES = frozenset({"body", "query", "path", "header", "cookie"})
_SHOWN_AT_MOST = 50


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


def _field(error: Mapping[str, Any]) -> FieldProblem:
    code, params = code_and_params(error)
    return FieldProblem(_path(error["loc"]), code, params)


def _path(steps: tuple[int | str, ...]) -> str:
    """`body.addresses.0.country` as its client wrote it: `addresses.0.country`."""
    inner = steps[1:] if steps and steps[0] in _PLACES else steps
    return ".".join(str(step) for step in inner) or "body"
