"""The broker of a simulation: RabbitMQ's rules, links that take time, and what may happen to a message."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from contracts.topology import Rights, erp_topology
from messaging.admin import Administers
from messaging.channel import Broker, LinkDown, Message, MessagingError, NotAllowed
from messaging.memory.admin import MemoryAdmin
from messaging.memory.broker import MemoryBroker
from messaging.memory.connection import MemoryConnection

ERP_USER = "erp"
ALL_RIGHTS = Rights(configure=".*", write=".*", read=".*")
REMEMBERED = 400
"""Messages kept to be replayed."""

Mishap = Literal[
    "lost", "twice", "late", "confirm_lost", "sender_killed",
    "malformed", "oversized", "newer", "damaged", "unsigned",
]  # fmt: skip


@dataclass(eq=False)
class Trap:
    """What happens to the next `count` messages whose type begins with `of`."""

    mishap: Mishap
    of: str
    count: int = 1
    seconds: float = 0.0


@dataclass(eq=False)
class Passed:
    """A message as the broker took it."""

    user: str
    message: Message


@dataclass
class Seen:
    """What watches the bus is told: seconds, user, message, and what became of it."""

    at: float
    user: str
    message: Message
    fate: str


class AnyBus(Protocol):
    """What simulated processes are given of a bus."""

    def as_user(self, name: str) -> Broker:
        """What a till connects with, or whoever acts for the ERP."""
        ...

    def erp_login(self) -> Broker:
        """What an ERP process connects with."""
        ...

    def admin(self) -> Administers:
        """The broker's management."""
        ...

    def cut_all(self, label: str) -> None:
        """The connections of one process are lost."""
        ...


class Bus(MemoryBroker):
    """A MemoryBroker with traps for messages. `watch` is told of everything published."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.slow = 0.0
        """Seconds that are added to what each frame travels."""
        super().__init__(delay=self._travel)
        self.traps: list[Trap] = []
        self.passed: list[Passed] = []
        self.apart: set[str] = set()
        """Labels of processes that reach no broker."""
        self.silent: list[MemoryConnection] = []
        self.watch: Callable[[Seen], None] | None = None
        self.on_trap: Callable[[Trap, str], None] = lambda trap, user: None
        """Told of each trap as it springs, and whose message it took."""

    def erp_login(self) -> "ErpLogin":
        return ErpLogin(self)

    def admin(self) -> MemoryAdmin:
        return MemoryAdmin(self)

    def cut_all(self, label: str) -> None:
        for connection in tuple(self.connections):
            if connection.name.startswith(f"{label} "):
                self.cut(connection)

    def _travel(self) -> float:
        return (
            0.0005
            + self._rng.random() * 0.004
            + (self._rng.random() * self.slow if self.slow else 0.0)
        )

    def heal(self) -> None:
        """Links are whole: those that were half open are noticed and gone."""
        self.traps.clear()
        self.apart.clear()
        self.slow = 0.0
        self.clear_alarm()
        for connection in self.silent:
            connection.cut(LinkDown("reset"))
        self.silent.clear()

    def hush(self, connection: MemoryConnection) -> None:
        """The link is half open from now on."""
        connection.fall_silent()
        self.silent.append(connection)

    def open(self, user: str, label: str) -> MemoryConnection:
        if label.split(" ")[0] in self.apart:
            raise LinkDown("no route to host")
        return super().open(user, label)

    def publish(self, user: str, message: Message, *, damaged: bool = False) -> tuple[bool, bool]:
        trap = self._trap_for(message)
        if trap is None:
            return self._pass(user, message, "passed")
        try:
            return self._spring(trap, user, message)
        finally:
            self.on_trap(trap, user)

    def _spring(self, trap: Trap, user: str, message: Message) -> tuple[bool, bool]:
        match trap.mishap:
            case "lost":
                self._tell(user, message, "lost")
                return True, True
            case "twice":
                self._pass(user, message, "passed")
                return self._pass(user, message, "twice")
            case "late":
                self._tell(user, message, "held back")
                asyncio.get_running_loop().call_later(trap.seconds, self.push, user, message)
                return True, True
            case "confirm_lost":
                done = self._pass(user, message, "its confirm lost")
                self._cut_publisher(user)
                return done
            case "sender_killed":
                return self._pass(user, message, "its sender killed")
            case "damaged":
                return self._pass(user, message, "damaged", damaged=True)
            case _:
                return self._pass(user, spoilt(message, trap.mishap), trap.mishap)

    def push(self, user: str, message: Message) -> None:
        """Something that arrives by itself: a message held back, replayed, or made up."""
        if self.running:
            try:
                self._pass(user, message, "late")
            except MessagingError:
                self._tell(user, message, "refused")

    def _pass(
        self, user: str, message: Message, fate: str, *, damaged: bool = False
    ) -> tuple[bool, bool]:
        outcome = super().publish(user, message, damaged=damaged)
        if len(self.passed) < REMEMBERED:
            self.passed.append(Passed(user, message))
        self._tell(user, message, fate if outcome[0] else f"{fate}, unroutable")
        return outcome

    def _trap_for(self, message: Message) -> Trap | None:
        for trap in self.traps:
            if (message.type or "").startswith(trap.of):
                trap.count -= 1
                if trap.count <= 0:
                    self.traps.remove(trap)
                return trap
        return None

    def _cut_publisher(self, user: str) -> None:
        """The connection that publishes is cut before the confirm is on its way."""
        for connection in tuple(self.connections):
            if connection.user == user and (
                "journal" in connection.name or "publ" in connection.name
            ):
                self.cut(connection)

    def _tell(self, user: str, message: Message, fate: str) -> None:
        if self.watch is not None:
            self.watch(Seen(asyncio.get_running_loop().time(), user, message, fate))


def spoilt(message: Message, mishap: str) -> Message:
    """A message as a fault of its sender or of the way would leave it."""
    match mishap:
        case "malformed":
            return replace(message, body=message.body[: len(message.body) // 2])
        case "oversized":
            return replace(message, body=message.body + b" " * 300_000)
        case "newer":
            return replace(message, body=message.body.replace(b'"version":1', b'"version":99', 1))
        case "unsigned":
            return replace(message, user_id=None)
    raise AssertionError(mishap)


class ErpLogin:
    """How an ERP process connects: as erp_node.login.Login, a user the broker forgot is made again."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def connect(self, name: str) -> MemoryConnection:
        await asyncio.sleep(self._bus.delay())
        try:
            return self._bus.open(ERP_USER, name)
        except NotAllowed:
            await self.make_user()
            return self._bus.open(ERP_USER, name)

    async def make_user(self) -> None:
        admin = MemoryAdmin(self._bus)
        await admin.put_user(ERP_USER, password_hash="", tags=("impersonator",))
        await admin.put_rights(ERP_USER, ALL_RIGHTS)
        for policy in erp_topology().policies:
            await admin.put_policy(policy)
