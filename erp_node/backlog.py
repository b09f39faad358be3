"""What waits at the broker for the ERP, counted by the management API: journals by partition, dead letters."""

import asyncio
from dataclasses import dataclass

from contracts.topology import DEAD_QUEUE, JOURNAL_PARTITIONS, journal_queue
from messaging.admin import AdminError, Administers, QueueInfo

PATIENCE_S = 3.0

QUEUES = (*map(journal_queue, range(JOURNAL_PARTITIONS)), DEAD_QUEUE)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One queue. `messages` is None when nobody counts them; `trouble` says what is wrong with the queue itself."""

    queue: str
    messages: int | None = None
    consumers: int | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """The journals' queues in the order of their partitions, the dead letters', and why nothing could be counted."""

    journals: tuple[Waiting, ...]
    dead: Waiting
    unknown: str | None = None


async def read_backlog(admin: Administers | None) -> Backlog:
    """Counts of up to 5 s ago; unknown without the management API, or when it does not answer soon."""
    if admin is None:
        return _unknown("COMPTOIR_AMQP_ADMIN_URL is not set")
    try:
        async with asyncio.timeout(PATIENCE_S):
            found = [await admin.queue(name) for name in QUEUES]
    except TimeoutError:
        return _unknown(f"COMPTOIR_AMQP_ADMIN_URL: no answer within {PATIENCE_S:g} s")
    except AdminError as error:
        return _unknown(f"COMPTOIR_AMQP_ADMIN_URL: {error}")
    *journals, dead = map(_waiting, QUEUES, found)
    return Backlog(tuple(journals), dead)


def _waiting(name: str, found: QueueInfo | None) -> Waiting:
    if found is None:
        return Waiting(name, trouble="the queue is not there")
    if not found.counted:
        why = "it has no leader" if found.leaderless else "too few of its members run"
        return Waiting(name, trouble=f"the queue is not counted: {why}")
    return Waiting(name, found.messages, found.consumers)


def _unknown(reason: str) -> Backlog:
    *journals, dead = map(Waiting, QUEUES)
    return Backlog(tuple(journals), dead, reason)
