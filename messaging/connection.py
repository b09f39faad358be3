"""One connection to the broker, rebuilt for as long as the process runs."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeAlias

from messaging.channel import Broker, Channel, Connection, LinkDown, MessagingError
from messaging.clock import Clock
from messaging.link_log import LinkLog
from messaging.pause import Pauses

ATTACH_TIMEOUT = 300.0
"""Each answer of the broker has its own limit; declaring the queues of thousands of tills is long."""
STEADY = 5.0
"""Seconds after which a connection or an attached role counts as having worked."""
PAUSES = Pauses(first=0.1, longest=3.0)
"""Together with the time-out of one attempt: traffic flows within 10 s of the port opening (I11)."""


class Role(Protocol):
    """Something that works over a link: a publisher, a consumer, a requester, a responder."""

    @property
    def name(self) -> str: ...

    async def attach(self, connection: Connection) -> Channel:
        """Opens its channel on a new connection and begins. Raises MessagingError."""
        ...

    def detach(self, reason: MessagingError) -> None:
        """The channel is gone, or could not be had: fail what is in flight."""
        ...

    async def run(self) -> None:
        """Works from the link's start to its end, across connections; may return at once."""
        ...


@dataclass(frozen=True, slots=True)
class RoleState:
    name: str
    attached: bool
    reason: str


@dataclass(frozen=True, slots=True)
class LinkState:
    """Whether the connection is up, since when it is or is not, and why not (SYNC-7)."""

    up: bool
    since: datetime
    reason: str
    roles: tuple[RoleState, ...] = ()

    @property
    def ready(self) -> bool:
        """Connected, and every role at work."""
        return self.up and all(role.attached for role in self.roles)


Listener: TypeAlias = Callable[[LinkState], None]


class Link:
    """Keeps one connection and its roles alive. A node makes two or three: publishing and consuming
    each on their own, so that a broker that takes no messages still delivers. `address`: how the log
    names the broker (`host:port`)."""

    def __init__(
        self,
        broker: Broker,
        name: str,
        *,
        clock: Clock,
        rng: random.Random,
        address: str = "",
        connect_timeout: float = 5.0,
    ) -> None:
        self.name = name
        self._broker = broker
        self._clock = clock
        self._rng = rng
        self._connect_timeout = connect_timeout
        self._state = LinkState(False, clock.now(), "not started")
        self._log = LinkLog(name, address)
        self._listeners: list[Listener] = []
        self._ready = asyncio.Event()
        self._connection: Connection | None = None
        self._roles: dict[Role, asyncio.Task[None] | None] = {}
        self._channels: dict[Role, Channel] = {}
        self._group: asyncio.TaskGroup | None = None

    @property
    def state(self) -> LinkState:
        return self._state

    def add(self, role: Role) -> None:
        """Attaches a role, now if connected, and to every connection from now on."""
        if any(known.name == role.name for known in self._roles):
            raise ValueError(f"two roles named {role.name} on one link")
        self._roles[role] = None
        self._tell_roles(role, attached=False, reason="not attached yet")
        if self._group is not None:
            self._start(role.run())
        if self._connection is not None:
            self._roles[role] = self._start(self._keep(role, self._connection))

    def listen(self, listener: Listener) -> None:
        """Calls `listener` with every change of state."""
        self._listeners.append(listener)

    async def wait_up(self) -> None:
        """Returns when connected and every role is attached."""
        await self._ready.wait()
        while any(channel.closed.done() for channel in self._channels.values()):
            await asyncio.sleep(0)  # their loss is being noticed
            await self._ready.wait()

    async def run(self) -> None:
        """Runs until cancelled; closes the connection then. A role that fails ends the link."""
        try:
            async with asyncio.TaskGroup() as self._group:
                for role in self._roles:
                    self._start(role.run())
                await self._connect_forever()
        finally:
            self._group = None

    async def _connect_forever(self) -> None:
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            failure = await self._connect_once()
            worked = asyncio.get_running_loop().time() - began > STEADY + self._connect_timeout
            failures = 1 if worked else failures + 1
            pause = PAUSES.before(failures, self._rng)
            if failure is not None:
                self._tell_up(False, failure)
                self._log.failed(failure, pause)
            await asyncio.sleep(pause)

    async def _connect_once(self) -> str | None:
        """One connection from its beginning to its end, or why there was none."""
        try:
            async with asyncio.timeout(self._connect_timeout):
                connection = await self._broker.connect(self.name)
        except TimeoutError:
            return f"no connection within {self._connect_timeout:g} s"
        except MessagingError as error:
            return error.reason
        self._connection = connection
        self._log.connected()
        self._tell_up(True, "")
        try:
            for role in self._roles:
                self._roles[role] = self._start(self._keep(role, connection))
            self._log.lost((await _result(connection.closed)).reason)
            return None
        finally:
            self._connection = None
            self._tell_up(False, _reason(connection))
            await _end(task for task in self._roles.values() if task is not None)
            await connection.close()

    async def _keep(self, role: Role, connection: Connection) -> None:
        """Keeps one role attached to one connection."""
        failures = 0
        while not connection.closed.done():
            began = asyncio.get_running_loop().time()
            reason: MessagingError | None = None
            try:
                reason = await self._attach_once(role, connection)
            finally:
                reason = reason or LinkDown(_reason(connection))
                role.detach(reason)
                self._tell_roles(role, attached=False, reason=reason.reason)
            if not connection.closed.done():
                self._log.refused(role.name, reason.reason)
            worked = asyncio.get_running_loop().time() - began > STEADY
            failures = 1 if worked else failures + 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSES.before(failures, self._rng)):
                    await _result(connection.closed)

    async def _attach_once(self, role: Role, connection: Connection) -> MessagingError:
        """One channel of a role from its beginning to its end; answers why it ended."""
        try:
            async with asyncio.timeout(ATTACH_TIMEOUT):
                channel = await role.attach(connection)
        except TimeoutError:
            reason = LinkDown("the broker does not answer")
            connection.drop(reason)
            return reason
        except MessagingError as error:
            return error
        self._channels[role] = channel
        self._tell_roles(role, attached=True, reason="")
        try:
            return await _result(channel.closed)
        finally:
            del self._channels[role]
            if not channel.closed.done():
                await channel.close()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        if self._group is None:
            raise RuntimeError(f"link {self.name} does not run")
        return self._group.create_task(work)

    def _tell_up(self, up: bool, reason: str) -> None:
        since = self._clock.now() if up != self._state.up else self._state.since
        self._tell(replace(self._state, up=up, since=since, reason=reason))

    def _tell_roles(self, role: Role, *, attached: bool, reason: str) -> None:
        if role not in self._roles:
            return
        mine = RoleState(role.name, attached, reason)
        known = {state.name: state for state in self._state.roles} | {role.name: mine}
        self._tell(replace(self._state, roles=tuple(known.values())))

    def _tell(self, state: LinkState) -> None:
        if state == self._state:
            return
        self._state = state
        if state.ready:
            self._ready.set()
        else:
            self._ready.clear()
        for listener in self._listeners:
            listener(state)


async def _result(future: asyncio.Future[MessagingError]) -> MessagingError:
    """Waits for a future that others wait for too: cancelling this wait leaves it alone."""
    await asyncio.wait([future])
    return future.result()


def _reason(connection: Connection) -> str:
    return connection.closed.result().reason if connection.closed.done() else "ended here"


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.wait(ending)
