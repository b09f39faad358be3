"""The journal in a real file: one transaction with the change, numbers without a gap, let go in time."""

import random
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from contracts import envelope
from contracts.customers import Customer
from contracts.journal import (
    Author,
    CustomerAdded,
    CustomerEdited,
    Progress,
    Verdict,
    content_of,
)
from contracts.registry import decode
from pos_node import journal
from pos_node.customers import Wish
from pos_node.drafts import CustomerDraft, patched
from pos_node.epoch import open_epoch
from pos_node.journal import Stamp
from pos_node.refusal import Refusal
from pos_node.store import journal as rows
from pos_node.store.customers import find_by_code
from pos_node.store.database import Priority
from pos_node.store.journal import read_standing
from pos_node.store.notices import count_unseen
from tests.pos_parts import NOON, retail
from tests.pos_till import ANNE, TestTill, open_store, open_till

ID = UUID(int=5)


@pytest.fixture
async def till(folder: Path) -> AsyncIterator[TestTill]:
    async with open_till(folder) as opened:
        yield opened


def phone(number: str) -> Wish:
    draft = CustomerDraft(phone=number)
    return Wish(lambda seen, new_id: patched(seen, draft, new_id))


async def make(till: TestTill, code: str = "A-1") -> UUID:
    draft = CustomerDraft.model_validate(retail(code).model_dump(exclude_unset=True))
    return (await till.customers.add(draft, ANNE)).id


async def test_sync_3_an_entry_is_the_whole_message_as_it_is_sent(till: TestTill) -> None:
    made = await make(till)
    await till.customers.edit(made, phone("+33 1"), ANNE)
    first, second = await till.store.read(_all_waiting)
    message = decode(first.body)
    assert isinstance(message.data, CustomerAdded)
    assert message.data.customer_id == made
    assert message.data.author == Author(operator="anne", at=NOON)
    headers = decode(second.body).headers
    assert (headers.type, headers.origin, headers.seq) == ("customer.edited", "pos.p1", 2)
    assert (headers.key, headers.occurred_at) == (str(made), NOON)
    edited = decode(second.body).data
    assert isinstance(edited, CustomerEdited)
    assert [(one.path, one.old, one.new) for one in edited.changes] == [("phone", None, "+33 1")]


async def test_a_change_that_cannot_travel_is_not_made_at_all(till: TestTill) -> None:
    consents = [
        {"definition": f"d{n}", "state": "given", "signature": "x" * 39_000} for n in range(8)
    ]
    draft = CustomerDraft.model_validate(
        {**retail().model_dump(exclude_unset=True), "consents": consents}
    )
    with pytest.raises(Refusal) as refused:
        await till.customers.add(draft, ANNE)
    assert refused.value.code == "customer.too_large"
    standing = await till.store.read(read_standing)
    assert (standing.last_seq, standing.waiting) == (0, 0)
    assert not await till.store.read(find_by_code, "A-1")


async def test_an_entry_stays_until_its_outcome_has_come_down(till: TestTill) -> None:
    await till.hold(ID, retail(phone="1"))
    await till.reach(customers=4)
    await till.customers.edit(ID, phone("2"), ANNE)
    await till.apply(1, customers=5)
    assert await till.shown(ID) == retail(phone="2")
    await till.reach(customers=4)
    assert await till.shown(ID) == retail(phone="2")
    await till.hold(ID, retail(phone="3"), version=2)
    assert await till.shown(ID) == retail(phone="2")
    await till.reach(customers=5)
    assert await till.shown(ID) == retail(phone="3")
    assert not await till.store.read(rows.has_entries)


async def test_progress_after_the_rows_settles_as_well(till: TestTill) -> None:
    await till.hold(ID, retail(phone="1"))
    await till.customers.edit(ID, phone("2"), ANNE)
    await till.hold(ID, retail(phone="2"), version=2)
    await till.apply(1, customers=5)
    await till.reach(customers=5)
    stored = await till.find(ID)
    assert stored is not None
    assert stored.shown is None
    assert not await till.store.read(rows.has_entries)


async def test_only_applied_entries_are_let_go(till: TestTill) -> None:
    await till.hold(ID, retail(phone="1"))
    await till.customers.edit(ID, phone("2"), ANNE)
    await till.customers.edit(ID, phone("3"), ANNE)
    await till.hold(ID, retail(phone="2"), version=2)
    await till.apply(1, customers=5)
    await till.reach(customers=9)
    assert await till.shown(ID) == retail(phone="3")
    assert await till.waiting() == 1


async def test_a_refused_customer_is_gone_once_the_outcome_is_here(till: TestTill) -> None:
    made = await make(till)
    await till.apply(1, customers=5)
    assert await till.shown(made) is not None
    await till.reach(customers=5)
    assert await till.find(made) is None
    assert not await till.store.read(find_by_code, "A-1")


async def test_heads_of_a_feed_that_was_numbered_anew_are_replaced(till: TestTill) -> None:
    await till.hold(ID, retail(phone="1"))
    await till.customers.edit(ID, phone("2"), ANNE)
    await till.apply(1, customers=5_000)
    await till.apply(1, customers=20)
    await till.reach(customers=20)
    assert not await till.store.read(rows.has_entries)


async def test_progress_of_an_earlier_epoch_settles_nothing_of_this_one(till: TestTill) -> None:
    await till.hold(ID, retail(phone="1"))
    await till.customers.edit(ID, phone("2"), ANNE)
    stale = Progress(epoch="of before", applied_seq=9, heads={})
    await till.store.write(journal.take_progress, stale, priority=Priority.FEED)
    await till.reach(customers=5)
    assert await till.waiting() == 1


async def test_numbers_go_on_after_entries_are_gone_and_the_till_restarts(folder: Path) -> None:
    async with open_till(folder) as till:
        await make(till, "A-1")
        await make(till, "A-2")
        await till.apply(2)
        await till.reach(customers=1)
    async with open_till(folder) as till:
        await make(till, "A-3")
        standing = await till.store.read(read_standing)
        assert (standing.last_seq, standing.applied_seq, standing.waiting) == (3, 2, 1)


@pytest.mark.parametrize("lost", ["missing", "different"])
async def test_a_restored_backup_numbers_what_is_not_applied_anew(folder: Path, lost: str) -> None:
    async with open_till(folder) as till:
        for code in ("A-1", "A-2", "A-3"):
            await make(till, code)
        await till.apply(1, customers=9)
        before = [one.body for one in await till.store.read(_all_waiting)]
        epoch = (await till.store.read(read_standing)).epoch
    file = folder / "epoch"
    file.unlink() if lost == "missing" else file.write_text("0123456789abcdef")
    async with open_store(folder) as store:
        standing = await open_epoch(store, file, random.Random(99))
        assert standing.epoch not in (epoch, "0123456789abcdef")
        assert file.read_text() == standing.epoch
        assert (standing.last_seq, standing.applied_seq, standing.waiting) == (2, 0, 2)
        again = await store.read(_all_waiting)
        assert [(one.epoch, one.seq) for one in again] == [(standing.epoch, 1), (standing.epoch, 2)]
        for old, new in zip(before, again, strict=True):
            headers, data = envelope.split(new.body)
            old_headers, old_data = envelope.split(old)
            assert (headers.epoch, headers.seq) == (new.epoch, new.seq)
            assert (data, headers.id, headers.key) == (old_data, old_headers.id, old_headers.key)
        # the applied one still waits for its outcome, under the numbers the ERP knows
        assert await store.read(rows.has_entries)
        progress = Progress(epoch=epoch, applied_seq=3, heads={})
        await store.write(journal.take_progress, progress, priority=Priority.FEED)
        await store.write(journal.settle, {"customers": 9}, priority=Priority.FEED)
        assert [one.seq for one in await store.read(_all_waiting)] == [1, 2]


async def test_cust_13_a_clock_that_goes_back_does_not_change_the_order_of_edits(
    till: TestTill,
) -> None:
    await till.hold(ID, retail(phone="1"))
    made = await make(till, "A-2")
    for number in ("2", "3", "4"):
        till.clock.move(timedelta(hours=-1))
        await till.customers.edit(ID, phone(number), ANNE)
        await till.customers.edit(made, phone(number), ANNE)
    assert await till.shown(ID) == retail(phone="4")
    sent = [decode(one.body).data for one in await till.store.read(_all_waiting)]
    changes = [
        (one.old, one.new)
        for edit in sent
        if isinstance(edit, CustomerEdited) and edit.customer_id == ID
        for one in edit.changes
    ]
    assert changes == [("1", "2"), ("2", "3"), ("3", "4")]
    await till.store.write(journal.renumber, "of after", priority=Priority.JOURNAL)
    again = [decode(one.body).data for one in await till.store.read(_all_waiting)]
    assert again == sent, "added comes before edited"


async def test_i1_changes_of_several_epochs_are_shown_in_the_order_they_were_made(
    till: TestTill,
) -> None:
    """Applied, their outcome not yet here, each under another epoch and an earlier hour."""
    await till.hold(ID, retail(phone="0"))
    epochs = []
    for number in range(1, 13):
        await till.customers.edit(ID, phone(str(number)), ANNE)
        await till.apply(1, customers=99)
        till.clock.move(timedelta(hours=-1))
        chance = f"{13 - number:016x}"
        epoch, waiting = await till.store.write(journal.renumber, chance, priority=Priority.JOURNAL)
        assert waiting == 0
        epochs.append(epoch)
        assert await till.store.read(_phone_folded) == str(number)
    assert epochs == sorted(epochs)
    await till.customers.edit(ID, phone("13"), ANNE)
    assert await till.shown(ID) == retail(phone="13")


def _phone_folded(connection: sqlite3.Connection) -> str | None:
    record = envelope.dump(retail(phone="0")).decode()
    shown = journal.fold(connection, ID, record)
    return Customer.model_validate_json(shown).phone if shown else None


async def test_an_epoch_that_agrees_is_kept(folder: Path) -> None:
    async with open_till(folder) as till:
        first = (await till.store.read(read_standing)).epoch
    async with open_till(folder) as till:
        assert (await till.store.read(read_standing)).epoch == first


async def test_without_an_epoch_nothing_is_journalled(folder: Path) -> None:
    async with open_store(folder) as store:
        added = CustomerAdded(customer_id=ID, record=retail(), author=Author(operator="a", at=NOON))
        with pytest.raises(RuntimeError):
            await store.write(
                journal.record_change, added, Stamp("p1", ID, NOON), priority=Priority.CASHIER
            )


def _all_waiting(connection: sqlite3.Connection) -> tuple[rows.Entry, ...]:
    return rows.read_waiting(connection, rows.read_epoch(connection) or "", 0, 1_000)


async def test_i1_what_is_applied_of_numbers_never_sent_was_made_before_the_backup(
    folder: Path,
) -> None:
    def unapplied(connection: sqlite3.Connection, epoch: str) -> list[int]:
        journal.take_progress(connection, Progress(epoch=epoch, applied_seq=1))
        return [entry.seq for entry in rows.read_unapplied(connection)]

    async with open_store(folder) as store:
        epoch = (await open_epoch(store, folder / "epoch", random.Random(1))).epoch
        added = CustomerAdded(
            customer_id=ID, record=retail(), author=Author(operator="anne", at=NOON)
        )
        await store.write(rows.limit_progress, priority=Priority.JOURNAL)
        stamp = Stamp("p1", ID, NOON)
        await store.write(journal.record_change, added, stamp, priority=Priority.CASHIER)
        assert await store.write(unapplied, epoch, priority=Priority.FEED) == [1]
        await store.write(rows.lift_limit, priority=Priority.JOURNAL)
        assert await store.write(unapplied, epoch, priority=Priority.FEED) == []


async def test_i1_what_the_erp_applied_under_a_number_is_this_files_only_with_its_content(
    folder: Path,
) -> None:
    """A file put back gives a number again that something else had: its change must not be let go."""

    def unapplied(connection: sqlite3.Connection, content: str | None) -> list[int]:
        epoch = rows.read_epoch(connection) or ""
        progress = Progress(epoch=epoch, applied_seq=2, content=content)
        journal.take_progress(connection, progress)
        return [entry.seq for entry in rows.read_unapplied(connection)]

    async with open_till(folder) as till:
        await make(till)
        await till.store.write(rows.lift_limit, priority=Priority.JOURNAL)
        await till.store.write(rows.limit_progress, priority=Priority.JOURNAL)
        await make(till, "A-2")
        write = till.store.write
        assert await write(unapplied, "another", priority=Priority.FEED) == [2]
        second = (await till.store.read(_all_waiting))[0]
        assert await write(unapplied, content_of(second.body), priority=Priority.FEED) == []
        assert await till.store.read(rows.read_limit) is None


async def test_i1_a_number_beyond_the_last_was_given_before_the_file_was_put_back(
    till: TestTill,
) -> None:
    await make(till)
    epoch = await till.store.read(rows.read_epoch)
    await till.store.write(rows.lift_limit, priority=Priority.JOURNAL)
    progress = Progress(epoch=epoch or "", applied_seq=80, content="another")
    await till.store.write(journal.take_progress, progress, priority=Priority.FEED)
    assert [entry.seq for entry in await till.store.read(rows.read_unapplied)] == [1]


def used(epoch: str, seq: int, content: str | None = None) -> Verdict:
    return Verdict(
        epoch=epoch, seq=seq, content=content, customer_id=None, outcome="parked", code="journal.parked",
        params={"reason": "sequence_reused"},
    )  # fmt: skip


async def test_i1_a_change_whose_number_was_used_gets_another_instead_of_a_notice(
    till: TestTill,
) -> None:
    await make(till)
    await make(till, "A-2")
    epoch = await till.store.read(rows.read_epoch) or ""
    for _ in range(2):
        await till.store.write(
            journal.take_verdict, "k", used(epoch, 1), NOON, priority=Priority.FEED
        )
    waiting = await till.store.read(_all_waiting)
    assert [(one.seq, decode(one.body).headers.seq) for one in waiting] == [(2, 2), (3, 3)]
    assert await till.store.read(count_unseen) == 0


async def test_i9_who_was_applied_keeps_its_number_when_another_was_refused(till: TestTill) -> None:
    await make(till)
    epoch = await till.store.read(rows.read_epoch) or ""
    [entry] = await till.store.read(_all_waiting)
    verdict = used(epoch, 1, "another")
    await till.store.write(journal.take_verdict, "k", verdict, NOON, priority=Priority.FEED)
    assert await till.store.read(_all_waiting) == (entry,)
    verdict = used(epoch, 1, content_of(entry.body))
    await till.store.write(journal.take_verdict, "l", verdict, NOON, priority=Priority.FEED)
    assert [one.seq for one in await till.store.read(_all_waiting)] == [2]
    assert await till.store.read(count_unseen) == 1


async def test_i1_a_used_number_nothing_is_kept_of_is_told(till: TestTill) -> None:
    epoch = await till.store.read(rows.read_epoch) or ""
    await till.store.write(journal.take_verdict, "k", used(epoch, 1), NOON, priority=Priority.FEED)
    assert await till.store.read(count_unseen) == 1


async def test_i11_a_file_put_back_greets_although_the_erp_knows_more_of_its_journal(
    till: TestTill,
) -> None:
    await till.apply(3)
    standing = await till.store.read(read_standing)
    assert (standing.last_seq, standing.applied_seq, standing.waiting) == (0, 0, 0)
