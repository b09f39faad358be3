"""Questions and answers: deadlines, cancelling, many at once (SEARCH-12, I12)."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from contracts.topology import RPC, TillAddress, erp_topology, till_topology
from messaging.channel import Channel, Delivery, Message, NoAnswer, Returned
from messaging.consumer import Bad
from messaging.observer import Event
from messaging.responder import BadRequest, Reply, Responder
from messaging.rpc import Requester
from messaging.topology import declare
from tests.conformance.buses import Bus
from tests.conformance.watching import Running, Seen, within

TILL = TillAddress("lyon-1", "lyon")
OTHER = TillAddress("paris-1", "paris")


@dataclass
class Desk:
    """An ERP that answers searches, and a till that asks."""

    requester: Requester
    asked: list[Delivery] = field(default_factory=list)
    parked: list[tuple[Delivery, Bad]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    most_at_once: int = 0

    async def answer(self, request: Delivery) -> Reply | None:
        self.asked.append(request)
        self.changed.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        if request.body == b"break":
            raise ZeroDivisionError("secret")
        if request.body == b"bad":
            raise BadRequest("malformed", "data.phrase: missing")
        return Reply(b"answer to " + request.body, content_encoding="zstd", type="found")

    def refuse(self, request: Delivery, error: Exception) -> Reply:
        return Reply(type(error).__name__.encode(), type="refused")

    async def park(self, request: Delivery, bad: Bad) -> None:
        self.parked.append((request, bad))
        self.changed.set()
        if request.body == b"unparkable":
            raise TypeError("a header of it cannot be written")

    def observe(self, event: Event) -> None:
        self.events.append(event)
        self.changed.set()

    def outcomes(self) -> list[str]:
        return [event.outcome for event in self.events if event.action == "answered"]

    async def ask(self, body: bytes, timeout: float = 20, key: str = "search") -> Delivery:
        return await within(self.requester.ask(Message(body, RPC, key), timeout), 30)

    async def until_asked(self, count: int) -> None:
        await self.wait_for(lambda: len(self.asked) >= count)

    async def wait_for(self, done: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not done():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def desk(bus: Bus, channel: Channel, running: Running) -> AsyncIterator[Desk]:
    await declare(channel, erp_topology())
    for till in (TILL, OTHER):
        await declare(channel, till_topology(till, 0))
    made = Desk(Requester(TILL.reply_queue, rng=random.Random(5)))
    made.gate.set()
    responder = Responder(
        "erp.rpc.search",
        made.answer,
        made.park,
        concurrency=8,
        refuse=made.refuse,
        observer=made.observe,
    )
    await running.up(bus.login, responder, name="erp")
    await running.up(await bus.user(TILL.user, TILL.rights), made.requester, name="till")
    yield made
    assert made.requester.waiting == 0


async def test_a_question_is_answered_to_the_till_that_asked(desk: Desk) -> None:
    answer = await desk.ask(b"dupont")
    assert (answer.body, answer.content_encoding, answer.type) == (
        b"answer to dupont",
        "zstd",
        "found",
    )
    assert answer.user_id is not None
    (request,) = desk.asked
    assert request.user_id == TILL.user
    assert request.expiration_ms == 20_000


async def test_a_question_and_its_answer_are_told_to_the_observers_of_both_ends(
    desk: Desk, bus: Bus, running: Running
) -> None:
    events: list[Event] = []
    requester = Requester(OTHER.reply_queue, rng=random.Random(6), observer=events.append)
    await running.up(await bus.user(OTHER.user, OTHER.rights), requester, name="other")
    await within(requester.ask(Message(b"dupont", RPC, "search"), 20), 30)
    assert [(event.action, event.outcome, event.what.body) for event in events] == [
        ("sent", "ok", b"dupont"),
        ("handled", "ok", b"answer to dupont"),
        ("asked", "ok", b"dupont"),
    ]
    await desk.wait_for(lambda: len(desk.events) >= 2)
    assert [(event.action, event.what.body) for event in desk.events] == [
        ("sent", b"answer to dupont"),
        ("answered", b"dupont"),
    ]


async def test_two_hundred_questions_at_once_each_get_their_own_answer(desk: Desk) -> None:
    desk.gate.clear()
    asking = [asyncio.create_task(desk.ask(b"%d" % number)) for number in range(200)]
    await desk.until_asked(8)
    assert desk.requester.waiting == 200
    desk.gate.set()
    answers = await asyncio.gather(*asking)
    assert [answer.body for answer in answers] == [b"answer to %d" % n for n in range(200)]
    assert desk.most_at_once == 8
    assert desk.requester.late == 0


async def test_search_12_past_the_deadline_there_is_no_answer_and_a_late_one_changes_nothing(
    desk: Desk,
) -> None:
    desk.gate.clear()
    with pytest.raises(NoAnswer, match=r"search within 0\.2 s"):
        await desk.ask(b"slow", timeout=0.2)
    desk.gate.set()
    assert (await desk.ask(b"next")).body == b"answer to next"
    assert len(desk.asked) <= 2


async def test_search_12_a_late_answer_is_counted_and_harms_no_later_question(
    desk: Desk, channel: Channel
) -> None:
    forgotten = asyncio.create_task(desk.ask(b"given up"))
    desk.gate.clear()
    await desk.until_asked(1)
    forgotten.cancel()
    with pytest.raises(asyncio.CancelledError):
        await forgotten
    desk.gate.set()
    assert (await desk.ask(b"next")).body == b"answer to next"
    assert desk.requester.late == 1


async def test_search_12_a_request_whose_time_ran_out_while_waiting_is_not_executed(
    desk: Desk,
) -> None:
    desk.gate.clear()
    busy = [asyncio.create_task(desk.ask(b"busy")) for _ in range(8)]
    await desk.until_asked(8)
    for body in (b"too late", b"what came later shows that its time is over there too"):
        with pytest.raises(NoAnswer):
            await desk.ask(body, timeout=0.2)
    desk.gate.set()
    await asyncio.gather(*busy)
    await desk.ask(b"next")
    assert b"too late" not in [request.body for request in desk.asked]
    assert desk.outcomes().count("expired") >= 1


async def test_search_12_a_question_nobody_takes_in_time_is_dropped_by_the_broker(
    desk: Desk, channel: Channel
) -> None:
    with pytest.raises(NoAnswer):
        await desk.ask(b"nobody there", timeout=0.1, key="fetch")
    async with asyncio.timeout(20):
        while (there := await channel.get("erp.rpc.fetch")) is not None:
            channel.nack(there.tag, requeue=True)
    seen = Seen()
    await channel.consume("erp.rpc.fetch", seen)
    await within(channel.publish(Message(b"later", RPC, "fetch")))
    await seen.wait(1)
    assert seen.bodies == [b"later"]


async def test_a_question_nobody_can_ever_answer_fails_at_once(desk: Desk) -> None:
    with pytest.raises(Returned, match="nosuch"):
        await desk.ask(b"?", key="nosuch")


async def test_a_failing_answer_is_refused_without_its_words_and_the_next_is_answered(
    desk: Desk,
) -> None:
    refused = await desk.ask(b"break")
    assert (refused.type, refused.body) == ("refused", b"ZeroDivisionError")
    assert (await desk.ask(b"next")).body == b"answer to next"
    assert desk.parked == []


async def test_a_bad_request_is_parked_with_the_reason_and_refused(desk: Desk) -> None:
    with capture_logs() as lines:
        assert (await desk.ask(b"bad")).type == "refused"
        await desk.wait_for(lambda: desk.parked)
        await desk.ask(b"next")
    ((request, bad),) = desk.parked
    assert (request.body, bad) == (b"bad", Bad("malformed", "data.phrase: missing"))
    (told,) = (line for line in lines if line["action"] == "parked")
    assert (told["code"], told["sender"]) == ("malformed", request.user_id)


async def test_a_question_nobody_vouches_for_is_parked_as_forged_and_not_executed(
    desk: Desk, channel: Channel
) -> None:
    forged = Message(b"forged", RPC, "search", correlation_id="c")
    await within(channel.publish(forged))
    await desk.wait_for(lambda: desk.parked)
    assert desk.parked[0][1].code == "forged"
    await desk.ask(b"next")
    assert [request.body for request in desk.asked] == [b"next"]


async def test_questions_that_cannot_even_be_parked_leave_room_for_others(
    desk: Desk, channel: Channel
) -> None:
    """More of them than a responder takes at once."""
    for _ in range(40):
        await within(channel.publish(Message(b"unparkable", RPC, "search")))
    assert (await desk.ask(b"next")).body == b"answer to next"


async def test_the_answer_goes_to_the_asker_whatever_the_question_says(
    desk: Desk, channel: Channel
) -> None:
    message = Message(b"mine", RPC, "search", headers={"reply-to": OTHER.reply_queue})
    await within(desk.requester.ask(message, 20))
    assert await channel.get(OTHER.reply_queue) is None


async def test_an_answer_to_a_till_without_a_queue_is_ignored(
    desk: Desk, bus: Bus, channel: Channel
) -> None:
    gone = TillAddress("gone-1", "lyon")
    connection = await (await bus.user(gone.user, gone.rights)).connect("gone")
    sending = await connection.channel(confirms=True, prefetch=0)
    await within(sending.publish(Message(b"lost", RPC, "search", user_id=gone.user)))
    await desk.until_asked(1)
    assert (await desk.ask(b"next")).body == b"answer to next"
    await connection.close()


async def test_no_more_requests_are_taken_than_can_be_answered_soon(
    desk: Desk, channel: Channel
) -> None:
    desk.gate.clear()
    asking = [asyncio.create_task(desk.ask(b"%d" % number)) for number in range(20)]
    await desk.until_asked(8)
    async with asyncio.timeout(20):
        while (held_back := await channel.get("erp.rpc.search")) is None:
            continue
    assert len(desk.asked) == 8
    channel.nack(held_back.tag, requeue=True)
    desk.gate.set()
    await asyncio.gather(*asking)
