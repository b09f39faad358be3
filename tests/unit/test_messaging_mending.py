"""Which queues are made anew, and when."""

import asyncio

from contracts.topology import (
    DEAD_QUEUE,
    Binding,
    Exchange,
    Queue,
    Topology,
    erp_topology,
    journal_queue,
)
from erp_node.queues import keep_queues
from messaging.admin import AdminError, QueueInfo
from messaging.channel import Message
from messaging.memory.admin import MemoryAdmin
from messaging.memory.broker import MemoryBroker
from messaging.mending import mend
from messaging.topology import declare
from tests.fake_time import on_fake_time, until

TOPOLOGY = Topology(
    exchanges=(Exchange("e", "direct"),),
    queues=(Queue("q", "quorum"), Queue("fine", "quorum"), Queue("c", "classic")),
    bindings=(Binding("e", "k", "q"),),
)


def quorum(name: str, **fields: object) -> QueueInfo:
    return QueueInfo.model_validate(
        {"name": name, "type": "quorum", "members": ["a"], "online": ["a"], **fields}
    )


class Telling(MemoryAdmin):
    """The management API with answers of its own, one after the other; the last stays."""

    def __init__(self, broker: MemoryBroker, *answers: tuple[QueueInfo, ...] | AdminError) -> None:
        super().__init__(broker)
        self.answers = list(answers)

    async def queues(self) -> tuple[QueueInfo, ...]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, AdminError):
            raise answer
        return answer


async def waiting_in(broker: MemoryBroker) -> int:
    connection = await broker.as_user("guest").connect("test")
    channel = await connection.channel(confirms=True, prefetch=0)
    return await channel.purge("q")


async def make(broker: MemoryBroker) -> None:
    connection = await broker.as_user("guest").connect("test")
    channel = await connection.channel(confirms=True, prefetch=0)
    for exchange in TOPOLOGY.exchanges:
        await channel.declare_exchange(exchange)
    for queue in TOPOLOGY.queues:
        await channel.declare_queue(queue)
    await channel.publish(Message(b"x", "", "q"))


STUCK = quorum("q")
FINE = quorum("fine", state="running", messages=0)


@on_fake_time
async def test_a_queue_without_a_leader_at_both_looks_is_made_anew_with_its_bindings() -> None:
    broker = MemoryBroker()
    await make(broker)
    login = broker.as_user("guest")
    assert await mend(Telling(broker, (STUCK, FINE)), login, TOPOLOGY) == ("q",)
    assert await waiting_in(broker) == 0
    assert broker.bindings == list(TOPOLOGY.bindings)


@on_fake_time
async def test_a_queue_called_running_that_nobody_counts_is_made_anew() -> None:
    """So RabbitMQ 4 tells of one without a leader."""
    broker = MemoryBroker()
    await make(broker)
    running = quorum("q", state="running", leader="a")
    assert await mend(Telling(broker, (running, FINE)), broker.as_user("guest"), TOPOLOGY) == ("q",)


@on_fake_time
async def test_what_is_well_is_left_alone() -> None:
    broker = MemoryBroker()
    await make(broker)
    login = broker.as_user("guest")
    for answers in (
        ((FINE, quorum("q", state="running", messages=1)),),
        ((STUCK, FINE), (quorum("q", state="running", messages=1), FINE)),
        ((quorum("q", members=["a", "b"]), FINE),),
        ((quorum("stranger"), FINE),),
        ((QueueInfo(name="c"), FINE),),
        ((STUCK, quorum("fine"), QueueInfo(name="c")),),
    ):
        assert await mend(Telling(broker, *answers), login, TOPOLOGY) == ()
    assert await waiting_in(broker) == 1


@on_fake_time
async def test_dead_letters_are_never_deleted_whatever_the_broker_says_of_their_queue() -> None:
    broker = MemoryBroker()
    topology = Topology(queues=(Queue(DEAD_QUEUE, "quorum"), Queue("q", "quorum")))
    connection = await broker.as_user("guest").connect("test")
    channel = await connection.channel(confirms=True, prefetch=0)
    await declare(channel, topology)
    await channel.publish(Message(b"kept", "", DEAD_QUEUE))
    admin = Telling(broker, (quorum(DEAD_QUEUE), STUCK, FINE))
    assert await mend(admin, broker.as_user("guest"), topology) == ("q",)
    assert await channel.purge(DEAD_QUEUE) == 1


@on_fake_time
async def test_i11_looking_after_the_queues_goes_on_when_broker_or_database_are_away() -> None:
    broker = MemoryBroker()
    connection = await broker.as_user("guest").connect("test")
    channel = await connection.channel(confirms=True, prefetch=0)
    await declare(channel, erp_topology())
    away = AdminError("GET", "http://localhost/api/queues", "not reachable")
    stuck = (quorum(journal_queue(0)), FINE)
    admin = Telling(broker, away, away, stuck, stuck, stuck, stuck, (FINE,))
    declared: list[OSError | None] = []

    async def declare_again() -> None:
        declared.append(None if declared else OSError("database away"))
        if declared[-1]:
            raise declared[-1]

    task = asyncio.create_task(keep_queues(admin, broker.as_user("guest"), declare_again))
    await until(lambda: len(declared) == 2 or task.done())
    assert not task.done()
    task.cancel()
