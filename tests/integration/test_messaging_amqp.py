"""What only a real RabbitMQ and its client library can do to a message or a connection."""

import asyncio
import logging
import random
import re
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from contracts.topology import (
    DEAD_BYTES,
    DEAD_QUEUE,
    Binding,
    Exchange,
    Policy,
    Queue,
    Topology,
    erp_topology,
)
from messaging.admin import Admin, AdminError, hash_password
from messaging.amqp import AmqpBroker, address_of
from messaging.amqp_channel import AmqpChannel
from messaging.amqp_frames import write_message
from messaging.channel import Headers, LinkDown, Message, NotAllowed
from messaging.clock import SystemClock
from messaging.connection import Link, LinkState
from messaging.consumer import Bad
from messaging.dead import DeadLetters, peek, reinject
from messaging.publisher import Publisher
from messaging.responder import Reply, Responder
from messaging.topology import declare
from tests.conformance.watching import Batches, Running, Seen, make_queue, publish, within
from tests.vhosts import Vhost

NOT_UTF8 = b"\xff\xfe\xfd\xfc"
GRAVEYARD = Topology(
    exchanges=(Exchange("comptoir.dead", "topic"),),
    queues=(Queue("dead", "quorum"),),
    bindings=(Binding("comptoir.dead", "#", "dead"),),
)


@pytest.fixture
async def channel(vhost: Vhost) -> AsyncIterator[AmqpChannel]:
    connection = await AmqpBroker(vhost.admin_url).connect("test")
    yield await connection.channel(confirms=True, prefetch=0)
    await connection.close()


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    started = Running()
    yield started
    await started.close()


def publish_damaged(channel: AmqpChannel, message: Message) -> None:
    """Publishes a message in which XXXX stands for bytes that are not UTF-8."""
    frames = write_message(message, channel.number, 100_000)
    assert b"XXXX" in frames
    channel.write(frames.replace(b"XXXX", NOT_UTF8))


DAMAGED = (
    Message(b"bad", "", "q", correlation_id="XXXX"),
    Message(b"bad", "", "q", type="aXXXX", user_id=None, content_encoding="gzip"),
    Message(b"bad", "", "q", headers={"XXXX": "name"}),
    Message(b"bad", "", "q", headers={"deep": {"list": [{"XXXX": 1}]}}),
)


@pytest.mark.parametrize("damaged", DAMAGED)
async def test_a_property_that_is_not_utf8_is_parked_and_the_next_message_handled(
    vhost: Vhost, channel: AmqpChannel, running: Running, damaged: Message
) -> None:
    await declare(channel, GRAVEYARD)
    await make_queue(channel)
    publisher, batches = Publisher(), Batches()
    dead = DeadLetters(publisher, SystemClock())
    login = AmqpBroker(vhost.admin_url)
    link = await running.up(login, publisher, batches.consumer("q", park=dead.of("q")))
    states: list[LinkState] = []
    link.listen(states.append)
    publish_damaged(channel, damaged)
    sender = await (await login.connect("sender")).channel(confirms=True, prefetch=0)
    await publish(sender, [Message(b"next", "", "q")])
    await batches.wait(1)
    assert batches.bodies == [b"next"]
    await batches.wait_for(lambda: batches.finished == 2)
    (letter,) = await peek(sender, 5)
    assert (letter.code, letter.body, letter.queue) == ("malformed", b"bad", "q")
    assert states == []


FOREIGN: tuple[Headers, ...] = (
    {"h": "XXXX"},
    {"deep": {"list": [{"h": "aXXXX"}]}},
    {"long": "XXXX" * 25_000},
)


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_bad_message_whose_header_value_is_no_text_is_parked_and_the_next_handled(
    vhost: Vhost, channel: AmqpChannel, running: Running, headers: Headers
) -> None:
    await declare(channel, GRAVEYARD)
    await make_queue(channel)
    publisher, batches = Publisher(), Batches()
    dead = DeadLetters(publisher, SystemClock())
    batches.bad = {b"bad": Bad("unknown_type", "x" * 5_000)}
    login = AmqpBroker(vhost.admin_url)
    link = await running.up(login, publisher, batches.consumer("q", park=dead.of("q")))
    states: list[LinkState] = []
    link.listen(states.append)
    publish_damaged(channel, Message(b"bad", "", "q", headers=headers))
    await publish(channel, [Message(b"next", "", "q")])
    await batches.wait(2)
    await batches.idle()
    assert batches.bodies == [b"bad", b"next"]
    (letter,) = await peek(channel, 5)
    assert (letter.code, letter.body, letter.queue) == ("unknown_type", b"bad", "q")
    assert r"\xff\xfe\xfd\xfc" in str(letter.headers).replace(r"\\", "\\")
    assert states == []


async def test_a_letter_the_broker_buried_with_such_a_header_is_shown_and_put_back(
    vhost: Vhost, channel: AmqpChannel, running: Running
) -> None:
    async with Admin(vhost.api, vhost.name) as admin:
        rule: dict[str, str | int] = {"delivery-limit": 0, "dead-letter-exchange": "comptoir.dead"}
        await admin.put_policy(Policy("limit", "^q$", rule))
    await declare(channel, GRAVEYARD)
    await make_queue(channel)
    publisher, buried = Publisher(), Seen()
    await running.up(AmqpBroker(vhost.admin_url), publisher)
    publish_damaged(channel, Message(b"bad", "", "q", headers={"h": "XXXX"}))
    first = Seen()
    consumer = await channel.consume("q", first)
    channel.nack((await first.wait(1))[0].tag, requeue=True)
    watching = await channel.consume("dead", buried)
    lying = (await buried.wait(1))[0]
    await channel.cancel(watching)  # first: it would be given the letter again
    channel.nack(lying.tag, requeue=True)
    (letter,) = await peek(channel, 5)
    assert letter.code == "delivery_limit"
    assert await reinject(channel, publisher, letter.id)
    back = (await first.wait(2))[1]
    assert (back.body, dict(back.headers)) == (b"bad", {"h": r"\xff\xfe\xfd\xfc"})
    channel.ack(back.tag)
    await channel.cancel(consumer)


async def test_too_many_dead_letters_cost_the_oldest_and_never_stop_the_next(
    vhost: Vhost, channel: AmqpChannel
) -> None:
    (limits,) = (one for one in erp_topology().policies if re.search(one.pattern, DEAD_QUEUE))
    assert limits.definition["max-length-bytes"] == DEAD_BYTES
    few = Policy(limits.name, limits.pattern, {**limits.definition, "max-length-bytes": 3_500})
    async with Admin(vhost.api, vhost.name) as admin:
        await admin.put_policy(few)
    await declare(channel, GRAVEYARD)
    for number in range(8):
        await within(channel.publish(Message(b"%d" % number * 1_000, "comptoir.dead", "q")))
    kept = [letter.body[:1] for letter in await peek(channel, 10)]
    assert kept == [b"5", b"6", b"7"]


async def test_a_question_with_a_property_that_is_not_utf8_is_parked(
    vhost: Vhost, channel: AmqpChannel, running: Running
) -> None:
    parked = asyncio.Event()
    codes: list[str] = []

    async def park(delivery: object, bad: object) -> None:
        codes.append(getattr(bad, "code", ""))
        parked.set()

    async def answer(delivery: object) -> Reply | None:
        raise AssertionError("must not be executed")

    await make_queue(channel)
    await running.up(AmqpBroker(vhost.admin_url), Responder("q", answer, park))
    publish_damaged(channel, Message(b"?", "", "q", correlation_id="XXXX", user_id=None))
    await within(parked.wait())
    assert codes == ["malformed"]


async def test_a_damaged_message_that_comes_back_does_not_cost_the_connection(
    channel: AmqpChannel,
) -> None:
    channel_closed = channel.closed
    channel.write(
        write_message(
            Message(b"x", "", "nowhere", correlation_id="XXXX"), channel.number, 100_000, "1"
        ).replace(b"XXXX", NOT_UTF8)
    )
    await make_queue(channel)
    assert not channel_closed.done()


async def test_bodies_are_never_logged(
    vhost: Vhost, channel: AmqpChannel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    connection = await AmqpBroker(vhost.admin_url).connect("quiet")
    plain = await connection.channel(confirms=False, prefetch=0)
    await make_queue(channel)
    plain.send(Message(b"SECRET", "", "nowhere", correlation_id="c"))
    plain.send(Message(b"SECRET", "", "q"))
    seen = Seen()
    await channel.consume("q", seen)
    await seen.wait(1)
    await connection.close()
    assert "SECRET" not in caplog.text


async def test_a_wrong_password_or_vhost_is_told_in_the_brokers_words(vhost: Vhost) -> None:
    user = vhost.admin_url.partition("//")[2].partition(":")[0]
    wrong = vhost.amqp_url(user, "wrong")
    with pytest.raises(NotAllowed, match="ACCESS_REFUSED"):
        await AmqpBroker(wrong).connect("test")
    with pytest.raises(NotAllowed, match=r"vhost .*-gone not found"):
        await AmqpBroker(vhost.admin_url + "-gone").connect("test")
    with pytest.raises(LinkDown):
        await AmqpBroker("amqp://127.0.0.1:1/").connect("test")


async def test_the_management_api_makes_users_who_can_log_in(vhost: Vhost) -> None:
    async with Admin(vhost.api, vhost.name) as admin:
        name = f"pos.{vhost.name}"
        await admin.put_user(name, password_hash=hash_password("geheim", random.randbytes(4)))
        try:
            with pytest.raises(NotAllowed):
                await AmqpBroker(vhost.amqp_url(name, "geheim")).connect("test")
            everything = (await admin.rights())[vhost.admin_url.partition("//")[2].split(":")[0]]
            await admin.put_rights(name, everything)
            assert (await admin.rights())[name] == everything
            connection = await AmqpBroker(vhost.amqp_url(name, "geheim")).connect("test")
            assert connection.user == name
            await connection.close()
            assert name in [user.name for user in await admin.users()]
        finally:
            await admin.delete_user(name)


async def test_the_management_api_counts_what_waits(vhost: Vhost, channel: AmqpChannel) -> None:
    async with Admin(vhost.api, vhost.name) as admin:
        await admin.put_policy(Policy("limit", "^q$", {"max-length": 9}))
        assert await admin.policies() == (Policy("limit", "^q$", {"max-length": 9}),)
        await make_queue(channel, kind="classic")
        await publish(channel, [Message(b"x", "", "q", timestamp=SystemClock().now())] * 3)
        await channel.consume("q", Seen())
        async with asyncio.timeout(30):
            while True:  # counted every five seconds
                (queue,) = await admin.queues()
                if queue.unacked == 3 and queue.consumers == 1:
                    break
        assert (queue.name, queue.kind, queue.messages) == ("q", "classic", 3)
        await admin.delete_policy("limit")
        assert await admin.policies() == ()


async def test_a_management_error_names_the_url_and_the_status_and_no_password(
    vhost: Vhost,
) -> None:
    async with Admin(vhost.api, vhost.name) as admin:
        with pytest.raises(AdminError, match=r"DELETE http://\S+/api/users/nobody: 404") as caught:
            await admin.delete_user("nobody")
        assert caught.value.status == 404
        assert "@" not in str(caught.value)
    async with Admin("http://user:secret@127.0.0.1:1") as admin:
        with pytest.raises(AdminError, match=r"not reachable") as unreachable:
            await admin.version()
        assert "secret" not in str(unreachable.value)


async def test_a_refused_log_in_is_logged_with_its_reason_and_without_the_password(
    vhost: Vhost,
) -> None:
    url = vhost.amqp_url("nobody", "s3cret-word")
    rng = random.Random(1)
    link = Link(AmqpBroker(url), "till", clock=SystemClock(), rng=rng, address=address_of(url))
    failed = asyncio.Event()
    link.listen(lambda state: failed.set() if state.reason else None)
    with capture_logs() as lines:
        task = asyncio.create_task(link.run())
        await within(failed.wait())
        task.cancel()
        await asyncio.wait([task])
    (line,) = lines
    assert (line["action"], line["broker"]) == ("link_down", address_of(url))
    assert "ACCESS_REFUSED" in line["reason"]
    assert "s3cret-word" not in str(lines)
