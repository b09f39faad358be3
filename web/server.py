"""An HTTP server inside a running loop, beside a node's other tasks."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

GRACE_SECONDS = 5


class AddressTaken(OSError):
    """The address cannot be listened on; the text says which and why."""


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A socket that listens from now on; port 0 takes a free one (see `port_of`). Raises AddressTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise AddressTaken(error.errno, f"{host}:{port}: {error.strerror}") from None


def port_of(listener: socket.socket) -> int:
    """The port a socket got."""
    port: int = listener.getsockname()[1]
    return port


async def serve(
    app: ASGIApp, listener: socket.socket, *, ready: asyncio.Event | None = None
) -> None:
    """Answers requests until cancelled, then ends: requests under way get GRACE_SECONDS, or until cancelled again.

    Sets `ready` once requests are answered. Leaves signals and logging to the process; closes `listener`.
    """
    server = _QuietServer(_config(app), ready or asyncio.Event())
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        server.should_exit = True
        await running
        raise
    finally:
        listener.close()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class _QuietServer(uvicorn.Server):
    """Takes no signals, and tells when it has started."""

    def __init__(self, config: uvicorn.Config, ready: asyncio.Event) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()
