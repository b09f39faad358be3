"""What policies and expirations do to messages, and where those go that die."""

import pytest

from contracts.topology import Binding, Exchange, Policy, Queue, QueueKind
from messaging.channel import Channel, Connection, Delivery, Message, Refused
from tests.conformance.buses import Bus
from tests.conformance.watching import Seen, make_queue, numbered, publish, within

DEAD_LETTERS: dict[str, str | int] = {"dead-letter-exchange": "comptoir.dead"}


async def make_graveyard(channel: Channel) -> None:
    await channel.declare_exchange(Exchange("comptoir.dead", "topic"))
    await channel.declare_queue(Queue("dead", "quorum"))
    await channel.bind(Binding("comptoir.dead", "#", "dead"))


async def dead_letters(channel: Channel, count: int) -> list[Delivery]:
    seen = Seen()
    await channel.consume("dead", seen)
    return await seen.wait(count)


def first_death(delivery: Delivery) -> dict[str, object]:
    deaths = delivery.headers["x-death"]
    assert isinstance(deaths, list)
    assert isinstance(deaths[0], dict)
    return dict(deaths[0])


async def test_a_message_returned_too_often_is_dead_lettered_with_its_history(
    bus: Bus, channel: Channel
) -> None:
    await bus.admin.put_policy(Policy("limit", "^q$", {"delivery-limit": 2, **DEAD_LETTERS}))
    await make_graveyard(channel)
    await make_queue(channel)
    await publish(channel, [Message(b"poison", "", "q", correlation_id="c")])
    seen = Seen()
    await channel.consume("q", seen)
    for delivered in range(1, 4):
        delivery = (await seen.wait(delivered))[-1]
        channel.nack(delivery.tag, requeue=True)
    assert [delivery.headers.get("x-delivery-count") for delivery in seen.deliveries] == [
        None,
        1,
        2,
    ]
    (dead,) = await dead_letters(channel, 1)
    assert (dead.body, dead.correlation_id, dead.key) == (b"poison", "c", "q")
    death = first_death(dead)
    assert (death["reason"], death["queue"], death["count"]) == ("delivery_limit", "q", 1)
    assert death["routing-keys"] == ["q"]
    assert len(seen.deliveries) == 3


@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_a_rejected_message_is_dead_lettered_and_the_next_stays(
    bus: Bus, channel: Channel, kind: QueueKind
) -> None:
    await bus.admin.put_policy(Policy("dead", "^q$", DEAD_LETTERS))
    await make_graveyard(channel)
    await make_queue(channel, kind=kind)
    await publish(channel, numbered(2))
    delivery = await channel.get("q")
    assert delivery is not None
    channel.nack(delivery.tag, requeue=False)
    (dead,) = await dead_letters(channel, 1)
    assert dead.body == b"0"
    assert first_death(dead)["reason"] == "rejected"
    after = await channel.get("q")
    assert after is not None
    assert after.body == b"1"


async def test_a_message_past_its_own_expiration_is_not_delivered(
    bus: Bus, channel: Channel
) -> None:
    await bus.admin.put_policy(Policy("dead", "^q$", DEAD_LETTERS))
    await make_graveyard(channel)
    await make_queue(channel, kind="classic")
    late = Message(b"late", "", "q", expiration_ms=50)
    await publish(channel, [late, Message(b"in time", "", "q", expiration_ms=60_000)])
    (dead,) = await dead_letters(channel, 1)
    assert (dead.body, dead.expiration_ms) == (b"late", None)
    assert first_death(dead)["reason"] == "expired"
    seen = Seen()
    await channel.consume("q", seen)
    assert (await seen.wait(1))[0].body == b"in time"


async def test_a_queue_drops_what_waited_longer_than_its_policy_allows(
    bus: Bus, channel: Channel
) -> None:
    await bus.admin.put_policy(Policy("ttl", "^q$", {"message-ttl": 50, **DEAD_LETTERS}))
    await make_graveyard(channel)
    await make_queue(channel, kind="classic")
    await publish(channel, numbered(2))
    dead = await dead_letters(channel, 2)
    assert [first_death(each)["reason"] for each in dead] == ["expired", "expired"]
    assert await channel.get("q") is None


async def test_a_full_queue_drops_its_oldest(bus: Bus, channel: Channel) -> None:
    await bus.admin.put_policy(Policy("length", "^q$", {"max-length": 3, **DEAD_LETTERS}))
    await make_graveyard(channel)
    await make_queue(channel, kind="classic")
    await publish(channel, numbered(5))
    dead = await dead_letters(channel, 2)
    assert [each.body for each in dead] == [b"0", b"1"]
    assert first_death(dead[0])["reason"] == "maxlen"
    seen = Seen()
    await channel.consume("q", seen)
    await seen.wait(3)
    assert seen.bodies == [b"2", b"3", b"4"]


async def test_a_full_queue_that_refuses_says_so_to_the_publisher(
    bus: Bus, channel: Channel
) -> None:
    limits: dict[str, str | int] = {"max-length": 1, "overflow": "reject-publish"}
    await bus.admin.put_policy(Policy("refuse", "^q$", limits))
    await make_queue(channel, kind="classic")
    await publish(channel, numbered(1))
    with pytest.raises(Refused):
        await within(channel.publish(Message(b"too much", "", "q")))


async def test_a_graveyard_that_is_not_there_takes_nothing_and_disturbs_nothing(
    bus: Bus, connection: Connection, channel: Channel
) -> None:
    await bus.admin.put_policy(Policy("dead", "^q$", DEAD_LETTERS))
    await make_queue(channel)
    await publish(channel, numbered(2))
    delivery = await channel.get("q")
    assert delivery is not None
    channel.nack(delivery.tag, requeue=False)
    after = await channel.get("q")
    assert after is not None
    assert after.body == b"1"
    assert not connection.closed.done()
