"""Reading journal entries and putting them in order: pure, without a database."""

from dataclasses import replace
from typing import Any, cast
from uuid import uuid4

import pytest
from msgspec import structs

from contracts import registry
from contracts.envelope import MessageError
from contracts.journal import CustomerAdded, Resend, content_of
from contracts.search import CodeCheck
from erp_node.entries import (
    REMEMBERED,
    Entry,
    Progress,
    put_in_order,
    read_entry,
)
from messaging.channel import Delivery
from messaging.consumer import Bad
from tests.erp import ANNA, TillJournal, deliver, retail

JOURNAL = ("p1", "epoch-1")


@pytest.fixture
def till() -> TillJournal:
    return TillJournal("p1")


def read(delivery: Delivery, index: int = 0) -> Entry:
    entry = read_entry(index, delivery)
    assert isinstance(entry, Entry)
    return entry


def refused(delivery: Delivery) -> str:
    bad = read_entry(0, delivery)
    assert isinstance(bad, Bad)
    return bad.code


def test_i10_an_entry_nobody_vouches_for_is_forged(till: TillJournal) -> None:
    assert refused(replace(till.add(retail("A")), user_id=None)) == "forged"


def test_i10_an_entry_of_another_tills_user_is_forged(till: TillJournal) -> None:
    assert refused(replace(till.add(retail("A")), user_id="pos.p2")) == "forged"


def test_i10_an_unreadable_entry_of_another_till_takes_no_number(till: TillJournal) -> None:
    body = till.add(retail("A")).body.replace(b"retail", b"nobody")
    assert refused(deliver(body, "pos.p2")) == "forged"


def test_i10_a_user_that_is_no_till_is_not_a_sender(till: TillJournal) -> None:
    assert refused(replace(till.add(retail("A")), user_id="erp")) == "sender"


def test_a_delivery_with_damaged_properties_is_parked(till: TillJournal) -> None:
    assert refused(replace(till.add(retail("A")), damaged=True)) == "malformed"


def test_an_entry_is_read_with_its_number(till: TillJournal) -> None:
    entry = read(till.edit(uuid4(), ("phone", None, "1")), 7)
    assert (entry.index, entry.journal, entry.seq, entry.bad) == (7, JOURNAL, 1, None)
    assert not isinstance(entry.data, CustomerAdded | None)
    assert [(one.path, one.old, one.new) for one in cast(Any, entry.data).changes] == [
        ("phone", None, "1")
    ]


@pytest.mark.parametrize(
    ("sent", "instead"),
    [
        (b'"path":"phone"', b'"path":5'),
        (b'"author":', b'"writer":'),
        (b'"operator":"anna"', b'"operator":"an\\u0000na"'),
        (b'"base_version":1', b'"base_version":-1'),
        (b'"type":"customer.edited"', b'"type":"customer.added"'),
        (b'"version":1', b'"version":2'),
        (b'"operator":"anna","at":"2026', b'"operator":"anna","at":"0001'),
    ],
)
def test_an_edit_that_is_not_quite_one_is_named_as_the_contract_names_it(
    till: TillJournal, sent: bytes, instead: bytes
) -> None:
    body = till.edit(uuid4(), ("phone", None, "1")).body
    assert sent in body
    entry = read(deliver(body.replace(sent, instead), "pos.p1"))
    with pytest.raises(MessageError) as expected:
        registry.decode(body.replace(sent, instead))
    assert entry.bad == Bad(expected.value.code, str(expected.value))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"retail"', b'"nobody"', "malformed"),
        (b"Dupont", b"Dup\xffnt", "malformed"),
        (b'"last_name"', b'"last_name', "malformed"),
        (b'"customer.added"', b'"customer.sold"', "unknown_type"),
        (b'"version":1', b'"version":9', "too_new"),
        (b"Dupont", b"D" * 300_000, "oversized"),
    ],
)
def test_an_unreadable_entry_keeps_its_number(
    till: TillJournal, old: bytes, new: bytes, code: str
) -> None:
    body = till.add(retail("A")).body
    assert old in body
    entry = read(deliver(body.replace(old, new), "pos.p1"))
    assert entry.bad is not None
    assert (entry.bad.code, entry.journal, entry.seq, entry.data) == (code, JOURNAL, 1, None)


def test_a_cut_off_entry_keeps_its_number(till: TillJournal) -> None:
    body = till.add(retail("A")).body
    entry = read(deliver(body[:-40], "pos.p1"))
    assert entry.bad is not None
    assert (entry.bad.code, entry.seq) == ("malformed", 1)


def test_the_wrong_field_is_named(till: TillJournal) -> None:
    body = till.add(retail("A")).body.replace(b'"retail"', b'"nobody"')
    entry = read(deliver(body, "pos.p1"))
    assert entry.bad is not None
    assert "record.kind" in entry.bad.text


def test_a_question_among_entries_is_parked_with_its_number(till: TillJournal) -> None:
    entry = read(till.entry(CodeCheck(code="A")))
    assert entry.bad is not None
    assert (entry.bad.code, entry.seq) == ("wrong_type", 1)


@pytest.mark.parametrize("headers", [{"seq": None}, {"epoch": None}, {"epoch": ""}])
def test_an_entry_without_a_number_is_only_parked(
    till: TillJournal, headers: dict[str, object]
) -> None:
    added = CustomerAdded(customer_id=uuid4(), record=retail("A"), author=ANNA)
    body = till.body(added, **{"seq": 1, **headers})
    assert refused(deliver(body, "pos.p1")) == "malformed"


def test_something_that_is_no_message_is_only_parked() -> None:
    assert refused(deliver(b"\x00\x01", "pos.p1")) == "malformed"


def entries(*numbers: int, epoch: str = "epoch-1", pos_id: str = "p1") -> list[Entry]:
    return [
        Entry(index, pos_id, epoch, seq, uuid4(), f"{seq:08x}") for index, seq in enumerate(numbers)
    ]


def numbers(ordered: tuple[Entry, ...]) -> list[int]:
    return [one.seq for one in ordered]


def test_i1_entries_are_taken_from_the_next_number_on() -> None:
    ordered = put_in_order(entries(3, 4, 5), {JOURNAL: Progress(2)})
    assert numbers(ordered.due) == [3, 4, 5]
    assert ordered.progress[JOURNAL].seq == 5
    assert not ordered.missing


def test_i9_what_was_applied_is_left_out() -> None:
    ordered = put_in_order(entries(1, 2, 3), {JOURNAL: Progress(2)})
    assert numbers(ordered.due) == [3]
    assert numbers(ordered.repeated) == [1, 2]


def test_i1_a_gap_is_asked_for_and_nothing_after_it_applied() -> None:
    ordered = put_in_order(entries(1, 3, 4), {})
    assert numbers(ordered.due) == [1]
    assert ordered.missing == {"p1": Resend(epoch="epoch-1", from_seq=2)}


def test_i1_entries_that_overtook_each_other_are_sorted() -> None:
    ordered = put_in_order(entries(2, 1, 3), {})
    assert numbers(ordered.due) == [1, 2, 3]
    assert not ordered.missing


def test_tills_keep_their_turns() -> None:
    mixed = [*entries(2), *entries(1, pos_id="p2"), *entries(1)]
    ordered = put_in_order(mixed, {})
    assert [(one.pos_id, one.seq) for one in ordered.due] == [("p1", 1), ("p2", 1), ("p1", 2)]


def test_a_new_epoch_begins_at_one() -> None:
    ordered = put_in_order(entries(1, epoch="epoch-2"), {JOURNAL: Progress(9)})
    assert numbers(ordered.due) == [1]


def test_i9_a_number_used_again_for_something_else_is_noticed() -> None:
    first = put_in_order(entries(1, 2), {}).progress
    other = [structs.replace(one, content="ffffffff") for one in entries(1, 2)]
    ordered = put_in_order(other, first)
    assert numbers(ordered.reused) == [1, 2]
    assert not ordered.due


def test_i9_a_number_used_twice_in_one_batch_is_noticed() -> None:
    twice = [*entries(1), structs.replace(entries(1)[0], index=1, content="ffffffff")]
    ordered = put_in_order(twice, {})
    assert [one.index for one in ordered.due] == [0]
    assert [one.index for one in ordered.reused] == [1]


def test_only_the_last_contents_are_remembered() -> None:
    reached = put_in_order(entries(*range(1, 101)), {}).progress[JOURNAL]
    assert reached.content_of(100) == f"{100:08x}"
    assert reached.content_of(101 - REMEMBERED) == f"{101 - REMEMBERED:08x}"
    assert reached.content_of(100 - REMEMBERED) is None
    assert len(reached.contents) == 8 * REMEMBERED


def test_nothing_moved_is_not_written() -> None:
    assert not put_in_order(entries(1, 2), {JOURNAL: Progress(2)}).progress


def test_contents_are_told_apart() -> None:
    assert content_of(b"a") != content_of(b"b")
    assert len(content_of(b"a")) == 8
