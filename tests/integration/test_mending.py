"""A quorum queue that RabbitMQ brings back without a leader is made anew (I11)."""

from contracts.topology import Binding, Exchange, Queue, Topology
from messaging.admin import Admin
from messaging.amqp import AmqpBroker
from messaging.channel import Message
from messaging.mending import mend
from messaging.topology import declare
from ops.services import PrivateBroker
from tests.conformance.watching import within
from tests.vhosts import Vhost

TOPOLOGY = Topology(
    exchanges=(Exchange("comptoir.journal", "direct"),),
    queues=(Queue("journal", "quorum", single_active_consumer=True), Queue("feed", "classic")),
    bindings=(Binding("comptoir.journal", "till", "journal"),),
)


async def test_i11_a_queue_that_lost_its_leader_takes_messages_again(
    private_broker: PrivateBroker, private_vhost: Vhost
) -> None:
    login = AmqpBroker(private_vhost.admin_url)
    connection = await login.connect("setup")
    channel = await connection.channel(confirms=True, prefetch=0)
    await declare(channel, TOPOLOGY)
    await within(channel.publish(Message(b"before", "comptoir.journal", "till")))
    await _forget_name(private_broker, f"{private_vhost.name}_journal")
    await private_broker.kill()
    await private_broker.start()
    async with Admin(private_vhost.api, private_vhost.name) as admin:
        assert await within(mend(admin, login, TOPOLOGY), 60) == ("journal",)
        assert await mend(admin, login, TOPOLOGY) == ()
    connection = await login.connect("after")
    channel = await connection.channel(confirms=True, prefetch=0)
    await within(channel.publish(Message(b"after", "comptoir.journal", "till")))
    await connection.close()


async def _forget_name(broker: PrivateBroker, server: str) -> None:
    """What a kill within three minutes of declaring does: the name is not on the disk."""
    await broker.ctl(
        "eval",
        f'U = ra_directory:uid_of(quorum_queues, list_to_atom("{server}")),'
        " ra_directory:unregister_name(quorum_queues, U), [dets:sync(T) || T <- dets:all()].",
    )
