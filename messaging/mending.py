"""Quorum queues that came back without a leader are made anew.

RabbitMQ 3.10 writes the name of a new quorum queue to disk up to three minutes late, RabbitMQ 4.0 a
second. Killed before that, it comes back with another, empty queue of that name which never elects a
leader: publishing to it is never confirmed, consuming from it never answered. Nothing is lost by
deleting a queue of the journal, and what it held is sent again: a till keeps its entries until the
ERP has applied them.
Dead letters are sent by nobody again, and the management API may be wrong: their queue is a person's
to delete.
"""

import asyncio
from collections.abc import Sequence

import structlog

from contracts.topology import DEAD_QUEUE, Topology
from messaging.admin import Administers, QueueInfo
from messaging.channel import Broker

LOOK_AGAIN = 12.0
"""Seconds after which a queue that has a leader has told the management API its counts, twice."""
INTERVAL = 15.0

_log = structlog.get_logger("mending")


async def mend(admin: Administers, login: Broker, topology: Topology) -> tuple[str, ...]:
    """Deletes and declares again the quorum queues of `topology`, but for the dead letters, that have
    no leader although all their members run; answers their names, none when all is well.

    Takes LOOK_AGAIN seconds when something looks wrong, otherwise one question to the management
    API. `login` must be allowed to configure. Raises AdminError, MessagingError.
    """
    suspects = _leaderless(await admin.queues(), topology)
    if not suspects:
        return ()
    await asyncio.sleep(LOOK_AGAIN)
    told = await admin.queues()
    if not any(queue.counted for queue in told):
        return ()  # the broker counts nothing at all, which says nothing about leaders
    stuck = suspects & _leaderless(told, topology)
    if DEAD_QUEUE in stuck:
        _log.error("the dead letters' queue has no leader", action="queue_stuck", queue=DEAD_QUEUE)
    mendable = sorted(stuck - {DEAD_QUEUE})
    for name in mendable:
        _log.warning("queue without a leader is made anew", action="queue_mended", queue=name)
        await _make_anew(login, topology, name)
    return tuple(mendable)


def _leaderless(queues: Sequence[QueueInfo], topology: Topology) -> set[str]:
    ours = {queue.name for queue in topology.queues if queue.kind == "quorum"}
    return {queue.name for queue in queues if queue.leaderless} & ours


async def _make_anew(login: Broker, topology: Topology, name: str) -> None:
    connection = await login.connect("mending")
    try:
        channel = await connection.channel(confirms=False, prefetch=0)
        await channel.delete_queue(name)
        for queue in topology.queues:
            if queue.name == name:
                await channel.declare_queue(queue)
        for binding in topology.bindings:
            if binding.queue == name:
                await channel.bind(binding)
    finally:
        await connection.close()
