"""The management of a memory broker, with the methods of messaging.admin.Admin that nodes use."""

from contracts.topology import Policy, Rights
from messaging.admin import ConnectionInfo, QueueInfo, UserInfo
from messaging.memory.broker import MemoryBroker, MemoryUser

NOTHING = Rights("^$", "^$", "^$")


class MemoryAdmin:
    """messaging.admin.Administers for a MemoryBroker. Passwords are not looked at."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def users(self) -> tuple[UserInfo, ...]:
        return tuple(
            UserInfo(user.name, ("impersonator",) if user.impersonator else ())
            for user in self._broker.users.values()
        )

    async def put_user(self, name: str, *, password_hash: str, tags: tuple[str, ...] = ()) -> None:
        known = self._broker.users.get(name)
        rights = NOTHING if known is None else known.rights
        self._broker.users[name] = MemoryUser(name, rights, "impersonator" in tags)

    async def delete_user(self, name: str) -> None:
        self._broker.delete_user(name)

    async def put_rights(self, user: str, rights: Rights) -> None:
        impersonator = self._broker.users[user].impersonator
        self._broker.users[user] = MemoryUser(user, rights, impersonator)

    async def rights(self) -> dict[str, Rights]:
        return {user.name: user.rights for user in self._broker.users.values()}

    async def put_policy(self, policy: Policy) -> None:
        self._broker.put_policy(policy)

    async def delete_policy(self, name: str) -> None:
        self._broker.delete_policy(name)

    async def policies(self) -> tuple[Policy, ...]:
        return tuple(self._broker.policies.values())

    async def queues(self) -> tuple[QueueInfo, ...]:
        return tuple(
            QueueInfo(
                name=name,
                type=queue.spec.kind,
                messages=len(queue.ready) + len(queue.unacked),
                messages_ready=len(queue.ready),
                messages_unacknowledged=len(queue.unacked),
                consumers=len(queue.consumers),
                state="running",
            )
            for name, queue in self._broker.queues.items()
        )

    async def queue(self, name: str) -> QueueInfo | None:
        return next((one for one in await self.queues() if one.name == name), None)

    async def queue_names(self) -> frozenset[str]:
        return frozenset(self._broker.queues)

    async def connections(self) -> tuple[ConnectionInfo, ...]:
        return tuple(
            ConnectionInfo(
                name=connection.name,
                user=connection.user,
                state="running",
            )
            for connection in self._broker.connections
        )

    async def close_connection(self, name: str, reason: str) -> None:
        for connection in tuple(self._broker.connections):
            if connection.name == name:
                connection.end_politely(reason)
