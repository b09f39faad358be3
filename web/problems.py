"""Every error as application/problem+json (RFC 9457), with a stable code and a text in the language asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from contracts.texts import Language, text
from web.language import language_of

MEDIA_TYPE = "application/problem+json"
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field; `name` is its path, for instance `addresses.0.country`."""

    name: str
    code: str
    params: Mapping[str, str] = field(default_factory=dict)


class Problem(Exception):
    """A request that is refused: HTTP status, stable text code, its parameters, and the fields at fault."""

    def __init__(
        self,
        status: int,
        code: str,
        params: Mapping[str, str] = _NONE,
        fields: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] = _NONE,
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.params = dict(params)
        self.fields = tuple(fields)
        self.headers = dict(headers)


class Shown(BaseModel):
    """A decision as clients get it: the code to act on, the text to show."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="stable; decide by it", examples=["customer.code_taken"])
    text: str = Field(description="in the language of Accept-Language (en, fr)")
    params: dict[str, str] = Field(default={}, description="the values in the text")


class FieldShown(Shown):
    """One field at fault."""

    name: str = Field(description="path of the field", examples=["addresses.0.country"])


class ProblemShown(Shown):
    """An error, RFC 9457 with members of our own."""

    type: Literal["about:blank"] = "about:blank"
    title: str = Field(description="the HTTP status in words")
    status: int
    fields: list[FieldShown] = []


def show(code: str, params: Mapping[str, str], language: Language) -> Shown:
    """A code with its text, for answers that are no errors: banners, warnings, verdicts."""
    return Shown(code=code, text=text(code, params, language), params=dict(params))


def problem_response(problem: Problem, language: Language) -> Response:
    """The answer that tells a client about a problem."""
    shown = ProblemShown(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        fields=[
            FieldShown(
                name=one.name,
                code=one.code,
                text=text(one.code, {"field": one.name, **one.params}, language),
                params=dict(one.params),
            )
            for one in problem.fields
        ],
        **show(problem.code, problem.params, language).model_dump(),
    )
    headers = {"Content-Language": language, "Vary": "Accept-Language", **problem.headers}
    body = shown.model_dump_json().encode()
    return Response(body, problem.status, headers=headers, media_type=MEDIA_TYPE)


async def answer_problem(request: Request, problem: Exception) -> Response:
    """The handler of Problem in a FastAPI application."""
    assert isinstance(problem, Problem)
    return problem_response(problem, language_of(request))
