"""What a run stands on: private services, two ERP processes, four tills of two centres, a proxy before each."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chaos.history import History
from chaos.node import BY_ITSELF, Node, Till, Told
from chaos.plan import CENTRES, ERPS, TILLS
from chaos.proxy import Proxy
from chaos.witness import install
from contracts.topology import TillAddress
from messaging.amqp import AmqpBroker
from messaging.channel import Channel
from ops.clients import Client, until
from ops.process import NodeProcess
from ops.progress import Progress
from ops.readiness import BrokerAddress
from ops.services import PrivateBroker, PrivateDatabase, Services
from ops.system import System, fill_system, make_system

CUSTOMERS = 60
COMPLETE_S = 120.0


class TooLate(Exception):
    """Healing has begun: nothing more may go wrong."""


@dataclass(eq=False)
class World:
    """`healing`: set when faults are over. The locks belong to whoever keeps broker or database from running."""

    system: System
    folder: Path
    history: History
    broker: PrivateBroker
    database: PrivateDatabase
    erps: list[Node] = field(default_factory=list)
    tills: list[Till] = field(default_factory=list)
    customers: list[str] = field(default_factory=list)
    """Ids of all that were ever made, as far as anybody was told."""
    names: list[str] = field(default_factory=list)
    """By which customers of the beginning may be searched for."""
    healing: asyncio.Event = field(default_factory=asyncio.Event)
    broker_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    database_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def nodes(self) -> list[Node]:
        return [*self.erps, *self.tills]

    @property
    def dsn(self) -> str:
        return self.system.dsn

    async def pause(self, seconds: float) -> None:
        """Returns after so many seconds, or when everything is to be healed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.healing.wait(), seconds)

    @asynccontextmanager
    async def holding(self, lock: asyncio.Lock) -> AsyncIterator[None]:
        """A lock, for a fault that has not begun yet. Raises TooLate."""
        async with lock:
            if self.healing.is_set():
                raise TooLate
            yield

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[Channel]:
        """To the broker itself, as the ERP's user: for what nobody of the product does. Raises MessagingError."""
        broker = AmqpBroker(self.system.erp_env["COMPTOIR_AMQP_URL"])
        connection = await asyncio.wait_for(broker.connect("chaos"), 10.0)
        try:
            yield await connection.channel(confirms=False, prefetch=0)
        finally:
            await connection.close()

    async def close(self) -> None:
        """Kills every node."""
        await asyncio.gather(*(node.close() for node in self.nodes))


@asynccontextmanager
async def make_world(
    services: Services, folder: Path, seed: int, history: History, progress: Progress
) -> AsyncIterator[World]:
    """All of it running, every till complete and witnessed; gone at the end. Raises SystemFailed, NodeLost, NotSeen."""
    assert services.broker is not None
    assert services.database is not None
    with progress.step(f"making an ERP with {CUSTOMERS} customers and {len(TILLS)} tills"):
        system = await make_system(services, folder)
        await _fill(system, seed)
    world = World(system, folder, history, services.broker, services.database)
    try:
        with progress.step("starting two ERP processes and four tills"):
            await _make_nodes(world)
            await asyncio.gather(*(node.start() for node in world.nodes))
            await asyncio.gather(*(_begin(till) for till in world.tills))
        yield world
    finally:
        await asyncio.shield(world.close())


async def _fill(system: System, seed: int) -> None:
    await fill_system(system, CUSTOMERS, len(CENTRES), seed)
    made = {till.pos_id for till in system.tills}
    for pos_id, centre, full in TILLS:
        if pos_id not in made:
            await system.add_till(pos_id, centre, "full" if full else "local_only")


async def _make_nodes(world: World) -> None:
    system, on_end = world.system, _noted(world)
    for name in ERPS:
        proxy, url = await _through_a_proxy(world, system.erp_env["COMPTOIR_AMQP_URL"])
        env = system.erp_env | {"COMPTOIR_AMQP_URL": url}
        process = NodeProcess(name, ["erp", "run"], env, world.folder / f"{name}.log")
        world.erps.append(Node(name, process, proxy, on_end))
    full = {pos_id: whole for pos_id, _, whole in TILLS}
    for till in system.tills:
        file = world.folder / f"{till.pos_id}.toml"
        proxy, text = await _through_a_proxy(world, file.read_text("utf-8"))
        file.write_text(text, "utf-8")
        address = TillAddress(till.pos_id, till.centre, full=full[till.pos_id])
        world.tills.append(
            Till(till.pos_id, till.process, proxy, on_end, address=address, folder=till.folder)
        )


async def _through_a_proxy(world: World, text: str) -> tuple[Proxy, str]:
    """A proxy, and the text with its address where the broker's was."""
    host, port = BrokerAddress(
        world.system.services.amqp_url, world.system.services.amqp_api
    ).endpoint
    proxy = Proxy(host, port)
    return proxy, text.replace(f"@{host}:{port}/", f"@127.0.0.1:{await proxy.start()}/")


def _noted(world: World) -> Told:
    def on_end(who: str, what: str) -> None:
        world.history.note(who, what)
        if what.startswith(BY_ITSELF):
            world.history.ended.append(f"{who} {what}")

    return on_end


async def _begin(till: Till) -> None:
    """Complete, and witnessed from now on: before this its cashier has done nothing."""
    client = Client(till.process.url)
    try:
        await until(
            client.status,
            lambda seen: seen["complete"] and seen["behind"] == 0,
            f"{till.name} complete",
            COMPLETE_S,
            every=0.2,
        )
    finally:
        await client.close()
    await asyncio.to_thread(install, till.file)
