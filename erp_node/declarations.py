"""What the ERP needs on its broker, made sure of on every connection and looked at ever after."""

import asyncio
from collections.abc import Sequence

import structlog

from contracts.topology import Topology, erp_topology
from erp_node import tills
from erp_node.missing import find_unbindable, names_of, own_channel, part_of
from erp_node.store.faults import is_transient
from erp_node.store.pool import Pool
from erp_node.store.tills import EnrolledTill, list_active
from messaging.admin import AdminError, Administers
from messaging.channel import Channel, Connection, LinkDown, MessagingError
from messaging.failures import describe
from messaging.topology import declare

LOOK_AGAIN = 3.0
"""Seconds between two looks: with the consumers' pauses, traffic flows 10 s after a deletion (I11)."""
SLICE = 20
"""Tills declared again at each look: nothing but time is needed to find what of theirs is gone."""

log = structlog.get_logger()


class Declarations:
    """A role that makes sure that all exchanges, queues and users are there: everything on each
    connection, and while it lasts what somebody deleted.

    `admin`: the broker's management API, which names missing queues at once; without it the ERP's own
    are found as fast, those of SLICE tills at each look, and users are not put back. While the
    database does not answer, the role is not attached, and says so.
    """

    name = "topology"

    def __init__(self, pool: Pool, admin: Administers | None) -> None:
        self._pool = pool
        self._admin = admin
        self._connection: Connection | None = None
        self._attached = asyncio.Event()
        self._looked_after = 0
        self._complaints: dict[str, str] = {}

    async def attach(self, connection: Connection) -> Channel:
        channel = await connection.channel(confirms=False, prefetch=0)
        try:
            await self._declare(channel)
        except BaseException:
            channel.drop(LinkDown("not everything could be declared"))
            raise
        self._connection = connection
        self._attached.set()
        return channel

    def detach(self, reason: MessagingError) -> None:
        self._attached.clear()
        self._connection = None

    async def run(self) -> None:
        while True:
            await self._attached.wait()
            await asyncio.sleep(LOOK_AGAIN)
            # On a blocked connection the broker answers nothing.
            if (connection := self._connection) is not None and not connection.blocked:
                await self._look(connection)

    async def _declare(self, channel: Channel) -> None:
        try:
            await self._put_users_back()
            await tills.declare_everything(self._pool, channel)
        except MessagingError:
            raise
        except Exception as error:
            if not is_transient(error):
                raise
            raise LinkDown("the database does not answer") from None

    async def _look(self, connection: Connection) -> None:
        try:
            await self._put_users_back()
            # Before the tills are read: the queues of one that is retired meanwhile are not missed.
            there = await self._queue_names()
            await self._declare_missing(connection, there)
        except MessagingError as error:
            self._complain("queues", str(error))
        except Exception as error:
            if not is_transient(error):
                raise
            self._complain("queues", describe(error))
        else:
            self._complain("queues", "")

    async def _declare_missing(self, connection: Connection, there: frozenset[str] | None) -> None:
        """`there`: the queues the broker has, None when nobody tells."""
        own, enrolled = erp_topology(), await list_active(self._pool)
        turn = self._next_turn(enrolled)
        every = (own, *map(tills.topology_of, enrolled))
        async with own_channel(connection) as channel:
            await declare(channel, Topology(exchanges=own.exchanges))
        if there is None:
            asked = names_of((own, *map(tills.topology_of, turn)))
            absent = await find_unbindable(connection, every, asked)
        else:
            absent = names_of(every) - there
        async with own_channel(connection) as channel:
            for name in sorted(absent):
                log.warning("a queue is missing and made again", action="queue_missing", queue=name)
            for topology in every if absent else ():
                await declare(channel, part_of(topology, absent))
            for topology in (own, *map(tills.topology_of, turn)):
                await declare(channel, topology)
            await tills.take_back(self._pool, channel, enrolled if absent else turn)

    def _next_turn(self, enrolled: Sequence[EnrolledTill]) -> Sequence[EnrolledTill]:
        """The next slice of the tills, from the beginning again after the last."""
        start = self._looked_after if self._looked_after < len(enrolled) else 0
        self._looked_after = start + SLICE
        return enrolled[start : start + SLICE]

    async def _queue_names(self) -> frozenset[str] | None:
        if self._admin is None:
            return None
        try:
            there = await self._admin.queue_names()
        except AdminError as error:
            self._complain("administration", str(error))
            return None
        self._complain("administration", "")
        return there

    async def _put_users_back(self) -> None:
        if self._admin is None:
            return
        try:
            back = await tills.put_users_back(self._pool, self._admin)
            await _put_limits_back(self._admin)
        except AdminError as error:
            self._complain("users", str(error))
            return
        self._complain("users", "")
        if back:
            log.warning("tills' users put back", action="users", count=back)

    def _complain(self, about: str, reason: str) -> None:
        """Tells once what cannot be looked after, not at every look; "" means that it can again."""
        if reason and self._complaints.get(about) != reason:
            log.warning("not everything is looked after", action=about, reason=reason)
        self._complaints[about] = reason


async def _put_limits_back(admin: Administers) -> None:
    """A virtual host made anew has no limits. Those that are there may have been changed on purpose."""
    there = {policy.name for policy in await admin.policies()}
    for policy in erp_topology().policies:
        if policy.name not in there:
            await admin.put_policy(policy)
