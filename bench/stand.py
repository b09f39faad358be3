"""What the figures are measured on: a running ERP with generated customers, and tills to start."""

import asyncio
import os
import random
import time
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path

import asyncpg

from contracts.topology import JOURNAL_PARTITIONS
from erp_node.tills import partition_of
from messaging.amqp import AmqpBroker
from messaging.clock import SystemClock
from messaging.connection import Link
from messaging.publisher import Publisher
from messaging.rpc import Requester
from ops.clients import Client, Json, until
from ops.progress import Progress
from ops.services import Services
from ops.system import System, TillNode, fill_system, make_system, remove_system

LOAD_TIMEOUT_S = 1_800.0

LOOK_S = 0.1
"""Between two looks at what is measured: a look costs it some milliseconds, and a floor is not looked at."""


@dataclass
class Stand:
    """A system of two stores whose ERP runs and whose tills do not, unless a figure starts them."""

    system: System
    customers: int
    quick: bool
    rng: random.Random = field(default_factory=lambda: random.Random(5))

    @property
    def folder(self) -> Path:
        return self.system.folder

    @property
    def till(self) -> TillNode:
        return self.system.tills[0]

    @property
    def admin_url(self) -> str:
        """The broker as administrator, in the system's virtual host."""
        host = self.system.erp_env["COMPTOIR_AMQP_URL"].rpartition("@")[2]
        credentials = self.system.services.amqp_url.partition("://")[2].rpartition("@")[0]
        return f"amqp://{credentials}@{host}"

    def till_url(self, till: TillNode) -> str:
        """The broker as a till's own user."""
        enrolment = tomllib.loads((self.folder / f"{till.pos_id}.toml").read_text("utf-8"))
        return str(enrolment["amqp_url"])

    async def start_till(self) -> float:
        """Starts the first till unless it runs and waits until it is complete; seconds since it was ready."""
        if not self.till.process.running:
            await self.till.process.start()
        began = time.perf_counter()
        client = Client(self.till.url)
        try:
            await until(
                lambda: client.get("/status"),
                is_complete,
                "till complete",
                LOAD_TIMEOUT_S,
                every=LOOK_S,
            )
        finally:
            await client.close()
        return time.perf_counter() - began

    async def empty_till(self) -> None:
        """Stops the first till and takes its database away, as if its disk had been replaced."""
        await self.stop_till()
        for file in self.till.folder.glob("*.db*"):
            file.unlink()

    async def settle(self) -> None:
        """Returns when nothing is left to be done of what went before: each figure begins with rest.

        The server sweeps its tables now, and what was written goes to the disk, both of which would otherwise
        happen at some moment within the next minute.
        """
        await wait_numbered(self.system)
        await _wait_indexed(self.system)
        if self.till.process.running:
            client = Client(self.till.url)
            try:
                await until(
                    lambda: client.get("/status"),
                    lambda status: is_complete(status) and not status["tidying"],
                    "till at rest", LOAD_TIMEOUT_S, every=LOOK_S,
                )  # fmt: skip
            finally:
                await client.close()
        await sweep_tables(self.system.dsn)
        await asyncio.to_thread(os.sync)

    async def stop_till(self) -> None:
        """Stops the first till, if it runs: a figure it has no part in must not pay for it."""
        if self.till.process.running:
            await self.till.process.stop()


@asynccontextmanager
async def open_stand(
    services: Services, folder: Path, customers: int, quick: bool, progress: Progress
) -> AsyncIterator[Stand]:
    """Makes, fills and removes the system."""
    system = await make_system(services, folder)
    try:
        with progress.step(f"{customers:,} customers into the ERP"):
            await fill_system(system, customers, stores=2, seed=3)
            await _fill_partitions(system)
        with progress.step("starting the ERP, numbering its customers"):
            await system.erp.start()
            await wait_numbered(system)
        yield Stand(system, customers, quick)
    finally:
        await asyncio.shield(remove_system(system))


async def _fill_partitions(system: System) -> None:
    """Enrols more tills until every partition of the journal has one, as in any chain."""
    centres = cycle([till.centre for till in system.tills])
    taken = {partition_of(till.pos_id) for till in system.tills}
    for number in count(2):
        if len(taken) == JOURNAL_PARTITIONS:
            return
        centre = next(centres)
        if partition_of(f"{centre}-{number}") not in taken:
            till = await system.add_till(f"{centre}-{number}", centre)
            taken.add(partition_of(till.pos_id))


async def sweep_tables(dsn: str) -> None:
    """Has PostgreSQL clear away what was changed, as its own autovacuum does."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("VACUUM (ANALYZE)", timeout=LOAD_TIMEOUT_S)
    finally:
        await connection.close()


async def wait_numbered(system: System) -> None:
    """Returns when the feeds hold every change committed so far."""
    await _wait_gone(system, "FROM feed_mark", "changes numbered")


async def _wait_indexed(system: System) -> None:
    """Returns when the ERP's search holds the words of every change committed so far."""
    await _wait_gone(system, "FROM customer_words WHERE search IS NULL", "words searchable")


async def _wait_gone(system: System, rows: str, what: str) -> None:
    connection = await asyncpg.connect(system.dsn)
    try:

        async def are_there() -> bool:
            found: bool = await connection.fetchval(f"SELECT EXISTS (SELECT {rows})")
            return found

        await until(are_there, lambda left: not left, what, LOAD_TIMEOUT_S, every=LOOK_S)
    finally:
        await connection.close()


@dataclass
class Voice:
    """A till's own connection in this process: to ask and to publish as that till."""

    pos_id: str
    requester: Requester
    publisher: Publisher


@asynccontextmanager
async def speak_as(stand: Stand, till: TillNode) -> AsyncIterator[Voice]:
    """Connects as a till that does not run."""
    clock, rng = SystemClock(), random.Random(1)
    link = Link(AmqpBroker(stand.till_url(till)), "bench", clock=clock, rng=rng)
    voice = Voice(till.pos_id, Requester(f"pos.{till.pos_id}.reply", rng=rng), Publisher())
    link.add(voice.requester)
    link.add(voice.publisher)
    running = asyncio.create_task(link.run())
    try:
        await link.wait_up()
        yield voice
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def is_complete(status: Json) -> bool:
    """Whether a till's every feed has reached its head and can be searched."""
    return bool(status["complete"]) and status["behind"] == 0 and not status["loading"]
