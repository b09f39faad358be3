"""Greeting the ERP, and knowing since when it is there."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel

from contracts.presence import Beat, Hello, Welcome
from contracts.search import Refused
from pos_node.contact import SILENCE_S, Contact
from pos_node.presence import HELLO_EVERY_S, Presence
from pos_node.questions import Questions
from pos_node.store.errors import Unwritable
from pos_node.store.journal import Standing
from tests.fake_time import on_fake_time, until
from tests.pos_parts import NOON, FakeClock, FakeErp, FakeLink, welcome

STANDING = Standing(epoch="e1", last_seq=7, waiting=2, oldest_waiting_at=NOON, cursors={"all": 3})


class Till:
    """A presence on a link and an ERP to play with."""

    def __init__(self) -> None:
        self.erp, self.link, self.clock = FakeErp(_welcome), FakeLink(), FakeClock()
        self.unreadable = False
        self.running: asyncio.Task[None]
        self.welcomes: list[tuple[Welcome, Standing]] = []
        rng = random.Random(1)
        self.contact = Contact(asyncio.get_running_loop().time)
        questions = Questions(self.erp, "p1", clock=self.clock, rng=rng, contact=self.contact)
        self.presence = Presence(
            questions,
            self.contact,
            self.link,
            self._standing,
            clock=self.clock,
            rng=rng,
            instance="i1",
            software="0",
            on_welcome=self._hear,
        )

    @property
    def online(self) -> bool:
        return self.presence.online

    async def _standing(self) -> Standing:
        if self.unreadable:
            raise Unwritable(Path("till.db"))
        return STANDING

    async def _hear(self, heard: Welcome, asked: Standing) -> None:
        self.welcomes.append((heard, asked))


async def _welcome(question: BaseModel) -> BaseModel:
    return welcome()


@asynccontextmanager
async def till() -> AsyncIterator[Till]:
    made = Till()
    made.running = running = asyncio.create_task(made.presence.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@on_fake_time
async def test_sync_7_a_till_says_how_far_it_is_and_is_online_when_answered() -> None:
    async with till() as one:
        assert not one.online
        await until(lambda: one.online)
        hello = one.erp.asked[0]
        assert isinstance(hello, Hello)
        assert (hello.epoch, hello.last_seq, hello.waiting) == ("e1", 7, 2)
        assert (hello.oldest_waiting_at, hello.cursors) == (NOON, {"all": 3})
        assert one.welcomes == [(welcome(), STANDING)]


@on_fake_time
async def test_sync_7_a_silent_erp_is_offline_within_seconds_and_since_when_is_told() -> None:
    async with till() as one:
        await until(lambda: one.online)
        one.erp.script = None
        await until(
            lambda: one.contact.silent_for is not None and one.contact.silent_for > SILENCE_S
        )
        one.clock.move(timedelta(minutes=5))
        seen = one.presence.connection
        assert (seen.online, seen.link_up) == (False, True)
        assert abs(seen.since - one.clock.now()) < timedelta(seconds=2)
        one.erp.script = _welcome
        await until(lambda: one.online)


@on_fake_time
async def test_sync_7_a_lost_link_is_offline_at_once_and_greets_when_it_is_back() -> None:
    async with till() as one:
        await until(lambda: one.online)
        one.link.turn(False, "connection reset")
        seen = one.presence.connection
        assert (seen.online, seen.link_up, seen.link_reason) == (False, False, "connection reset")
        began = asyncio.get_running_loop().time()
        one.link.turn(True)
        await until(lambda: one.online)
        assert asyncio.get_running_loop().time() - began < 1


@on_fake_time
async def test_a_beating_erp_is_greeted_every_ten_seconds_only() -> None:
    async with till() as one:
        await until(lambda: one.online)
        for _ in range(120):
            await asyncio.sleep(1)
            now = one.contact.erp_now()
            assert now is not None
            one.presence.hear_beat(Beat(now=now, interval_s=1))
        assert 120 / (HELLO_EVERY_S * 1.2) < len(one.erp.asked) < 120 / (HELLO_EVERY_S * 0.8) + 2


@on_fake_time
async def test_an_erp_that_does_not_beat_is_asked_before_it_counts_as_gone() -> None:
    async with till() as one:
        await until(lambda: one.online)
        for _ in range(600):
            await asyncio.sleep(0.1)
            assert one.online


@on_fake_time
async def test_beats_of_hours_ago_do_not_make_an_absent_erp_present() -> None:
    async with till() as one:
        await until(lambda: one.online)
        one.erp.script = None
        await until(lambda: not one.online)
        for hour in range(20):
            one.presence.hear_beat(Beat(now=NOON - timedelta(hours=hour + 1), interval_s=1))
        assert not one.online


@on_fake_time
async def test_a_refused_till_has_no_welcome_and_asks_again() -> None:
    async def refuse(question: BaseModel) -> BaseModel:
        return Refused(code="till.unknown")

    async with till() as one:
        one.erp.script = refuse
        await until(lambda: len(one.erp.asked) > 3)
        assert one.welcomes == []


@on_fake_time
async def test_sync_7_a_till_that_cannot_read_its_file_for_a_while_greets_afterwards() -> None:
    async with till() as one:
        await until(lambda: one.online)
        one.unreadable = True
        await until(lambda: not one.online)
        assert not one.running.done()
        one.unreadable = False
        await until(lambda: one.online)
