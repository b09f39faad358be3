"""Waiting for what happens, and setting up what it happens on."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from contracts.topology import Queue, QueueKind
from messaging.channel import Broker, Channel, Delivery, Message
from messaging.clock import SystemClock
from messaging.connection import Link, LinkState, Role
from messaging.consumer import Bad, OrderedConsumer, Park
from messaging.observer import Event, Observer, ignore

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


class Batches:
    """A handler that tells what it handled, and fails as it is told.

    `fail`: raised by the next batches, once each. `bad`: declared bad. `broken`: bodies it breaks on.
    `gate`: it waits there. `verdicts`: how many it answers, if not one per delivery.
    """

    def __init__(self) -> None:
        self.tried: list[list[bytes]] = []
        self.handled: list[list[Delivery]] = []
        self.parked: list[tuple[Delivery, Bad]] = []
        self.fail: list[Exception] = []
        self.bad: dict[bytes, Bad] = {}
        self.broken: set[bytes] = set()
        self.verdicts: int | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.changed = asyncio.Event()
        self.finished = 0
        self.role: OrderedConsumer

    def consumer(
        self,
        queue: str,
        *,
        park: Park | None = None,
        batch: int = 64,
        prefetch: int = 256,
        patience: int = 3,
        observer: Observer = ignore,
    ) -> OrderedConsumer:
        def observe(event: Event) -> None:
            self.finished += event.outcome in ("ok", "parked")
            self.changed.set()
            observer(event)

        self.role = OrderedConsumer(
            queue,
            self.handle,
            park or self.park,
            rng=random.Random(3),
            batch=batch,
            prefetch=prefetch,
            patience=patience,
            observer=observe,
        )
        return self.role

    async def handle(self, batch: Sequence[Delivery]) -> Sequence[Bad | None]:
        self.tried.append([delivery.body for delivery in batch])
        self.entered.set()
        await self.gate.wait()
        if self.fail:
            raise self.fail.pop()
        if self.broken & {delivery.body for delivery in batch}:
            raise ZeroDivisionError("secret")
        if self.verdicts is not None:
            return [None] * self.verdicts
        self.handled.append(list(batch))
        self.changed.set()
        return [self.bad.get(delivery.body) for delivery in batch]

    async def park(self, delivery: Delivery, bad: Bad) -> None:
        self.parked.append((delivery, bad))
        self.changed.set()

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for batch in self.handled for delivery in batch]

    def seen_all(self, wanted: list[bytes]) -> bool:
        """Whether the newest ones are these, in this order."""
        return self.bodies[-len(wanted) :] == wanted

    async def wait(self, count: int) -> None:
        """Until so many deliveries were handled."""
        await self.wait_for(lambda: len(self.bodies) >= count)

    async def idle(self) -> None:
        """Until everything handled was also finished: acked or parked."""
        await self.wait_for(lambda: self.finished >= len(self.bodies) + len(self.broken))

    async def wait_for(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not done():
                self.changed.clear()
                await self.changed.wait()


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
