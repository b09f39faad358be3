"""What is stuck, where, since when and why: decided from two looks, since what moves on is not stuck (SYNC-7)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from erp_node.backlog import Backlog, Waiting
from erp_node.store.feed import Trouble
from erp_node.store.letters import LeftLetters
from erp_node.tills import TillStanding

LOOK_AGAIN_S = 12.0
"""Seconds between two looks: a till tells every ten how far it is, the broker counts every five."""
LATE = timedelta(minutes=1)
"""A change made at a till that is there has reached the ERP after this time."""
COUNTED = 100_000
"""More than this is not counted one by one."""


@dataclass(frozen=True, slots=True)
class Movement:
    """What changes from moment to moment; `oldest_mark` is the number of the oldest of the `marks`."""

    at: datetime
    backlog: Backlog
    tills: Sequence[TillStanding]
    marks: int
    oldest_mark: int | None
    words: int

    @property
    def waits(self) -> bool:
        """Whether anything waits of which only a second look can tell whether it moves."""
        behind = any(till.online and till.behind for till in self.tills)
        journals = any(one.messages or one.trouble for one in self.backlog.journals)
        dead = self.backlog.dead.trouble
        return bool(behind or journals or dead or self.marks or self.words)


@dataclass(frozen=True, slots=True)
class Condition:
    """What one look can judge. `erp`, `broker`: what is wrong with it, and `*_at` where it is; `dead`: how many
    letters of each code, `dead_unread`: why they could not be counted. `letters`: e-mails to customers that are not
    sent, `mail`: whether a mail server is set."""

    erp_at: str
    erp: str | None
    broker_at: str
    broker: str | None
    dead: Mapping[str, int]
    dead_unread: str | None
    troubles: Sequence[Trouble]
    letters: Sequence[LeftLetters] = ()
    mail: bool = True


@dataclass(frozen=True, slots=True)
class Stuck:
    """One line for an operator."""

    what: str
    where: str
    since: datetime | None
    why: str


def find_stuck(condition: Condition, first: Movement, second: Movement) -> list[Stuck]:
    """All that is stuck; `second` may be `first` when nothing waits there."""
    return [
        *_connections(condition),
        *_journals(first.backlog, second.backlog),
        *_tills(first, second),
        *_numbering(first, second),
        *_dead(condition, first.backlog.dead, second.backlog.dead),
        *_troubles(condition.troubles),
        *_letters(condition),
    ]


def _connections(found: Condition) -> Iterator[Stuck]:
    if found.erp is not None:
        yield Stuck("ERP", found.erp_at, None, found.erp)
    if found.broker is not None:
        yield Stuck("broker", found.broker_at, None, found.broker)


def _journals(first: Backlog, second: Backlog) -> Iterator[Stuck]:
    for before, after in zip(first.journals, second.journals, strict=True):
        if (
            before.trouble and after.trouble
        ):  # a queue made just now is not counted for some seconds
            yield Stuck("journals", after.queue, None, after.trouble)
        elif before.messages and after.messages and after.messages >= before.messages:
            reader = "" if after.consumers else "; nobody reads the queue"
            yield Stuck("journals", after.queue, None, f"{after.messages} entries wait{reader}")


def _tills(first: Movement, second: Movement) -> Iterator[Stuck]:
    before = {till.pos_id: till for till in first.tills}
    for till in second.tills:
        where = f"{till.pos_id} ({till.centre})"
        if not till.online:
            yield Stuck("till", where, till.seen_at, _silence(till))
            continue
        if till.twice:
            yield Stuck("till", where, None, "runs twice: two data folders under one enrolment")
        if (oldest := till.oldest_waiting_at) and second.at - oldest > LATE:
            yield Stuck("till", where, oldest, f"{till.waiting} changes made there are not here")
        if (rows := _held(before.get(till.pos_id), till)) > 0:
            yield Stuck("till", where, None, f"{rows} rows behind, and does not move on")


def _silence(till: TillStanding) -> str:
    known = f", {till.behind} rows behind" if till.behind else ""
    waiting = f", {till.waiting} changes not sent" if till.waiting else ""
    return f"not heard{known}{waiting}" if till.seen_at else "never heard"


def _held(before: TillStanding | None, after: TillStanding) -> int:
    """Rows that were to be had at the first look already, in feeds that have not moved since."""
    earlier = {one.scope: one for one in before.scopes} if before else {}
    stood = (earlier[one.scope] for one in after.scopes if one.scope in earlier)
    now = {one.scope: one.cursor for one in after.scopes}
    return sum(one.behind for one in stood if now[one.scope] == one.cursor)


def _numbering(first: Movement, second: Movement) -> Iterator[Stuck]:
    if second.oldest_mark is not None and second.oldest_mark == first.oldest_mark:
        text = f"{second.marks} changes are not numbered, and none is meanwhile"
        yield Stuck("feeds", "feed_mark", None, text)
    if first.words and COUNTED > second.words >= first.words:  # beyond that nobody knows
        text = f"{second.words} changes without their words, and no fewer meanwhile"
        yield Stuck("words", "word_mark", None, text)


def _dead(found: Condition, before: Waiting, queue: Waiting) -> Iterator[Stuck]:
    if found.dead_unread is not None and found.broker is None:
        yield Stuck("dead letters", queue.queue, None, f"cannot be read: {found.dead_unread}")
    if before.trouble and queue.trouble:
        yield Stuck("dead letters", queue.queue, None, queue.trouble)
    for code, count in sorted(found.dead.items()):
        yield Stuck("dead letters", queue.queue, None, f"{count} of {code}")
    more = (queue.messages or 0) - sum(found.dead.values())
    if found.dead and more > 0:
        yield Stuck("dead letters", queue.queue, None, f"{more} more, not looked through")


def _troubles(troubles: Sequence[Trouble]) -> Iterator[Stuck]:
    for reason in sorted({one.reason for one in troubles}):
        of_it = [one for one in troubles if one.reason == reason]
        since = min((one.at for one in of_it if one.at), default=None)
        where = str(of_it[0].customer_id) + (f" and {len(of_it) - 1} more" if of_it[1:] else "")
        yield Stuck("customers", where, since, f"not sent to tills: {reason}")


def _letters(found: Condition) -> Iterator[Stuck]:
    for left in found.letters:
        others = f" and {left.count - 1} more" if left.count > 1 else ""
        yield Stuck(
            "letters", f"card {left.key}{others}", left.since, _unsent(left, mail=found.mail)
        )


def _unsent(left: LeftLetters, *, mail: bool) -> str:
    match left.state:
        case "waiting" if not mail:
            return "waiting: COMPTOIR_ERP_SMTP_URL is not set"
        case "waiting":
            return f"waiting: {left.reason or 'not tried yet'}"
        case "given_up":
            return f"given up: {left.reason}"
        case "unsure":
            return f"sent or not, nobody knows: {left.reason}"
        case _:
            return "taken by a process that has ended"
