"""Making what contracts.topology names: exchanges, queues, bindings on a channel; policies, users
and rights through the management API."""

from contracts.topology import Exchange, Policy, Queue, Topology
from messaging.admin import Administers
from messaging.channel import Channel, Mismatch


async def declare(channel: Channel, topology: Topology) -> None:
    """Declares everything but the policies; what exists already is left as it is.

    Raises Mismatch, naming the queue or exchange and the argument that differs, and NotAllowed;
    either closes the channel.
    """
    for exchange in topology.exchanges:
        try:
            await channel.declare_exchange(exchange)
        except Mismatch as error:
            raise Mismatch(_difference(exchange, error)) from None
    for queue in topology.queues:
        try:
            await channel.declare_queue(queue)
        except Mismatch as error:
            raise Mismatch(_difference(queue, error)) from None
    for binding in topology.bindings:
        await channel.bind(binding)


async def remove(channel: Channel, topology: Topology) -> None:
    """Deletes the queues and exchanges of a topology, with what waits in them."""
    for queue in topology.queues:
        await channel.delete_queue(queue.name)
    for exchange in topology.exchanges:
        await channel.delete_exchange(exchange.name)


async def apply_policies(admin: Administers, policies: tuple[Policy, ...]) -> None:
    """Sets the limits of a topology. Raises AdminError."""
    for policy in policies:
        await admin.put_policy(policy)


def _difference(wanted: Exchange | Queue, error: Mismatch) -> str:
    return f"{wanted.name} exists and is not the {wanted.kind} one wanted here: {error.reason}"
