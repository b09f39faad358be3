"""The HTTP server beside other tasks of one loop."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from fastapi import APIRouter

from web.app import create_app
from web.server import AddressTaken, listen, port_of, serve


@asynccontextmanager
async def _served(router: APIRouter) -> AsyncIterator[tuple[str, asyncio.Task[None]]]:
    listener = listen()
    url = f"http://127.0.0.1:{port_of(listener)}"
    ready = asyncio.Event()
    app = create_app(title="Test", version="1", routers=[router])
    task = asyncio.create_task(serve(app, listener, ready=ready))
    await ready.wait()
    try:
        yield url, task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_it_serves_on_a_free_port_until_cancelled_and_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    async with _served(APIRouter()) as (url, task):
        assert signal.getsignal(signal.SIGINT) is before
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{url}/healthz")
            assert answer.json() == {"status": "ok"}
            assert "Server" not in answer.headers
    assert task.cancelled()
    with pytest.raises(httpx.ConnectError):
        await asyncio.to_thread(httpx.get, f"{url}/healthz")


async def test_a_request_under_way_is_answered_before_the_end() -> None:
    router = APIRouter()
    begun, may_end = asyncio.Event(), asyncio.Event()

    @router.get("/slow")
    async def slow() -> str:
        begun.set()
        await may_end.wait()
        return "done"

    async with _served(router) as (url, task), httpx.AsyncClient() as client:
        asked = asyncio.create_task(client.get(f"{url}/api/v1/slow"))
        await begun.wait()
        task.cancel()
        asyncio.get_running_loop().call_soon(may_end.set)
        assert (await asked).json() == "done"


def test_a_taken_address_is_one_clear_line() -> None:
    with listen() as listener, pytest.raises(AddressTaken, match=r"127\.0\.0\.1:\d+: "):
        listen(port=port_of(listener))


def test_loopback_is_the_default() -> None:
    with listen() as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert isinstance(listener, socket.socket)
