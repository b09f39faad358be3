"""What the ERP decides about pulls, pages, digests and signs of life, without a database (SYNC-5, SYNC-6, SYNC-7)."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import read_data
from contracts.feed import BUCKETS, PAGE_ROWS, Page, Pull
from contracts.matching import COLUMNS
from erp_node.beat import due_heads, turns_of
from erp_node.callers import Till
from erp_node.feed import MOST_ROWS, decide_start, digest_of, follows
from erp_node.pages import BuiltPage, is_right, page_frame, remaining_after, to_seq_of
from erp_node.store.feed import FeedState, Reading, Stretch, Sums, Trouble, Unworded, Worded
from erp_node.wording import make_words

STATE = FeedState("now", 100, 0)
READING = Reading("all.customers", 10, 500)
STRETCH = Stretch("all.customers", 10, 60, False, 90, STATE, b"")


def pull(**fields: object) -> Pull:
    return Pull.model_validate({"scope": "all.customers", "epoch": "now", **fields})


def test_sync_5_a_pull_goes_on_where_the_till_is() -> None:
    start = decide_start(pull(from_seq=40), STATE)
    assert start.reading == Reading("all.customers", 40, PAGE_ROWS)
    assert not start.ahead


def test_sync_5_whoever_starts_with_nothing_is_spared_withdrawn_rows() -> None:
    assert decide_start(pull(epoch=None), STATE).reading.only_present
    assert not decide_start(pull(from_seq=1), STATE).reading.only_present
    assert not decide_start(pull(epoch="before"), STATE).reading.only_present
    assert not decide_start(pull(bucket=3), STATE).reading.only_present


def test_sync_6_whoever_reads_a_feed_again_from_its_beginning_hears_what_was_withdrawn() -> None:
    start = decide_start(pull(), STATE)
    assert (start.reading.after, start.reading.only_present, start.ahead) == (0, False, False)


def test_a_place_in_another_epoch_means_from_the_start() -> None:
    start = decide_start(pull(epoch="before", from_seq=40), STATE)
    assert (start.reading.after, start.ahead) == (0, False)


def test_a_place_that_was_never_reached_means_from_the_start_and_is_a_claim() -> None:
    start = decide_start(pull(from_seq=101), STATE)
    assert (start.reading.after, start.ahead) == (0, True)
    assert not decide_start(pull(from_seq=100), STATE).ahead
    assert not decide_start(pull(epoch=None, from_seq=101), STATE).ahead, (
        "it does not say of which epoch"
    )


def test_a_page_has_a_limit_whatever_is_asked_for() -> None:
    assert decide_start(pull(limit=2_000), STATE).reading.limit == MOST_ROWS
    assert decide_start(pull(limit=7), STATE).reading.limit == 7


def test_sync_2_a_till_follows_its_own_scopes_only() -> None:
    full, small = Till("p1", "C1"), Till("p2", "C1", "local_only")
    assert follows(full, "all.customers")
    assert follows(full, "centre.C1.customers")
    assert follows(full, "pos.p1")
    assert not follows(full, "pos.p2")
    assert not follows(full, "centre.C2.customers")
    assert follows(small, "pos.p2")
    assert not follows(small, "all.customers")


def test_a_page_says_where_it_begins_and_ends() -> None:
    page = read_data(Page, page_frame(READING, STRETCH))
    assert (page.prev_seq, page.to_seq, page.head, page.remaining) == (10, 60, 100, 40)
    last = read_data(Page, page_frame(READING, replace(STRETCH, complete=True)))
    assert (last.prev_seq, last.to_seq, last.head, last.remaining) == (10, 100, 100, 0)


def test_sync_5_what_remains_is_never_more_than_there_is_and_zero_only_at_the_end() -> None:
    assert remaining_after(READING, replace(STRETCH, entries=25)) == 25
    assert remaining_after(READING, replace(STRETCH, last=100)) == 1
    assert remaining_after(replace(READING, bucket=1), replace(STRETCH, entries=3)) == 1
    assert remaining_after(READING, replace(STRETCH, complete=True)) == 0


def test_a_reader_of_a_bucket_that_is_further_than_the_head_stays_there() -> None:
    assert to_seq_of(replace(STRETCH, after=120, complete=True)) == 120


@pytest.mark.parametrize(
    ("now", "complete", "right"),
    [
        (STATE, False, True),
        (STATE, True, True),
        (replace(STATE, head=101), False, True),
        (replace(STATE, head=101), True, False),
        (replace(STATE, erasures=1), False, False),
        (replace(STATE, epoch="later"), False, False),
    ],
)
def test_i7_a_kept_page_does_not_outlive_an_erasure(
    now: FeedState, complete: bool, right: bool
) -> None:
    assert is_right(BuiltPage("s", b"", None, 60, complete, STATE), now) is right


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40))
def test_sync_6_signed_sums_are_the_unsigned_sums_of_the_contract(hashes: list[int]) -> None:
    digest = digest_of("s", Sums("e", 5, ((7, len(hashes), sum(hashes)),)))
    assert digest.counts[7] == len(hashes)
    assert digest.sums[7] == sum(one % 2**64 for one in hashes) % 2**64
    assert (len(digest.counts), len(digest.sums)) == (BUCKETS, BUCKETS)


@pytest.mark.parametrize("interval", [0.5, 1, 2, 3, 5, 7, 15, 60])
def test_sync_7_every_head_is_told_within_fifteen_seconds(interval: float) -> None:
    heads = {f"centre.C{n}": STATE for n in range(50)} | {"all": STATE}
    turns = turns_of(interval)
    assert turns * interval <= 15 or turns == 1
    told = [due_heads(heads, turn, turns) for turn in range(turns)]
    assert set().union(*told) == set(heads)
    assert all("all" in one for one in told)


def test_a_record_that_is_no_customer_is_named_by_field_and_never_quoted() -> None:
    bad = make_words(
        Unworded(UUID(int=1), 3, '{"kind": "retail", "code": "A", "email": "Jean Dupont"}')
    )
    assert isinstance(bad, Trouble)
    assert (bad.version, bad.reason.partition(":")[0]) == (3, "email")
    assert "Dupont" not in bad.reason
    assert isinstance(make_words(Unworded(UUID(int=1), 3, "[]")), Trouble)


def test_search_13_words_are_made_for_every_column() -> None:
    words = make_words(Unworded(UUID(int=1), 1, '{"kind": "business", "code": "A", "name": "É"}'))
    assert isinstance(words, Worded)
    assert (len(words.words), words.words[0]) == (len(COLUMNS), "e")
