"""A broker that accepts a connection and breaks off: on the loop that nodes run on, and in a thread, to be quick."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvloop

from messaging.amqp import AmqpBroker
from messaging.channel import LinkDown

START = (
    b"\x01\x00\x00\x00\x00\x00\x25\x00\x0a\x00\x0a\x00\x09\x00\x00\x00\x00"
    b"\x00\x00\x00\x0e" + b"PLAIN AMQPLAIN" + b"\x00\x00\x00\x05" + b"en_US" + b"\xce"
)  # fmt: skip
NONSENSE = b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0a\xce" * 3

TRIES = 12
"""When the end is read before the library looks for the first frame is luck: mostly."""


@contextmanager
def _broker(says: bytes) -> Iterator[int]:
    """The port of something that says this to each who connects, and then no more."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)

        def serve() -> None:
            with contextlib.suppress(OSError):
                for _ in range(TRIES):
                    peer, _ = listener.accept()
                    accepted.append(peer)
                    if says:
                        peer.send(says)
                    peer.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()
        for peer in accepted:
            peer.close()


@pytest.mark.parametrize("says", [b"", START[:20], START, NONSENSE])
def test_i11_a_handshake_that_breaks_off_is_a_link_that_is_down(says: bytes) -> None:
    async def connect(port: int) -> None:
        broker = AmqpBroker(f"amqp://pos.x:secret@127.0.0.1:{port}/v")
        for _ in range(TRIES):
            with pytest.raises(LinkDown) as lost:
                await broker.connect("till")
            assert lost.value.reason

    with (
        _broker(says) as port,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(connect(port))
