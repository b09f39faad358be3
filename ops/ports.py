"""Free ports on loopback, kept for us while the server that uses them is down."""

import socket
from types import TracebackType
from typing import Self


class Ports:
    """Reserves ports of 127.0.0.1 until closed.

    A reserved port stays bound here without listening. The server binds beside it, which both allow
    by SO_REUSEADDR, while another search for a free port and the kernel's choice for outgoing
    connections pass it by. So a server that was killed finds its port again when it starts.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def reserve(self) -> int:
        """A port nobody else uses."""
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sockets.append(held)
        held.bind(("127.0.0.1", 0))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port: int = held.getsockname()[1]
        return port

    def close(self) -> None:
        """Gives every port back."""
        for held in self._sockets:
            held.close()
        self._sockets.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
