"""The relay: in order, until applied, never before the ERP has said how far it is."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn
from uuid import UUID

from contracts.changes import Change
from contracts.journal import Author, CustomerEdited, Progress, Resend, content_of
from messaging.channel import LinkDown, Returned
from pos_node import journal
from pos_node.epoch import open_epoch
from pos_node.journal import Stamp, record_change
from pos_node.relay import (
    BATCH,
    LONGEST_PATIENCE_S,
    PATIENCE_S,
    Relay,
    Unanswered,
    look_at,
    lose_patience,
)
from pos_node.store.database import InlineDatabase, Priority
from pos_node.store.errors import Unwritable
from pos_node.store.journal import read_epoch, read_standing
from tests.fake_time import on_fake_time, until
from tests.pos_parts import NOON, FakeLink, FakePublisher, welcome


class Till:
    """A relay over a store in memory, on a link and a publisher to play with."""

    def __init__(self, store: InlineDatabase, file: Path) -> None:
        self.store, self.file = store, file
        self.publisher, self.link, self.online = FakePublisher(), FakeLink(), True
        self.rng = random.Random(1)
        self.relay: Relay
        self.running: asyncio.Task[None]

    async def start(self) -> "asyncio.Task[None]":
        at_start = await open_epoch(self.store, self.file, self.rng)
        self.relay = Relay(
            self.store,
            self.publisher,
            self.link,
            "p1",
            at_start=at_start,
            epoch_file=self.file,
            online=lambda: self.online,
            rng=self.rng,
        )
        return asyncio.create_task(self.relay.run())

    async def change(self, count: int = 1) -> None:
        for _ in range(count):
            await self.store.write(
                record_change, _change(), self._stamp(), priority=Priority.CASHIER
            )
        self.relay.wake()

    async def apply(self, seq: int) -> None:
        epoch = await self.store.read(read_epoch) or ""
        progress = Progress(epoch=epoch, applied_seq=seq, heads={})
        await self.store.write(journal.take_progress, progress, priority=Priority.FEED)

    async def greet(
        self, applied_seq: int = 0, epoch: str | None = None, content: str | None = None
    ) -> None:
        standing = await self.store.read(read_standing)
        known = standing.epoch if epoch is None else epoch
        heard = welcome(applied_seq, known, content=content)
        await self.relay.hear_welcome(heard, standing)

    def _stamp(self) -> Stamp:
        return Stamp("p1", UUID(int=self.rng.getrandbits(128), version=4), NOON)


def _change() -> CustomerEdited:
    return CustomerEdited(
        customer_id=UUID(int=1),
        base_version=1,
        changes=[Change(path="phone", old="1", new="2")],
        author=Author(operator="anne", at=NOON),
    )


@asynccontextmanager
async def till(
    folder: Path, *, greeted: bool = True, file: str | None = None
) -> AsyncIterator[Till]:
    store = InlineDatabase(folder / file if file else ":memory:")
    made = Till(store, folder / "epoch")
    made.running = running = await made.start()
    if greeted:
        await made.greet()
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        store.close()


@on_fake_time
async def test_entries_are_published_in_order_to_the_tills_own_key(tmp_path: Path) -> None:
    async with till(tmp_path) as one:
        await one.change(BATCH + 3)
        await until(lambda: len(one.publisher.sent) == BATCH + 3)
        assert one.publisher.sent == list(range(1, BATCH + 4))
        message = one.publisher.messages[0]
        assert (message.exchange, message.key, message.user_id) == (
            "comptoir.journal",
            "p1",
            "pos.p1",
        )
        assert message.mandatory
        assert message.persistent


@on_fake_time
async def test_nothing_is_published_before_the_erps_welcome(tmp_path: Path) -> None:
    async with till(tmp_path, greeted=False) as one:
        await one.change(2)
        await asyncio.sleep(60)
        assert one.publisher.sent == []
        await one.greet()
        await until(lambda: one.publisher.sent == [1, 2])


@on_fake_time
async def test_after_a_lost_link_all_that_is_not_applied_is_sent_again(tmp_path: Path) -> None:
    async with till(tmp_path) as one:
        await one.change(4)
        await until(lambda: one.publisher.sent == [1, 2, 3, 4])
        await one.apply(2)
        began = asyncio.get_running_loop().time()
        one.link.turn(False)
        one.link.turn(True)
        await until(lambda: one.publisher.sent == [1, 2, 3, 4, 3, 4])
        assert asyncio.get_running_loop().time() - began < PATIENCE_S / 2


@on_fake_time
async def test_a_link_lost_while_publishing_loses_nothing(tmp_path: Path) -> None:
    async with till(tmp_path) as one:
        one.publisher.fail = [LinkDown("cut"), LinkDown("cut"), LinkDown("cut")]
        await one.change(3)
        await until(lambda: one.relay.state.reason is not None)
        await until(lambda: one.publisher.sent == [1, 2, 3])
        await until(lambda: one.relay.state.reason is None)


@on_fake_time
async def test_a_returned_entry_is_tried_again_in_order_and_the_reason_is_shown(
    tmp_path: Path,
) -> None:
    async with till(tmp_path) as one:
        one.publisher.fail = [Returned("NO_ROUTE")] * 30
        await one.change(2)
        await until(lambda: "NO_ROUTE" in (one.relay.state.reason or ""))
        began = asyncio.get_running_loop().time()
        await until(lambda: one.publisher.sent == [1, 2])
        assert 30 < asyncio.get_running_loop().time() - began < 130


@on_fake_time
async def test_i1_numbering_begins_anew_when_the_erp_has_something_else_under_a_number(
    tmp_path: Path,
) -> None:
    """What was given this number before the file was put back still lay in a queue at the first greeting."""
    async with till(tmp_path) as one:
        await one.change(2)
        await until(lambda: one.publisher.sent == [1, 2])
        body = one.publisher.messages[1].body
        await one.greet(2, content=content_of(body))
        await one.greet(2, content=None)
        await asyncio.sleep(1)
        assert one.publisher.sent == [1, 2]
        before = one.publisher.epochs[-1]
        await one.greet(2, content="another")
        await until(lambda: one.publisher.sent == [1, 2, 1, 2])
        assert one.publisher.epochs[-1] not in (None, before)


@on_fake_time
async def test_an_entry_that_is_not_applied_is_sent_again_ever_more_seldom(tmp_path: Path) -> None:
    async with till(tmp_path) as one:
        await one.change()
        await until(lambda: len(one.publisher.sent) == 6)
        assert one.publisher.sent == [1] * 6
        began = asyncio.get_running_loop().time()
        await until(lambda: len(one.publisher.sent) == 8)
        assert asyncio.get_running_loop().time() - began > 300


@on_fake_time
async def test_an_applied_entry_is_not_sent_again(tmp_path: Path) -> None:
    async with till(tmp_path) as one:
        await one.change(3)
        await until(lambda: one.publisher.sent == [1, 2, 3])
        await one.apply(3)
        await asyncio.sleep(10_000)
        assert one.publisher.sent == [1, 2, 3]


@on_fake_time
async def test_while_the_erp_is_away_what_the_broker_has_is_not_sent_again(tmp_path: Path) -> None:
    async with till(tmp_path) as one:
        one.online = False
        await one.change(2)
        await asyncio.sleep(86_400)
        assert one.publisher.sent == [1, 2]
        one.online = True
        await until(lambda: one.publisher.sent == [1, 2, 1, 2])


@on_fake_time
async def test_the_erp_is_sent_again_what_it_asks_for(tmp_path: Path) -> None:
    async with till(tmp_path) as one:
        await one.change(5)
        await until(lambda: len(one.publisher.sent) == 5)
        epoch = await one.store.read(read_epoch) or ""
        one.relay.resend(Resend(epoch="of before", from_seq=1))
        one.relay.resend(Resend(epoch=epoch, from_seq=4))
        one.relay.resend(Resend(epoch=epoch, from_seq=3))
        await until(lambda: one.publisher.sent == [1, 2, 3, 4, 5, 3, 4, 5])


@on_fake_time
async def test_a_till_older_than_the_erp_knows_it_numbers_anew(tmp_path: Path) -> None:
    async with till(tmp_path, greeted=False) as one:
        before = await one.store.read(read_epoch)
        await one.change(3)
        await one.greet(applied_seq=2)
        await until(lambda: one.publisher.sent == [1, 2, 3])
        after = await one.store.read(read_epoch)
        assert after != before
        assert set(one.publisher.epochs) == {after}
        assert one.file.read_text() == after


@on_fake_time
async def test_an_erp_that_forgot_what_it_had_applied_gets_the_rest_under_a_new_epoch(
    tmp_path: Path,
) -> None:
    async with till(tmp_path) as one:
        before = await one.store.read(read_epoch)
        await one.change(4)
        await until(lambda: len(one.publisher.sent) == 4)
        await one.apply(3)
        await one.greet(applied_seq=1)
        await until(lambda: len(one.publisher.sent) == 4 + 3)
        after = await one.store.read(read_epoch)
        assert after != before
        assert one.publisher.sent[4:] == [1, 2, 3]
        assert set(one.publisher.epochs[4:]) == {after}


@on_fake_time
async def test_a_welcome_of_another_epoch_changes_nothing(tmp_path: Path) -> None:
    async with till(tmp_path, greeted=False) as one:
        before = await one.store.read(read_epoch)
        await one.greet(applied_seq=900, epoch="of before")
        await one.change()
        await until(lambda: one.publisher.sent == [1])
        assert await one.store.read(read_epoch) == before


# A blocked disk ------------------------------------------------------------------------------


def _limit(connection: sqlite3.Connection, pages: int) -> None:
    connection.execute(f"PRAGMA max_page_count = {pages}")


@on_fake_time
async def test_i11_a_full_disk_holds_the_journal_back_and_no_longer_than_it_is_full(
    tmp_path: Path,
) -> None:
    async with till(tmp_path, greeted=False, file="till.db") as one:
        await one.change(300)
        before = await one.store.read(read_epoch)
        await one.store.write(_limit, 1, priority=Priority.FEED)
        await one.greet(applied_seq=400)
        await until(lambda: "disk is full" in (one.relay.state.reason or ""))
        await asyncio.sleep(60)
        assert one.publisher.sent == []
        assert not one.running.done()
        await one.store.write(_limit, 1_000_000, priority=Priority.FEED)
        await until(lambda: one.publisher.sent == list(range(1, 301)))
        after = await one.store.read(read_epoch)
        assert after != before
        assert set(one.publisher.epochs) == {after}
        await until(lambda: one.relay.state.reason is None)


@on_fake_time
async def test_i1_nothing_is_sent_in_an_epoch_that_is_not_yet_written_down_beside_the_database(
    tmp_path: Path,
) -> None:
    async with till(tmp_path, greeted=False) as one:
        await one.change(2)
        in_the_way = one.file.with_suffix(".new")
        in_the_way.mkdir()
        await one.greet(applied_seq=5)
        await until(lambda: one.relay.state.reason is not None)
        epoch = await one.store.read(read_epoch)
        await asyncio.sleep(60)
        assert one.publisher.sent == []
        assert not one.running.done()
        in_the_way.rmdir()
        await until(lambda: one.publisher.sent == [1, 2])
        assert set(one.publisher.epochs) == {epoch}, "it does not begin anew with each attempt"
        assert one.file.read_text() == epoch


@on_fake_time
async def test_a_journal_that_cannot_be_read_for_a_while_is_sent_afterwards(tmp_path: Path) -> None:
    async with till(tmp_path) as one:
        read = one.store.read

        async def fail(*_: object) -> NoReturn:
            raise Unwritable(tmp_path)

        one.store.read = fail  # type: ignore[assignment]
        one.relay.wake()
        await until(lambda: one.relay.state.reason is not None)
        one.store.read = read  # type: ignore[method-assign]
        await one.change(2)
        await until(lambda: one.publisher.sent == [1, 2])


def test_what_waits_is_the_lowest_sent_entry() -> None:
    assert look_at(None, None, 5, 1.0) is None
    assert look_at(None, 6, 5, 1.0) is None
    assert look_at(None, 3, 5, 1.0) == Unanswered(3, 1.0)


def test_patience_is_kept_while_the_same_entry_waits_and_ends_with_progress() -> None:
    waiting = lose_patience(Unanswered(3, 1.0), 11.0)
    assert waiting.patience == 2 * PATIENCE_S
    assert look_at(waiting, 3, 0, 20.0) == waiting
    assert look_at(waiting, 4, 5, 20.0) == Unanswered(4, 20.0)


def test_patience_has_an_end() -> None:
    waiting = Unanswered(3, 0.0)
    for _ in range(20):
        waiting = lose_patience(waiting, 0.0)
    assert waiting.patience == LONGEST_PATIENCE_S
