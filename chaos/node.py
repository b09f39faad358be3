"""One node of the run: its process, the proxy before the broker, and how it is brought back."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chaos.proxy import Proxy
from contracts.topology import TillAddress
from ops.process import NodeProcess, NotReady
from pos_node.app import DATABASE_FILE

AGAIN_S = 1.0
"""What starts a node in production starts it again after a while, when it could not start."""
TRIES = 30

BY_ITSELF = "ended by itself"

Told = Callable[[str, str], None]
"""Is told who, and what became of it."""


class NodeLost(Exception):
    """A node could not be started again; the text is the end of its log."""


@dataclass(eq=False)
class Node:
    """`lock`: held by a fault for as long as it keeps the process from running. `life`: how often it was started."""

    name: str
    process: NodeProcess
    proxy: Proxy
    on_end: Told
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    life: int = 0
    wanted: bool = False
    _watch: "asyncio.Task[None] | None" = None

    async def start(self) -> None:
        """Starts it, again and again when it cannot start yet. Raises NodeLost."""
        for left in reversed(range(TRIES)):
            try:
                await self.process.start()
                break
            except NotReady as error:
                self.on_end(self.name, f"could not start yet: {str(error).splitlines()[-1][:200]}")
                if not left:
                    raise NodeLost(str(error)) from None
                await asyncio.sleep(AGAIN_S)
        self.life += 1
        self.wanted = True
        self._watch = asyncio.create_task(self._watch_it())

    async def kill(self) -> None:
        """SIGKILL; it is gone when this returns."""
        self.wanted = False
        await self.process.kill()
        await self._end_watch()

    async def close(self) -> None:
        await self.kill()
        await self.proxy.close()

    async def _watch_it(self) -> None:
        code = await self.process.ended()
        if self.wanted:
            self.on_end(self.name, f"{BY_ITSELF}, exit code {code}")

    async def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None


@dataclass(eq=False, kw_only=True)
class Till(Node):
    """`file`: its database."""

    address: TillAddress
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / DATABASE_FILE
