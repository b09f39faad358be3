"""The two buses of a replay: in memory, or two virtual hosts of a RabbitMQ of its own."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit, urlunsplit

from contracts.topology import erp_topology
from erp_node.store.tills import EnrolledTill
from erp_node.tills import put_user, topology_of
from messaging.admin import Admin, Administers, hash_password
from messaging.amqp import AmqpBroker
from messaging.channel import Broker
from messaging.topology import declare
from ops.readiness import BrokerAddress
from ops.services import start_private_broker
from simulation.bus import ALL_RIGHTS, ERP_USER, AnyBus, Bus, ErpLogin
from simulation.chance import stream
from simulation.world import declare_on


@dataclass(frozen=True, slots=True)
class Buses:
    """`down`: fresh tills and the ERP of the trace. `up`: a fresh ERP and the tills of the trace."""

    down: AnyBus
    up: AnyBus
    enrolled: tuple[EnrolledTill, ...]


@asynccontextmanager
async def memory_buses(seed: int, tills: Sequence[EnrolledTill]) -> AsyncIterator[Buses]:
    """Brokers in memory with everything that tills need."""
    down, up = Bus(stream(seed, "down")), Bus(stream(seed, "up"))
    for bus in (down, up):
        declare_on(bus, erp_topology())
        await ErpLogin(bus).make_user()
        for till in tills:
            await put_user(bus.admin(), till)
            declare_on(bus, topology_of(till))
    yield Buses(down, up, tuple(tills))


@dataclass(frozen=True, slots=True)
class RealBus:
    """A virtual host of a broker that is nobody else's: its users have the names of the trace's tills."""

    amqp_url: str
    password: str
    management: Admin

    def as_user(self, name: str) -> Broker:
        return AmqpBroker(_with_login(self.amqp_url, name, self.password))

    def erp_login(self) -> Broker:
        return self.as_user(ERP_USER)

    def admin(self) -> Administers:
        return self.management

    def cut_all(self, label: str) -> None:
        """Connections end with the broker."""


@asynccontextmanager
async def real_buses(consent: bool, tills: Sequence[EnrolledTill]) -> AsyncIterator[Buses]:
    """A private RabbitMQ, gone at the end. Raises ServiceError, AdminError, MessagingError."""
    password = secrets.token_urlsafe(18)
    hashed = hash_password(password, secrets.token_bytes(4))
    enrolled = tuple(replace(till, password_hash=hashed) for till in tills)
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(start_private_broker(consent=consent))
        made = []
        for name in ("down", "up"):
            management = await stack.enter_async_context(_management(broker.address, name))
            bus = RealBus(_in_vhost(broker.address.amqp_url, name), password, management)
            await _prepare(bus, broker.address, hashed, enrolled)
            made.append(bus)
        yield Buses(made[0], made[1], enrolled)


def _management(address: BrokerAddress, vhost: str) -> Admin:
    return Admin(_with_login(address.amqp_api, *address.credentials), vhost)


async def _prepare(
    bus: RealBus, address: BrokerAddress, hashed: str, tills: Sequence[EnrolledTill]
) -> None:
    admin = bus.management
    await admin.put_vhost(urlsplit(bus.amqp_url).path.removeprefix("/"))
    await admin.put_rights(address.credentials[0], ALL_RIGHTS)
    await admin.put_user(ERP_USER, password_hash=hashed, tags=("impersonator",))
    await admin.put_rights(ERP_USER, ALL_RIGHTS)
    for policy in erp_topology().policies:
        await admin.put_policy(policy)
    connection = await bus.erp_login().connect("replay")
    channel = await connection.channel(confirms=False, prefetch=0)
    await declare(channel, erp_topology())
    for till in tills:
        await put_user(admin, till)
        await declare(channel, topology_of(till))
    await connection.close()


def _in_vhost(url: str, vhost: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{vhost}"))


def _with_login(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{host}"))
