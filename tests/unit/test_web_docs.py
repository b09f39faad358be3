"""The OpenAPI pages: everything they load comes from the same server."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from web.app import create_app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async def store() -> bool:
        return True

    async def broker() -> bool:
        return False

    app = create_app(
        title="Test", version="1", routers=[], checks={"store": store, "broker": broker}
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as opened:
        yield opened


async def test_the_bare_address_leads_to_the_pages(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/docs")


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_a_page_and_all_it_names_come_from_here(client: httpx.AsyncClient, page: str) -> None:
    answer = await client.get(page)
    assert answer.headers["Content-Type"].startswith("text/html")
    named = re.findall(r"""(?:src|href|spec-url|url)\s*[=:]\s*["']([^"']+)["']""", answer.text)
    assert "/openapi.json" in named
    assert any(name.endswith(".js") for name in named)
    assert any(name.endswith(".png") for name in named)
    for name in named:
        assert name.startswith("/"), name
        found = await client.get(name)
        assert found.status_code == 200, name
        assert found.content


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_a_page_may_ask_no_other_host(client: httpx.AsyncClient, page: str) -> None:
    policy = (await client.get(page)).headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    for name, sources in rules.items():
        allowed = {"'self'", "'unsafe-inline'", "data:", "blob:", "'none'"}
        assert set(sources.split()) <= allowed, name


async def test_health_answers_and_readiness_names_what_is_missing(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "parts": {"store": True, "broker": False}}
