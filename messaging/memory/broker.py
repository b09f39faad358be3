"""RabbitMQ's rules in one process: for tests without a broker, and for the simulator.

Everything happens on the event loop, in an order that follows from the calls alone: no threads, no
wall clock, no randomness.
"""

import asyncio
import re
from dataclasses import dataclass

from contracts.topology import Binding, Exchange, Policy, Queue, Rights
from messaging.channel import LinkDown, Message, Mismatch, NotAllowed, NotFound
from messaging.memory.connection import MemoryConnection
from messaging.memory.pipe import Delay, no_delay
from messaging.memory.queue import Limits, MemoryQueue
from messaging.memory.routes import find_queues
from messaging.memory.stored import Death, bury

ADMINISTRATOR = "guest"
DEFAULT_EXCHANGE = Exchange("", "direct")


@dataclass(frozen=True, slots=True)
class MemoryUser:
    """`impersonator` may publish under any user_id."""

    name: str
    rights: Rights
    impersonator: bool = False


class MemoryBroker:
    """A broker with one virtual host. `as_user` gives what a Link connects with.

    `delay`: seconds each frame travels. `heartbeat`: both sides give a silent connection up after
    two of them (seconds). The rest of its methods are what a test or a simulator does
    to a broker.
    """

    def __init__(self, *, delay: Delay = no_delay, heartbeat: float = 10.0) -> None:
        self.delay = delay
        self.heartbeat = heartbeat
        self.alarm = ""
        self.running = True
        self.users: dict[str, MemoryUser] = {}
        self.policies: dict[str, Policy] = {}
        self.exchanges: dict[str, Exchange] = {}
        self.queues: dict[str, MemoryQueue] = {}
        self.bindings: list[Binding] = []
        self.connections: list[MemoryConnection] = []
        self._opened = 0
        self._begin()

    def as_user(self, name: str) -> "MemoryLogin":
        return MemoryLogin(self, name)

    def open(self, user: str, label: str) -> MemoryConnection:
        """Raises LinkDown while it does not run, NotAllowed for an unknown user."""
        if not self.running:
            raise LinkDown("connection refused")
        if user not in self.users:
            raise NotAllowed(f"ACCESS_REFUSED - Login was refused for user '{user}'")
        self._opened += 1
        connection = MemoryConnection(self, f"{label} {self._opened}", user)
        self.connections.append(connection)
        return connection

    # What is done to it

    def stop(self) -> None:
        """Every connection ends, and none is taken until `start`."""
        self.running = False
        reason = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
        for connection in tuple(self.connections):
            connection.end(LinkDown(reason))
        for queue in self.queues.values():
            queue.lose_transient()

    def start(self) -> None:
        self.running = True

    def restart(self) -> None:
        """Durable things and persistent messages stay; every connection drops."""
        self.stop()
        self.start()

    def wipe(self) -> None:
        """The disk is lost: queues, messages, users and policies."""
        self.stop()
        for kept in (self.users, self.policies, self.exchanges, self.queues, self.bindings):
            kept.clear()
        self._begin()
        self.start()

    def cut(self, connection: MemoryConnection) -> None:
        """One connection is lost, with whatever is under way in both directions."""
        connection.cut(LinkDown("connection reset"))

    def set_alarm(self, reason: str) -> None:
        """Memory or disk: connections that publish are blocked until `clear_alarm`."""
        self.alarm = reason

    def clear_alarm(self) -> None:
        self.alarm = ""
        for connection in self.connections:
            connection.unblock()

    # What clients ask, once their rights are checked

    def check(self, user: str, right: str, kind: str, name: str) -> None:
        """Raises NotAllowed when the user's pattern for this right does not match the name."""
        rights = self.users[user].rights if user in self.users else Rights("^$", "^$", "^$")
        shown = name or "amq.default"
        if not re.search(getattr(rights, right), shown):
            where = f"{kind} '{shown}' in vhost '/'"
            raise NotAllowed(f"ACCESS_REFUSED - access to {where} refused for user '{user}'")

    def publish(self, user: str, message: Message, *, damaged: bool = False) -> tuple[bool, bool]:
        """Whether any queue took it by its key, and whether every one of them accepted it. `damaged`: its
        readers cannot decode its properties."""
        self.check(user, "write", "exchange", message.exchange)
        self._check_sender(user, message.user_id)
        queues = self._route(message.exchange, message.key)
        accepted = [queue.offer(message, damaged=damaged) for queue in queues]
        return bool(queues), all(accepted)

    def queue(self, name: str) -> MemoryQueue:
        if name not in self.queues:
            raise NotFound(f"NOT_FOUND - no queue '{name}' in vhost '/'")
        return self.queues[name]

    def declare_exchange(self, exchange: Exchange) -> None:
        known = self.exchanges.setdefault(exchange.name, exchange)
        if known != exchange:
            raise Mismatch(
                _inequivalent("type", "exchange", exchange.name, exchange.kind, known.kind)
            )

    def declare_queue(self, queue: Queue) -> None:
        known = self.queues.get(queue.name)
        if known is None:
            made = MemoryQueue(queue, self._bury)
            self.queues[queue.name] = made
            made.set_limits(self._limits(queue.name))
        elif known.spec.kind != queue.kind:
            raise Mismatch(
                _inequivalent("x-queue-type", "queue", queue.name, queue.kind, known.spec.kind)
            )
        elif known.spec != queue:
            raise Mismatch(
                _inequivalent(
                    "x-single-active-consumer",
                    "queue",
                    queue.name,
                    str(queue.single_active_consumer),
                    str(known.spec.single_active_consumer),
                )
            )

    def bind(self, binding: Binding) -> None:
        self._exchange(binding.exchange)
        self.queue(binding.queue)
        if binding not in self.bindings:
            self.bindings.append(binding)

    def unbind(self, binding: Binding) -> None:
        if binding in self.bindings:
            self.bindings.remove(binding)

    def delete_queue(self, name: str) -> None:
        queue = self.queues.pop(name, None)
        self.bindings[:] = [binding for binding in self.bindings if binding.queue != name]
        for consumer in tuple(queue.consumers) if queue is not None else ():
            consumer.ended()

    def delete_exchange(self, name: str) -> None:
        self.exchanges.pop(name, None)
        self.bindings[:] = [binding for binding in self.bindings if binding.exchange != name]

    def delete_user(self, name: str) -> None:
        """Its connections end, as in RabbitMQ."""
        self.users.pop(name, None)
        for connection in tuple(self.connections):
            if connection.user == name:
                connection.end_politely("user deleted")

    def put_policy(self, policy: Policy) -> None:
        self.policies[policy.name] = policy
        self._apply_policies()

    def delete_policy(self, name: str) -> None:
        self.policies.pop(name, None)
        self._apply_policies()

    def _begin(self) -> None:
        everything = Rights(".*", ".*", ".*")
        self.users[ADMINISTRATOR] = MemoryUser(ADMINISTRATOR, everything)

    def _exchange(self, name: str) -> Exchange:
        if not name:
            return DEFAULT_EXCHANGE
        if name not in self.exchanges:
            raise NotFound(f"NOT_FOUND - no exchange '{name}' in vhost '/'")
        return self.exchanges[name]

    def _route(self, exchange: str, key: str) -> list[MemoryQueue]:
        if not exchange:
            return [self.queues[key]] if key in self.queues else []
        names = find_queues(self._exchange(exchange), self.bindings, key)
        return [self.queues[name] for name in names]

    def _bury(self, message: Message, queue: str, reason: Death, exchange: str) -> None:
        """Dead-letters at most once: without such an exchange, or a queue there, it is gone."""
        now = asyncio.get_running_loop().time()
        if exchange in self.exchanges:
            buried = bury(message, queue, reason, exchange, now)
            for target in self._route(exchange, message.key):
                target.offer(buried)

    def _check_sender(self, user: str, claimed: str | None) -> None:
        known = self.users.get(user)
        if claimed is None or claimed == user or (known is not None and known.impersonator):
            return
        raise NotAllowed(
            f"PRECONDITION_FAILED - user_id property set to '{claimed}'"
            f" but authenticated user was '{user}'"
        )

    def _limits(self, queue: str) -> Limits:
        for policy in self.policies.values():
            if re.search(policy.pattern, queue):
                return Limits.of(policy.definition)
        return Limits()

    def _apply_policies(self) -> None:
        for name, queue in self.queues.items():
            queue.set_limits(self._limits(name))


class MemoryLogin:
    """messaging.channel.Broker: one user of a MemoryBroker."""

    def __init__(self, broker: MemoryBroker, user: str) -> None:
        self._broker = broker
        self._user = user

    async def connect(self, name: str) -> MemoryConnection:
        await asyncio.sleep(self._broker.delay())
        return self._broker.open(self._user, name)


def _inequivalent(argument: str, kind: str, name: str, wanted: str, current: str) -> str:
    return (
        f"PRECONDITION_FAILED - inequivalent arg '{argument}' for {kind} '{name}' in vhost '/':"
        f" received '{wanted}' but current is '{current}'"
    )
