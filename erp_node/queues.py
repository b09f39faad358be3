"""Looking after the queues while the node runs."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from contracts.topology import erp_topology
from erp_node.store.faults import is_transient
from messaging.admin import AdminError, Administers
from messaging.channel import Broker, MessagingError
from messaging.failures import describe
from messaging.mending import INTERVAL, mend

log = structlog.get_logger()


async def keep_queues(
    admin: Administers, login: Broker, declare_again: Callable[[], Awaitable[None]]
) -> None:
    """Runs until cancelled: makes queues that a killed broker left without a leader anew, and has
    all that hangs on them declared again. While broker or database are away it waits."""
    while True:
        await asyncio.sleep(INTERVAL)
        try:
            if await mend(admin, login, erp_topology()):
                await declare_again()
        except (AdminError, MessagingError) as error:
            log.info("queues not looked after", action="mending_failed", reason=str(error))
        except Exception as error:
            if not is_transient(error):
                raise
            log.info("queues not looked after", action="mending_failed", reason=describe(error))
