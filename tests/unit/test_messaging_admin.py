"""What the management API answers when a connection ends by itself while it is being closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from messaging.admin import Admin, AdminError


@asynccontextmanager
async def management(*answers: str) -> AsyncIterator[str]:
    """Answers one request after the other with these status lines, the last one for ever; its URL."""
    left = list(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readline()).strip():
            pass
        status = left.pop(0) if len(left) > 1 else left[0]
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://guest:guest@127.0.0.1:{port}"


@pytest.mark.parametrize("last", ["204 No Content", "404 Not Found"])
async def test_a_connection_that_is_just_ending_is_closed_again(last: str) -> None:
    failed = "500 Internal Server Error"
    async with management(failed, failed, last) as url, Admin(url, "shop") as admin:
        await admin.close_connection("10.0.0.1:1 -> 10.0.0.2:2", "till withdrawn")


async def test_a_broker_that_only_fails_is_an_error_that_says_so() -> None:
    failed = "500 Internal Server Error"
    async with management(failed) as url, Admin(url, "shop") as admin:
        with pytest.raises(AdminError, match=r"connections/x: 500"):
            await admin.close_connection("x", "till withdrawn")


async def test_another_refusal_is_not_tried_again() -> None:
    async with management("403 Forbidden", "204 No Content") as url, Admin(url, "shop") as admin:
        with pytest.raises(AdminError, match="403"):
            await admin.close_connection("x", "till withdrawn")
