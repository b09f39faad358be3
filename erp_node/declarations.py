"""What the ERP needs on its broker, made sure of on every connection."""

import structlog

from erp_node import tills
from erp_node.store.faults import is_transient
from erp_node.store.pool import Pool
from messaging.admin import AdminError, Administers
from messaging.channel import Channel, Connection, LinkDown, MessagingError

log = structlog.get_logger()


class Declarations:
    """A role that makes sure on every connection that all exchanges, queues and users are there.

    `admin`: the broker's management API; without it users are not put back. While the database does
    not answer, the role is not attached, and says so.
    """

    name = "topology"

    def __init__(self, pool: Pool, admin: Administers | None) -> None:
        self._pool = pool
        self._admin = admin

    async def attach(self, connection: Connection) -> Channel:
        channel = await connection.channel(confirms=False, prefetch=0)
        try:
            await self._declare(channel)
        except BaseException:
            channel.drop(LinkDown("not everything could be declared"))
            raise
        return channel

    def detach(self, reason: MessagingError) -> None:
        pass

    async def run(self) -> None:
        pass

    async def _declare(self, channel: Channel) -> None:
        try:
            if self._admin is not None:
                await self._put_users_back(self._admin)
            await tills.declare_everything(self._pool, channel)
        except MessagingError:
            raise
        except Exception as error:
            if not is_transient(error):
                raise
            raise LinkDown("the database does not answer") from None

    async def _put_users_back(self, admin: Administers) -> None:
        try:
            back = await tills.put_users_back(
                self._pool, admin, [u.name for u in await admin.users()]
            )
        except AdminError as error:
            log.warning("tills' users were not looked after", action="users", reason=str(error))
            return
        if back:
            log.warning("tills' users put back", action="users", count=back)
