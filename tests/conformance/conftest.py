"""Every test here runs on both transports."""

from collections.abc import AsyncIterator

import pytest

from messaging.channel import Channel, Connection
from ops.services import PrivateBroker
from tests.conformance.buses import Bus, Killable, MemoryBus, amqp_bus, private_amqp_bus
from tests.conformance.watching import Running
from tests.vhosts import Vhost

TRANSPORTS = ("memory", "amqp")


@pytest.fixture(params=TRANSPORTS)
def bus_vhost(request: pytest.FixtureRequest) -> Vhost | None:
    return request.getfixturevalue("vhost") if request.param == "amqp" else None


@pytest.fixture
async def bus(bus_vhost: Vhost | None) -> AsyncIterator[Bus]:
    """A broker of its own for each test."""
    if bus_vhost is None:
        yield MemoryBus()
    else:
        async with amqp_bus(bus_vhost) as made:
            yield made


@pytest.fixture(params=TRANSPORTS)
def killable_vhost(request: pytest.FixtureRequest) -> tuple[PrivateBroker, Vhost] | None:
    if request.param == "memory":
        return None
    broker = request.getfixturevalue("private_broker")
    return broker, request.getfixturevalue("private_vhost")


@pytest.fixture
async def killable(
    killable_vhost: tuple[PrivateBroker, Vhost] | None,
) -> AsyncIterator[Killable]:
    """A broker that may be killed."""
    if killable_vhost is None:
        yield MemoryBus()
    else:
        async with private_amqp_bus(*killable_vhost) as made:
            yield made


@pytest.fixture
async def connection(bus: Bus) -> AsyncIterator[Connection]:
    opened = await bus.login.connect("test")
    yield opened
    await opened.close()


@pytest.fixture
async def channel(connection: Connection) -> Channel:
    """A confirming channel without a limit."""
    return await connection.channel(confirms=True, prefetch=0)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """Starts links and ends them with the test."""
    started = Running()
    yield started
    await started.close()
