"""Which queues should be there and are not, and what of a topology hangs on them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from contracts.topology import Binding, Topology
from messaging.channel import Channel, Connection, NotFound


def names_of(topologies: Iterable[Topology]) -> frozenset[str]:
    """The queues of these topologies."""
    return frozenset(queue.name for topology in topologies for queue in topology.queues)


def part_of(topology: Topology, absent: frozenset[str]) -> Topology:
    """What must be declared of a topology when these queues are gone: with a queue go its bindings,
    also those that another topology names (a till's to its partition of the journal)."""
    return Topology(
        queues=tuple(queue for queue in topology.queues if queue.name in absent),
        bindings=tuple(one for one in topology.bindings if one.queue in absent),
    )


def probes_of(topologies: Iterable[Topology], asked: frozenset[str]) -> dict[str, Binding]:
    """One binding for each of the queues asked about that has any."""
    found: dict[str, Binding] = {}
    for topology in topologies:
        for binding in topology.bindings:
            if binding.queue in asked:
                found.setdefault(binding.queue, binding)
    return found


async def find_unbindable(
    connection: Connection, topologies: Iterable[Topology], asked: frozenset[str]
) -> frozenset[str]:
    """Which of the queues asked about are gone, found out without the management API: a queue that is
    there takes once more the binding it has. One without a binding is never named.

    Their exchanges must be there. Raises MessagingError.
    """
    waiting = list(probes_of(topologies, asked).values())
    absent: set[str] = set()
    while waiting:
        async with own_channel(connection) as channel:
            absent |= await _refused(channel, waiting)
    return frozenset(absent)


@asynccontextmanager
async def own_channel(connection: Connection) -> AsyncIterator[Channel]:
    """A channel whose loss disturbs nobody else."""
    channel = await connection.channel(confirms=False, prefetch=0)
    try:
        yield channel
    finally:
        await channel.close()


async def _refused(channel: Channel, waiting: list[Binding]) -> set[str]:
    """Binds, taking from `waiting`, until a queue is not found: that closes the channel."""
    while waiting:
        binding = waiting.pop()
        try:
            await channel.bind(binding)
        except NotFound:
            return {binding.queue}
    return set()
