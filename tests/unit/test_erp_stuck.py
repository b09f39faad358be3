"""What is stuck and what only takes its time (SYNC-7)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from erp_node.backlog import Backlog, Waiting
from erp_node.store.feed import Trouble
from erp_node.store.letters import LeftLetters
from erp_node.stuck import Condition, Movement, Stuck, find_stuck
from erp_node.tills import ScopeStanding, TillStanding

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CALM_BACKLOG = Backlog(
    tuple(Waiting(f"erp.journal.{n}", 0, 1) for n in range(4)), Waiting("dead", 0, 0)
)
CALM = Movement(NOON, CALM_BACKLOG, (), 0, None, 0)
WELL = Condition("http://127.0.0.1:8800", None, "rabbit:5672", None, {}, None, ())


def journal(messages: int | None, consumers: int | None = 1, trouble: str | None = None) -> Backlog:
    waiting = Waiting("erp.journal.0", messages, consumers, trouble)
    return replace(CALM_BACKLOG, journals=(waiting, *CALM_BACKLOG.journals[1:]))


def till(
    *,
    cursor: int = 9,
    online: bool = True,
    seen_at: datetime | None = NOON,
    waiting: int = 0,
    oldest: datetime | None = None,
) -> TillStanding:
    scopes = (ScopeStanding("all", 5, 5), ScopeStanding("all.customers", cursor, 9))
    return TillStanding("lyon-1", "lyon", "full", online, seen_at, "1", waiting, oldest, scopes)


def found(first: Movement, second: Movement | None = None) -> list[Stuck]:
    return find_stuck(WELL, first, second or first)


def test_nothing_is_stuck_where_nothing_waits() -> None:
    calm = replace(CALM, tills=(till(),))
    assert not calm.waits
    assert found(calm) == []


@pytest.mark.parametrize(
    "waiting",
    [
        replace(CALM, backlog=journal(3)),
        replace(CALM, backlog=journal(None, None, "the queue has no leader")),
        replace(CALM, backlog=replace(CALM_BACKLOG, dead=Waiting("dead", trouble="not there"))),
        replace(CALM, tills=(till(cursor=4),)),
        replace(CALM, marks=3, oldest_mark=7),
        replace(CALM, words=3),
    ],
)
def test_what_waits_is_stuck_only_when_it_is_there_unmoved_at_a_second_look(
    waiting: Movement,
) -> None:
    assert waiting.waits
    assert len(found(waiting, waiting)) == 1
    assert found(waiting, CALM) == []


def test_what_moves_on_is_not_stuck_though_more_waits_behind_it() -> None:
    first = replace(
        CALM, backlog=journal(9), tills=(till(cursor=4),), marks=3, oldest_mark=7, words=9
    )
    ahead = replace(till(cursor=6), scopes=(ScopeStanding("all.customers", 6, 50),))
    second = replace(CALM, backlog=journal(8), tills=(ahead,), marks=99, oldest_mark=11, words=8)
    assert found(first, second) == []


def test_a_partition_nobody_reads_and_one_without_a_leader_are_named() -> None:
    (one,) = found(replace(CALM, backlog=journal(3, 0)))
    assert (one.where, one.why) == ("erp.journal.0", "3 entries wait; nobody reads the queue")
    (one,) = found(replace(CALM, backlog=journal(None, None, "the queue has no leader")))
    assert (one.where, one.why) == ("erp.journal.0", "the queue has no leader")
    assert found(replace(CALM, backlog=journal(None, None))) == []


def test_a_silent_till_is_told_with_since_when_and_what_it_lacks() -> None:
    silent = till(online=False, cursor=4, waiting=2)
    assert found(replace(CALM, tills=(silent,))) == [
        Stuck("till", "lyon-1 (lyon)", NOON, "not heard, 5 rows behind, 2 changes not sent")
    ]
    (never,) = found(replace(CALM, tills=(till(online=False, seen_at=None),)))
    assert (never.since, never.why) == (None, "never heard")


def test_a_till_that_runs_twice_is_told() -> None:
    (one,) = found(replace(CALM, tills=(replace(till(), twice=True),)))
    assert (one.where, one.why[:10]) == ("lyon-1 (lyon)", "runs twice")


def test_changes_of_a_till_that_is_there_are_stuck_after_a_minute() -> None:
    late, young = NOON - timedelta(seconds=61), NOON - timedelta(seconds=59)
    (one,) = found(replace(CALM, tills=(till(waiting=4, oldest=late),)))
    assert (one.since, one.why) == (late, "4 changes made there are not here")
    assert found(replace(CALM, tills=(till(waiting=4, oldest=young),))) == []


def test_connections_dead_letters_and_customers_are_told_with_their_reasons() -> None:
    ids = [UUID(int=number) for number in range(3)]
    troubles = [Trouble(one, 1, "no kind", NOON - timedelta(hours=n)) for n, one in enumerate(ids)]
    condition = replace(
        WELL,
        erp="does not answer: refused",
        broker="The connection is down: refused",
        dead={"malformed": 2, "forged": 1},
        troubles=troubles,
    )
    many = replace(CALM, backlog=replace(CALM_BACKLOG, dead=Waiting("dead", 5, 0)))
    told = find_stuck(condition, many, many)
    assert [(one.what, one.why) for one in told] == [
        ("ERP", "does not answer: refused"),
        ("broker", "The connection is down: refused"),
        ("dead letters", "1 of forged"),
        ("dead letters", "2 of malformed"),
        ("dead letters", "2 more, not looked through"),
        ("customers", "not sent to tills: no kind"),
    ]
    assert (told[-1].where, told[-1].since) == (f"{ids[0]} and 2 more", NOON - timedelta(hours=2))


def test_card_9_letters_that_were_not_sent_are_told_with_their_reasons() -> None:
    left = (
        LeftLetters("given_up", "recipient refused (550 5.1.1)", 1, "V1", NOON),
        LeftLetters("sending", None, 1, "V2", NOON),
        LeftLetters("unsure", "connection lost", 3, "V3", NOON),
        LeftLetters("waiting", "cannot connect", 1, "V4", NOON),
        LeftLetters("waiting", None, 1, "V5", NOON),
    )
    told = find_stuck(replace(WELL, letters=left), CALM, CALM)
    assert [(one.what, one.where, one.why) for one in told] == [
        ("letters", "card V1", "given up: recipient refused (550 5.1.1)"),
        ("letters", "card V2", "taken by a process that has ended"),
        ("letters", "card V3 and 2 more", "sent or not, nobody knows: connection lost"),
        ("letters", "card V4", "waiting: cannot connect"),
        ("letters", "card V5", "waiting: not tried yet"),
    ]
    assert told[0].since == NOON
    unset = find_stuck(replace(WELL, letters=left[-1:], mail=False), CALM, CALM)
    assert unset[0].why == "waiting: COMPTOIR_ERP_SMTP_URL is not set"


def test_dead_letters_that_cannot_be_read_are_not_passed_over() -> None:
    (one,) = find_stuck(replace(WELL, dead_unread="no answer"), CALM, CALM)
    assert (one.what, one.why) == ("dead letters", "cannot be read: no answer")
