"""Waiting for what happens, and setting up what it happens on."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from contracts.topology import Queue, QueueKind
from messaging.channel import Broker, Channel, Delivery, Message
from messaging.clock import SystemClock
from messaging.connection import Link, LinkState, Role

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds a test waits for what must happen."""


class Seen:
    """Collects things and waits for them; usable as a callback."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self._changed = asyncio.Event()

    def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self._changed.set()

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.deliveries]

    async def wait(self, count: int) -> list[Delivery]:
        """The first `count` deliveries, once they are here."""
        async with asyncio.timeout(PATIENCE):
            while len(self.deliveries) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.deliveries[:count]


class Running:
    """Links at work."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []

    def link(self, broker: Broker, *roles: Role, name: str = "link") -> Link:
        link = Link(broker, name, clock=SystemClock(), rng=random.Random(7), connect_timeout=2.0)
        for role in roles:
            link.add(role)
        self.tasks.append(asyncio.create_task(link.run()))
        return link

    async def up(self, broker: Broker, *roles: Role, name: str = "link") -> Link:
        """A link whose roles are all attached."""
        link = self.link(broker, *roles, name=name)
        await within(link.wait_up())
        return link

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def within(awaitable: Awaitable[T], seconds: float = PATIENCE) -> T:
    """Waits for what must happen."""
    async with asyncio.timeout(seconds):
        return await awaitable


async def until_state(link: Link, wanted: Callable[[LinkState], bool]) -> LinkState:
    """The first state of the link, from now on, that is as wanted."""
    found: asyncio.Future[LinkState] = asyncio.get_running_loop().create_future()

    def look(state: LinkState) -> None:
        if not found.done() and wanted(state):
            found.set_result(state)

    link.listen(look)
    look(link.state)
    return await within(found)


async def make_queue(channel: Channel, name: str = "q", kind: QueueKind = "quorum") -> str:
    await channel.declare_queue(Queue(name, kind))
    return name


def numbered(count: int, queue: str = "q") -> list[Message]:
    """Messages 0, 1, 2 … for one queue."""
    return [Message(str(number).encode(), "", queue) for number in range(count)]


async def publish(channel: Channel, messages: Iterable[Message]) -> None:
    await asyncio.gather(*(channel.publish(message) for message in messages))
