"""Every error of an API is application/problem+json with code, text and the fields at fault."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from structlog.testing import capture_logs

from contracts.customers import Customer
from contracts.limits import NO_NUL
from contracts.texts import catalogue
from erp_node.api.card_models import CardGiven
from erp_node.api.models import AvailabilityShown, NewCustomer
from erp_node.api.models import CustomerFilter as ErpFilter
from erp_node.api.tills import NewTill
from pos_node.api.models import CustomerFilter as TillFilter
from web.app import create_app
from web.forms import EXAMPLES, SCOPE
from web.problems import FieldProblem, Problem

JSON = {"Content-Type": "application/json"}
MiB = 1024 * 1024


def _routes() -> APIRouter:
    router = APIRouter()

    @router.post("/customers")
    async def add(customer: Customer) -> str:
        return customer.code

    @router.post("/files")
    async def take_file(request: Request) -> int:
        return len(await request.body())

    @router.get("/rows")
    async def rows(limit: Annotated[int, Query(le=10)]) -> int:
        return limit

    @router.get("/taken/{name}")
    async def taken(name: str) -> None:
        fields = [FieldProblem("code", "customer.code_taken", {"code": name})]
        raise Problem(409, "customer.code_taken", {"code": name}, fields)

    @router.get("/broken/{name}")
    async def broken(name: str) -> None:
        raise RuntimeError(f"{name} Dupont, 4 rue de la Paix")

    @router.get("/plain")
    async def plain() -> Response:
        return Response("text", media_type="text/plain")

    return router


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(title="Test", version="1", routers=[_routes()])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/api/v1") as opened:
        yield opened


def _problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert (found["status"], found["code"]) == (status, code)
    assert found["text"] not in ("", code)
    assert found["type"] == "about:blank"
    return found


async def test_a_refusal_has_code_text_and_fields_in_the_language_asked(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/taken/AB1", headers={"Accept-Language": "fr-FR,en;q=0.5"})
    found = _problem(answer, 409, "customer.code_taken")
    assert found["text"] == "Le code AB1 est déjà utilisé par un autre client"
    assert found["fields"] == [
        {
            "name": "code",
            "code": "customer.code_taken",
            "text": found["text"],
            "params": {"code": "AB1"},
        }
    ]
    assert answer.headers["Content-Language"] == "fr"
    assert (await client.get("/taken/AB1")).json()["text"].startswith("Code AB1 is already")


async def test_fields_at_fault_are_named_by_their_path(client: httpx.AsyncClient) -> None:
    wrong = {
        "kind": "company",
        "email": "nobody",
        "birth_date": "yesterday",
        "reverse_charge": "perhaps",
        "groups": ["a b"],
        "phone": "1" * 61,
        "addresses": [{"country": "France", "id": 5}],
    }
    found = _problem(await client.post("/customers", json=wrong), 422, "request.invalid")
    assert {one["name"]: one["code"] for one in found["fields"]} == {
        "kind": "request.no_choice",
        "code": "request.field_missing",
        "email": "request.wrong_form",
        "birth_date": "request.no_date",
        "reverse_charge": "request.no_yes_or_no",
        "groups.0": "request.wrong_form",
        "phone": "request.too_long",
        "addresses.0.id": "request.no_id",
        "addresses.0.country": "request.wrong_form",
    }
    assert all(one["text"] in catalogue("en").values() or one["params"] for one in found["fields"])
    assert "At most 60 characters" in str(found["fields"])
    texts = {one["name"]: one["text"] for one in found["fields"]}
    form = "This does not have the expected form, for instance"
    assert texts["email"] == f"{form} anna@example.com"
    assert texts["addresses.0.country"] == f"{form} FR"


async def test_parts_with_the_same_key_are_told_so(client: httpx.AsyncClient) -> None:
    consents = [{"definition": "news", "state": "given"}] * 2
    body = {"kind": "retail", "code": "A", "consents": consents}
    found = _problem(await client.post("/customers", json=body), 422, "request.invalid")
    assert [(one["name"], one["text"]) for one in found["fields"]] == [
        ("consents", "Two of these have the same definition")
    ]


FORMS = (CardGiven, Customer, NewCustomer, NewTill, ErpFilter, TillFilter, AvailabilityShown)


def _patterns(schema: Any) -> Iterator[str]:
    match schema:
        case dict():
            if isinstance(schema.get("pattern"), str):
                yield schema["pattern"]
            for inner in schema.values():
                yield from _patterns(inner)
        case list():
            for inner in schema:
                yield from _patterns(inner)


def test_every_form_a_request_must_have_is_shown_by_an_example() -> None:
    used = {one for form in FORMS for one in _patterns(form.model_json_schema())} - {NO_NUL}
    assert used | {SCOPE} == set(EXAMPLES)
    assert all(re.search(pattern, example) for pattern, example in EXAMPLES.items())


async def test_a_wrong_query_names_its_parameter(client: httpx.AsyncClient) -> None:
    found = _problem(await client.get("/rows?limit=11"), 422, "request.invalid")
    assert [(one["name"], one["code"]) for one in found["fields"]] == [
        ("limit", "request.too_high")
    ]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"kind": ', "request.not_json"),
        (b"[" * 100_000, "request.not_json"),
        (b'{"kind": "caf\xe9"}', "request.not_utf8"),
        (b'{"kind": "retail", "code": "a\\u0000b"}', "request.nul"),
        (b'{"kind": "retail", "code": "a\x00b"}', "request.nul"),
    ],
)
async def test_bodies_that_are_no_json_text_are_refused(
    client: httpx.AsyncClient, body: bytes, code: str
) -> None:
    _problem(await client.post("/customers", content=body, headers=JSON), 400, code)


async def test_a_body_that_does_not_say_it_is_json_is_refused(client: httpx.AsyncClient) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for headers in (form, {}):
        answer = await client.post("/customers", content=b'{"kind": "retail"}', headers=headers)
        _problem(answer, 415, "request.no_json_type")


async def test_half_a_character_is_refused_naming_the_field(client: httpx.AsyncClient) -> None:
    body = b'{"kind": "retail", "code": "\\ud800"}'
    answer = await client.post("/customers", content=body, headers=JSON)
    found = _problem(answer, 422, "request.invalid")
    assert [(one["name"], one["code"]) for one in found["fields"]] == [("code", "request.not_utf8")]


@pytest.mark.parametrize("written", [rb"a\\u0000", rb"\\\\u0000", rb"\"\\u0000"])
async def test_a_backslash_before_u0000_is_text_in_a_body_too(
    client: httpx.AsyncClient, written: bytes
) -> None:
    body = b'{"kind": "retail", "code": "%s"}' % written
    answer = await client.post("/customers", content=body, headers=JSON)
    assert answer.status_code == 200
    assert answer.json() == json.loads(b'"%s"' % written)


async def test_nul_is_found_across_the_pieces_of_a_body(client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'{"code": "a\\', b"u00", b'00"}'):
            yield piece

    _problem(await client.post("/customers", content=pieces(), headers=JSON), 400, "request.nul")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"code": "a\\u0000", "groups": ["x", "\\u0000"], "phone": "1"}', ["code", "groups.1"]),
        (b'{"addresses": [{"town": "a\x00"}]}', ["addresses.0.town"]),
        (b'{"attributes": {"a\\u0000": "b"}}', ["attributes"]),
        (b'"\\u0000"', ["body"]),
        (b'{"code": "\\\\u0000", "phone": "\\\\\\u0000"}', ["phone"]),
        (b'{"code": "\\u0000', []),
        (b"[" * 100_000 + b"\\u0000", []),
    ],
)
async def test_nul_names_the_fields_it_stands_in(
    client: httpx.AsyncClient, body: bytes, fields: list[str]
) -> None:
    answer = await client.post("/customers", content=body, headers=JSON)
    found = _problem(answer, 400, "request.nul")
    assert [one["name"] for one in found["fields"]] == fields
    assert all(one["code"] == "request.nul" for one in found["fields"])


@pytest.mark.parametrize(
    ("path", "fields"), [("/rows?limit=%00&a=1", ["limit"]), ("/taken/a%00b", [])]
)
async def test_nul_in_an_address_is_refused(
    client: httpx.AsyncClient, path: str, fields: list[str]
) -> None:
    found = _problem(await client.get(path), 400, "request.nul")
    assert [one["name"] for one in found["fields"]] == fields


async def test_too_large_is_refused_by_its_announced_length(client: httpx.AsyncClient) -> None:
    answer = await client.post("/customers", content=b" " * (MiB + 1), headers=JSON)
    found = _problem(answer, 413, "request.too_large")
    assert found["params"] == {"limit": str(MiB)}
    assert answer.headers["Connection"] == "close"


async def test_too_large_is_refused_while_it_is_read(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65_536

    answer = await client.post("/customers", content=endless(), headers=JSON)
    _problem(answer, 413, "request.too_large")


async def test_the_largest_allowed_body_is_read(client: httpx.AsyncClient) -> None:
    start = b'{"kind": "retail", "code": "A1"'
    body = start + b" " * (MiB - len(start) - 1) + b"}"
    answer = await client.post("/customers", content=body, headers=JSON)
    assert (answer.status_code, answer.json()) == (200, "A1")


async def test_one_path_may_take_more() -> None:
    app = create_app(
        title="Test", version="1", routers=[_routes()], larger_bodies={"/api/v1/files": 2 * MiB}
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/api/v1") as client:
        more = b" " * (MiB + 1)
        assert (await client.post("/files", content=more)).json() == MiB + 1
        _problem(await client.post("/files", content=more * 2), 413, "request.too_large")


async def test_unknown_paths_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    _problem(await client.get("/nothing"), 404, "request.no_such_path")
    _problem(await client.get("/rows/"), 404, "request.no_such_path")
    answer = await client.delete("/customers")
    _problem(answer, 405, "request.no_such_method")
    assert answer.headers["Allow"] == "POST"


async def test_what_nobody_expected_tells_nothing_and_is_logged_without_its_text(
    client: httpx.AsyncClient,
) -> None:
    with capture_logs() as lines:
        answer = await client.get("/broken/Jeanne?phrase=Dupont")
    found = _problem(answer, 500, "server.failed")
    assert "Dupont" not in answer.text
    assert found["fields"] == []
    failed = next(line for line in lines if line["action"] == "request_failed")
    assert failed["error"].startswith("RuntimeError | ")
    assert "test_web_problems.py" in failed["error"]
    assert "Dupont" not in str(lines)
    assert "Jeanne" not in str(lines)


async def test_the_access_log_names_the_route_and_not_what_was_asked(
    client: httpx.AsyncClient,
) -> None:
    with capture_logs() as lines:
        await client.get("/taken/Jeanne?phrase=Dupont")
    (line,) = lines
    assert (line["method"], line["status"], line["route"]) == ("GET", 409, "/taken/{name}")
    assert line["ms"] >= 0
    assert "Jeanne" not in str(lines)
    assert "Dupont" not in str(lines)


async def test_a_request_keeps_its_id_or_gets_one(client: httpx.AsyncClient) -> None:
    kept = await client.get("/plain", headers={"X-Request-Id": "till-7-42"})
    assert kept.headers["X-Request-Id"] == "till-7-42"
    forged = await client.get("/plain", headers={"X-Request-Id": "a b\x01"})
    assert len(forged.headers["X-Request-Id"]) == 32


async def test_answers_are_not_kept_framed_or_guessed(client: httpx.AsyncClient) -> None:
    for path in ("/plain", "/nothing", "/broken/x"):
        headers = (await client.get(path)).headers
        assert headers["Cache-Control"] == "no-store", path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


async def test_the_error_model_is_in_the_openapi_document(client: httpx.AsyncClient) -> None:
    document = (await client.get("http://test/openapi.json")).json()
    answers = document["paths"]["/api/v1/customers"]["post"]["responses"]
    assert {"400", "413", "422", "500"} <= set(answers)
    assert answers["422"]["content"] == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemShown"}}
    }
    assert "HTTPValidationError" not in document["components"]["schemas"]
