"""The two transports behind one face, with what the tests do to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from contracts.topology import Rights
from messaging.admin import Admin, Administers
from messaging.amqp import AmqpBroker
from messaging.channel import Broker, Connection
from messaging.memory.admin import MemoryAdmin
from messaging.memory.broker import MemoryBroker
from messaging.memory.connection import MemoryConnection
from ops.services import PrivateBroker
from tests.conformance.proxy import Proxy
from tests.vhosts import Vhost

SALT = b"salt"


class Bus(Protocol):
    """A broker under test. `login` is an administrator's; `fragile` the same over a line that
    `cut` and `fall_silent` damage."""

    @property
    def login(self) -> Broker: ...

    @property
    def fragile(self) -> Broker: ...

    @property
    def admin(self) -> Administers: ...

    async def user(self, name: str, rights: Rights) -> Broker: ...

    def cut(self) -> None: ...

    def fall_silent(self) -> None: ...


class Killable(Bus, Protocol):
    """A broker that can be stopped and alarmed as well."""

    async def settle(self) -> None:
        """Lets the broker write down what was just declared."""
        ...

    async def stop(self) -> None:
        """As a power cut would."""
        ...

    async def start(self) -> None: ...

    async def set_alarm(self) -> None: ...

    async def clear_alarm(self) -> None: ...


class FragileLogin:
    """Remembers the connections it made, for them to be cut."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self.made: list[MemoryConnection] = []

    async def connect(self, name: str) -> Connection:
        connection = await self._broker.as_user("guest").connect(name)
        self.made.append(connection)
        return connection


class MemoryBus:
    def __init__(self) -> None:
        self.broker = MemoryBroker(heartbeat=0.2)
        self.login: Broker = self.broker.as_user("guest")
        self._fragile = FragileLogin(self.broker)
        self.fragile: Broker = self._fragile
        self.admin: Administers = MemoryAdmin(self.broker)

    async def user(self, name: str, rights: Rights) -> Broker:
        await self.admin.put_user(name, password_hash="")
        await self.admin.put_rights(name, rights)
        return self.broker.as_user(name)

    def cut(self) -> None:
        for connection in self._fragile.made:
            self.broker.cut(connection)

    def fall_silent(self) -> None:
        for connection in self._fragile.made:
            connection.fall_silent()

    async def settle(self) -> None:
        return

    async def stop(self) -> None:
        self.broker.stop()

    async def start(self) -> None:
        self.broker.start()

    async def set_alarm(self) -> None:
        self.broker.set_alarm("low on memory")

    async def clear_alarm(self) -> None:
        self.broker.clear_alarm()


class AmqpBus:
    def __init__(self, vhost: Vhost, admin: Admin, proxy: Proxy, port: int) -> None:
        self._vhost = vhost
        self._proxy = proxy
        self.admin: Administers = admin
        self.url = vhost.admin_url
        self.login: Broker = AmqpBroker(self.url)
        self.fragile: Broker = AmqpBroker(_at_port(self.url, port), heartbeat=1)

    async def user(self, name: str, rights: Rights) -> Broker:
        url = await self._vhost.create_user(name, rights.configure, rights.write, rights.read)
        return AmqpBroker(url)

    def cut(self) -> None:
        self._proxy.cut()

    def fall_silent(self) -> None:
        self._proxy.fall_silent()


class PrivateAmqpBus(AmqpBus):
    def __init__(
        self, broker: PrivateBroker, vhost: Vhost, admin: Admin, proxy: Proxy, port: int
    ) -> None:
        super().__init__(vhost, admin, proxy, port)
        self._broker = broker

    async def settle(self) -> None:
        # RabbitMQ 3.10 writes the name of a new quorum queue up to three minutes late; killed before
        # that it comes back with another, empty queue (see messaging.mending). Not asked here.
        await self._broker.ctl("eval", "[dets:sync(Table) || Table <- dets:all()].")

    async def stop(self) -> None:
        await self._broker.kill()

    async def start(self) -> None:
        await self._broker.start()

    async def set_alarm(self) -> None:
        await self._broker.ctl("set_vm_memory_high_watermark", "0")

    async def clear_alarm(self) -> None:
        await self._broker.ctl("set_vm_memory_high_watermark", "0.4")


@asynccontextmanager
async def amqp_bus(vhost: Vhost) -> AsyncIterator[AmqpBus]:
    async with Admin(vhost.api, vhost.name) as admin, _proxy(vhost) as (proxy, port):
        yield AmqpBus(vhost, admin, proxy, port)


@asynccontextmanager
async def private_amqp_bus(broker: PrivateBroker, vhost: Vhost) -> AsyncIterator[PrivateAmqpBus]:
    async with Admin(vhost.api, vhost.name) as admin, _proxy(vhost) as (proxy, port):
        yield PrivateAmqpBus(broker, vhost, admin, proxy, port)


@asynccontextmanager
async def _proxy(vhost: Vhost) -> AsyncIterator[tuple[Proxy, int]]:
    target = urlsplit(vhost.admin_url)
    proxy = Proxy(target.hostname or "127.0.0.1", target.port or 5672)
    try:
        yield proxy, await proxy.start()
    finally:
        await proxy.close()


def _at_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}"))
