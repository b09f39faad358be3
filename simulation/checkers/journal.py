"""I1, I9, I10: every change made at a till is applied once, or refused with a reason the till has; by nobody else."""

from collections import Counter
from collections.abc import Iterator

from contracts.journal import NUMBER_USED
from simulation.checkers.history import (
    FORGER,
    OTHER_SELF,
    History,
    Made,
    Violation,
    tokens_in,
)
from simulation.checkers.observed import Seen


def check_no_loss(seen: Seen, history: History) -> Iterator[Violation]:
    """I1: applied or answered; numbers without a gap; journals empty."""
    for till in seen.tills:
        if till.journal:
            yield Violation("I1", f"{till.pos_id}: {till.journal} entries left in the journal")
        applied = seen.erp.progress.get((till.pos_id, till.epoch), 0)
        if applied != till.last_seq or till.applied_seq != till.last_seq:
            numbers = (
                f"{till.last_seq} made, {till.applied_seq} known applied, {applied} in the ERP"
            )
            yield Violation("I1", f"{till.pos_id}: journal {till.epoch}: {numbers}")
    yield from _lost(seen, history)


def _lost(seen: Seen, history: History) -> Iterator[Violation]:
    customers = {one.id for one in seen.erp.customers}
    applied = {token for line in seen.erp.history for token in tokens_in(line.new)}
    applied |= {token for one in seen.erp.customers for token in tokens_in(one.wire)}
    told = {till.pos_id: {notice.key for notice in till.notices} for till in seen.tills}
    verdicts = {(one.till, one.epoch, one.seq): one for one in seen.erp.verdicts}
    for made in history.made.values():
        answers = [
            verdicts[key]
            for key in _keys(made)
            if key in verdicts and verdicts[key].reason != NUMBER_USED
        ]
        if answers:
            known = told.get(made.till, set())
            if not known & {one.id for one in answers} and history.excuse(made) is None:
                yield Violation("I1", f"{made.till}: refused without a notice: {made.tokens}")
            continue
        there = made.customer in customers if made.added else set(made.tokens) <= applied
        if not there and history.excuse(made) is None:
            yield Violation(
                "I1", f"{made.till}: {made.tokens or made.customer} is lost {made.numbers}"
            )


def _keys(made: Made) -> list[tuple[str, str, int]]:
    return [(made.till, epoch, seq) for epoch, seq in made.numbers]


def check_once(seen: Seen, history: History) -> Iterator[Violation]:
    """I9: nothing is applied twice, and an entry has one answer."""
    lines = Counter(
        (line.customer, line.path, token)
        for line in seen.erp.history
        for token in tokens_in(line.new)
        if history.tokens.get(token, "erp") != "erp"
    )
    for (customer, path, token), times in sorted(lines.items()):
        if times > 1:
            yield Violation("I9", f"{customer}: {path} became {token} {times} times")
    answers = Counter((one.till, one.epoch, one.seq) for one in seen.erp.verdicts)
    for key, times in sorted(answers.items()):
        if times > 1:
            yield Violation("I9", f"{key} was answered {times} times")
    for till in seen.tills:
        keys = Counter(one.key for one in till.notices)
        for notice, times in sorted(keys.items()):
            if times > 1:
                yield Violation("I9", f"{till.pos_id}: notice {notice} stands there {times} times")


def check_sender(seen: Seen, history: History) -> Iterator[Violation]:
    """I10: what is applied for a till was made there, and what nobody honest made is nowhere; neither is what came
    under a number that was applied before (I9), unless the ERP's database has lost that it was."""
    for line in seen.erp.history:
        for token in tokens_in(line.new):
            if not _excused(token, history):
                yield from _check_one(token, line.where, history)
    everything = [one.wire for one in seen.erp.customers]
    everything += [one.record or "" for till in seen.tills for one in till.customers]
    for text in everything:
        for token in tokens_in(text):
            maker = history.tokens.get(token)
            if maker in (FORGER, OTHER_SELF) and not _excused(token, history):
                yield Violation("I10", f"{token} of {maker} is stored")


def _excused(token: str, history: History) -> bool:
    lost = any(one.till is None for one in history.excused)
    return lost and history.tokens.get(token) == OTHER_SELF


def _check_one(token: str, where: str, history: History) -> Iterator[Violation]:
    maker = history.tokens.get(token)
    if maker is None or maker == "erp":
        if where.startswith("pos."):
            yield Violation("I10", f"{token} of the ERP came from {where}")
        return
    if where != f"pos.{maker.removesuffix('-twin')}":
        yield Violation("I10", f"{token} of {maker} came from {where}")
