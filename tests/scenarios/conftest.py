"""A whole system per test: an ERP and tills in processes of their own, on real services."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ops.clients import Client, until
from ops.services import PrivateBroker, Services
from ops.system import (
    ADMIN,
    CASHIER,
    PASSWORD,
    System,
    TillNode,
    fill_system,
    make_system,
    remove_system,
)

CUSTOMERS = 300


@dataclass
class Stage:
    """A running system, with somebody logged in at each node."""

    system: System
    admin: Client
    tills: list[Client]
    broker: PrivateBroker | None = None

    @property
    def nodes(self) -> list[TillNode]:
        return self.system.tills


MakeStage = Callable[[Services], Awaitable[Stage]]


@pytest.fixture
async def make_stage(folder: Path) -> AsyncIterator[MakeStage]:
    """Makes systems of two stores; all are removed at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(services: Services) -> Stage:
            system = await make_system(services, folder)
            stack.push_async_callback(remove_system, system)
            await fill_system(system, CUSTOMERS, stores=2, seed=11)
            await system.erp.start()
            for till in system.tills:
                await till.process.start()
            admin = await Client(system.erp.url).log_in(ADMIN, PASSWORD)
            tills = [await log_in(till.url) for till in system.tills]
            for client in (admin, *tills):
                stack.push_async_callback(client.close)
            return Stage(system, admin, tills, services.broker)

        yield make


@pytest.fixture
async def stage(make_stage: MakeStage, services: Services) -> Stage:
    """A system on the session's services."""
    return await make_stage(services)


@pytest.fixture
async def breakable(
    make_stage: MakeStage, services: Services, private_broker: PrivateBroker
) -> Stage:
    """A system on a broker of its own, to be killed."""
    at = private_broker.address
    return await make_stage(
        replace(services, amqp_url=at.amqp_url, amqp_api=at.amqp_api, broker=private_broker)
    )


async def log_in(url: str) -> Client:
    """A cashier at a complete till."""
    client = Client(url)
    await until(
        lambda: client.get("/status"), lambda s: s["complete"], f"{url} complete", timeout=60
    )
    return await client.log_in(CASHIER, PASSWORD)
