"""One simulated ERP process: erp_node's parts on a simulated bus and connections to the real database."""

import asyncio
import random
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from erp_node.app import Node, Outside, make_node
from erp_node.store.pool import Pool
from messaging.channel import Channel, LinkDown
from messaging.observer import Observer
from simulation.bus import ERP_USER, AnyBus
from simulation.clock import SimulatedClock
from simulation.database import Bells, SimulatedPool
from simulation.server import Server
from simulation.tasks import Owner


class Labelled:
    """A broker whose connections tell which process they belong to."""

    def __init__(self, broker: Any, label: str) -> None:
        self._broker = broker
        self._label = label

    async def connect(self, name: str) -> Any:
        return await self._broker.connect(f"{self._label} {name}")


class ErpProcess:
    """`start` and `kill` as often as wanted."""

    def __init__(
        self,
        number: int,
        server: Server,
        bells: Bells,
        bus: AnyBus,
        rng: random.Random,
        observer: Observer,
    ) -> None:
        self.label = f"erp{number}"
        self.clock = SimulatedClock()
        self.node: Node | None = None
        self.failure: BaseException | None = None
        self.kill_at: int | None = None
        """So many statements later it is killed."""
        self.on_killed: Callable[[], None] = lambda: None
        """Called when `kill_at` has killed it."""
        self._server = server
        self._bells = bells
        self._bus = bus
        self._rng = rng
        self._observer = observer
        self._owner = Owner(self.label)
        self._pools: tuple[SimulatedPool, ...] = ()

    @property
    def running(self) -> bool:
        return self.node is not None

    @property
    def pool(self) -> Pool:
        return cast(Pool, self._pools[0])

    @property
    def pools(self) -> tuple[SimulatedPool, ...]:
        return self._pools

    def start(self) -> None:
        if self.running:
            return
        self._owner = Owner(self.label)
        work = SimulatedPool(self._server, self._bells, "work", self._rng)
        asked = SimulatedPool(self._server, self._bells, "questions", self._rng)
        for pool in (work, asked):
            pool.on_statement = self._count
        self._pools = (work, asked)
        broker = Labelled(self._bus.erp_login(), self.label)
        outside = Outside(
            cast(Pool, work), cast(Pool, asked), broker, self._bus.admin(), self._open_channel,
            lambda user, password: "", self.clock, self._rng, self._observer, 3.0,
        )  # fmt: skip
        self.node = make_node(outside)
        self._owner.start(self._run(self.node))

    def heal(self) -> None:
        """Runs, and nothing fails any more."""
        self.kill_at = None
        for pool in self._pools:
            pool.failing.clear()
        self.start()

    def do(self, work: Any) -> asyncio.Task[Any]:
        """Something its users do, in this process."""
        return self._owner.start(work)

    def kill(self) -> None:
        """Its connections end with it; nobody says goodbye."""
        if not self.running:
            return
        self.node = None
        self.kill_at = None
        for pool in self._pools:
            pool.end()
        self._bus.cut_all(self.label)
        self._owner.kill()

    async def _run(self, node: Node) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for task in node.tasks():
                    group.create_task(task)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if self.node is node:
                self.failure = error
                self.kill()

    def _count(self, query: str) -> None:
        if self.kill_at is None:
            return
        self.kill_at -= 1
        if self.kill_at < 0:
            self.kill()
            self.on_killed()
            raise asyncio.CancelledError

    @asynccontextmanager
    async def _open_channel(self) -> Any:
        connection = await Labelled(self._bus.as_user(ERP_USER), self.label).connect("erp command")
        try:
            channel: Channel = await connection.channel(confirms=True, prefetch=0)
            yield channel
        except LinkDown:
            raise
        finally:
            await connection.close()
