"""One connection to the broker, rebuilt for as long as the process runs."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from messaging.channel import Broker, Channel, Connection, MessagingError
from messaging.clock import Clock


class Role(Protocol):
    """Something that works over a link: a publisher, a consumer, a requester, a responder."""

    @property
    def name(self) -> str: ...

    async def attach(self, connection: Connection) -> Channel:
        """Opens its channel on a new connection and begins. Raises MessagingError."""
        ...

    def detach(self, reason: MessagingError) -> None:
        """The channel is gone: fail what is in flight."""
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


Listener: TypeAlias = Callable[[LinkState], None]


class Link:
    """Keeps one connection and its roles alive. A node makes two or three."""

    def __init__(
        self,
        broker: Broker,
        name: str,
        *,
        clock: Clock,
        rng: random.Random,
        connect_timeout: float = 5.0,
    ) -> None:
        raise NotImplementedError

    @property
    def state(self) -> LinkState:
        raise NotImplementedError

    def add(self, role: Role) -> None:
        """Attaches a role, now if connected, and to every connection from now on."""
        raise NotImplementedError

    async def remove(self, role: Role) -> None:
        """Detaches a role for good."""
        raise NotImplementedError

    def listen(self, listener: Listener) -> None:
        """Calls `listener` at every change of state."""
        raise NotImplementedError

    async def wait_up(self) -> None:
        """Returns when connected and every role is attached."""
        raise NotImplementedError

    async def run(self) -> None:
        """Runs until cancelled; closes the connection then."""
        raise NotImplementedError
