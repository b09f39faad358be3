"""What an administrator's hand does to queues, exchanges and connections of a broker that runs."""

from chaos.faults.kinds import Kind, Met
from chaos.plan import TILLS, Draw, Given
from chaos.world import World
from contracts.topology import DEAD_QUEUE, FEED, JOURNAL, RPC, TillAddress, erp_topology
from messaging.admin import Admin, AdminError
from messaging.channel import MessagingError


def queue_names() -> tuple[str, ...]:
    """Every queue of the run but that of the dead letters, which nobody sends again."""
    names = [queue.name for queue in erp_topology().queues if queue.name != DEAD_QUEUE]
    for pos_id, centre, full in TILLS:
        till = TillAddress(pos_id, centre, full=full)
        names += [till.feed_queue, till.urgent_queue, till.reply_queue]
    return tuple(names)


async def _queue_purged(world: World, given: Given, met: Met) -> None:
    async with world.holding(world.broker_lock):
        try:
            async with world.channel() as channel:
                lost = await channel.purge(given["queue"])
        except (MessagingError, OSError, TimeoutError):
            return
    met(f"{given['queue']}, {lost} messages")


async def _queue_deleted(world: World, given: Given, met: Met) -> None:
    async with world.holding(world.broker_lock):
        try:
            async with world.channel() as channel:
                await channel.delete_queue(given["queue"])
        except (MessagingError, OSError, TimeoutError):
            return
    met(given["queue"])


async def _exchange_deleted(world: World, given: Given, met: Met) -> None:
    async with world.holding(world.broker_lock):
        try:
            async with world.channel() as channel:
                await channel.delete_exchange(given["exchange"])
        except (MessagingError, OSError, TimeoutError):
            return
    met(given["exchange"])


async def _connection_closed(world: World, given: Given, met: Met) -> None:
    """By the management API, as an administrator does it on its pages."""
    url = world.system.erp_env["COMPTOIR_AMQP_ADMIN_URL"]
    async with world.holding(world.broker_lock):
        try:
            async with Admin(url, world.system.vhost) as admin:
                every = sorted(await admin.connections(), key=lambda one: (one.user, one.name))
                if not every:
                    return
                chosen = every[int(given["place"] * len(every))]
                await admin.close_connection(chosen.name, "chaos")
        except AdminError:
            return
    met(f"a connection of {chosen.user}")


QUEUE = Draw(queue=queue_names())

KINDS = (
    Kind("queue_purged", "a queue emptied", _queue_purged, QUEUE),
    Kind("queue_deleted", "a queue deleted, with its bindings", _queue_deleted, QUEUE),
    Kind(
        "exchange_deleted", "an exchange deleted, with its bindings", _exchange_deleted,
        Draw(exchange=(FEED, JOURNAL, RPC)),
    ),
    Kind(
        "connection_closed", "a connection closed by the management API", _connection_closed,
        Draw(place=(0.0, 0.999)),
    ),
)  # fmt: skip
