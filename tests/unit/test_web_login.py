"""Logging in and out over HTTP."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from web.app import create_app
from web.login import locked, session_router, wrong_password
from web.sessions import Account, Gate, Sessions

ANNA = Account("anna", frozenset({"customer.edit", "card.block"}))


async def _log_in(name: str, password: str) -> Account:
    if name == "locked":
        raise locked(timedelta(minutes=4, seconds=1))
    if (name, password) != ("anna", "secret"):
        raise wrong_password()
    return ANNA


async def _find(name: str) -> Account | None:
    return ANNA if name == "anna" else None


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    sessions = Sessions(lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))
    router = session_router(sessions, Gate(sessions, _find), _log_in)
    transport = httpx.ASGITransport(create_app(title="Test", version="1", routers=[router]))
    async with httpx.AsyncClient(transport=transport, base_url="http://test/api/v1") as opened:
        yield opened


async def test_a_person_logs_in_is_known_and_logs_out(client: httpx.AsyncClient) -> None:
    answer = await client.post("/session", json={"name": "anna", "password": "secret"})
    assert answer.status_code == 201
    opened = answer.json()
    assert opened["rights"] == ["card.block", "customer.edit"]
    assert opened["expires_at"] == "2026-03-02T00:00:00Z"
    client.headers["Authorization"] = f"Bearer {opened['token']}"
    assert (await client.get("/session")).json() == {"name": "anna", "rights": opened["rights"]}
    assert (await client.delete("/session")).status_code == 204
    assert (await client.get("/session")).json()["code"] == "session.required"


@pytest.mark.parametrize("name", ["anna", "nobody"])
async def test_a_wrong_password_and_an_unknown_name_look_alike(
    client: httpx.AsyncClient, name: str
) -> None:
    answer = await client.post("/session", json={"name": name, "password": "guess"})
    assert (answer.status_code, answer.json()["code"]) == (401, "session.wrong_password")
    assert answer.json()["params"] == {}


async def test_a_locked_account_says_how_long(client: httpx.AsyncClient) -> None:
    answer = await client.post("/session", json={"name": "locked", "password": "guess"})
    assert (answer.status_code, answer.json()["code"]) == (429, "session.locked")
    assert answer.json()["text"].endswith("Try again in 5 minutes.")
    assert answer.headers["Retry-After"] == "241"


async def test_a_password_is_bounded(client: httpx.AsyncClient) -> None:
    answer = await client.post("/session", json={"name": "anna", "password": "x" * 1_001})
    assert answer.json()["fields"][0]["code"] == "request.too_long"
    assert "xxx" not in answer.text
