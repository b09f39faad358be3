"""What can be judged after a replay: the invariants that need nothing but the trace and both ends. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.feed import ABSORBING
from contracts.topology import ALL_CUSTOMERS, FEED, customers_of, pos_of
from simulation.checkers.history import History, Violation
from simulation.checkers.journal import check_once
from simulation.checkers.monotone import check_monotone
from simulation.checkers.observed import ErpSeen, Seen, TillSeen
from simulation.replay.story import Given, Story

OFFICE = "replay"
"""Where changes come from that made the ERP as it was before the trace."""


def judge(story: Story, seen: Seen, history: History, *, settled: bool) -> Iterator[Violation]:
    """I1 (every entry applied or answered), I2 (tills hold what the trace told them), I3, I9, I10, I11."""
    if not settled:
        yield Violation("I11", "not everything came to rest after the last message")
    yield from check_entries(story, seen.erp)
    yield from check_applied(story, seen.erp)
    for till in seen.tills:
        yield from check_told(story, till)
    yield from check_monotone(history.stored)
    yield from check_once(seen, History())
    yield from check_senders(story, seen.erp)


def check_entries(story: Story, erp: ErpSeen) -> Iterator[Violation]:
    """I1: every entry of the trace is applied or answered."""
    last: dict[tuple[str, str], int] = {}
    for given in story.given:
        if (entry := given.entry) is not None:
            journal = (given.till, entry.epoch)
            last[journal] = max(entry.seq, last.get(journal, 0))
    for (till, epoch), seq in sorted(last.items()):
        applied = erp.progress.get((till, epoch), 0)
        if applied != seq:
            held = f"applied up to {applied} of {seq}"
            if not _has(story, till, epoch, applied + 1):
                held += f"; the trace does not hold entry {applied + 1}"
            yield Violation("I1", f"pos.{till}: journal {epoch}: {held}")


def check_applied(story: Story, erp: ErpSeen) -> Iterator[Violation]:
    """I1, I9: what an entry changed that was not answered otherwise is in the ERP, as often as it was sent."""
    refused = {(one.till, one.epoch, one.seq) for one in erp.verdicts}
    wires = {one.id: one.wire for one in erp.customers}
    lines = Counter((line.where, line.customer, line.path, line.new) for line in erp.history)
    entries = {entry: given for given in story.given if (entry := given.entry) is not None}
    sent: Counter[tuple[str, str, str, str]] = Counter()
    for entry, given in entries.items():
        if erp.progress.get((given.till, entry.epoch), 0) < entry.seq:
            continue
        for change in _changes(given):
            sent[change] += 1
            _, customer, path, new = change
            answered = (given.till, entry.epoch, entry.seq) in refused
            if not answered and not lines[change] and new not in wires.get(customer, ""):
                yield Violation("I1", f"pos.{given.till}: {entry.seq}: {customer}: {path} is lost")
    for change, times in sorted(lines.items()):
        if 0 < sent[change] < times:
            where, customer, path, _ = change
            yield Violation("I9", f"{where}: {customer}: {path} was changed {times} times")


def _changes(given: Given) -> Iterator[tuple[str, str, str, str]]:
    """Where, whose, which field, and its new value as the history has it; those of plain values."""
    for change in given.line.data.get("changes", ()):
        match change:
            case {"path": str(path), "new": str(new)}:
                customer = str(given.line.data.get("customer_id"))
                yield f"pos.{given.till}", customer, path, msgspec.json.encode(new).decode()
            case _:
                pass


def _has(story: Story, till: str, epoch: str, seq: int) -> bool:
    return any(
        given.till == till and (entry.epoch, entry.seq) == (epoch, seq)
        for given in story.given
        if (entry := given.entry) is not None
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """A customer, or a row of reference data, at a till."""

    version: int
    state: str
    record: str | None


def check_told(story: Story, till: TillSeen) -> Iterator[Violation]:
    """I2: each customer, and each row of reference data, as the newest row says that was sent to this till."""
    customers = {one.id: _Held(one.version, one.state, one.record) for one in till.customers}
    lists = {key: _Held(n, state, record) for key, _, n, state, record in till.reference}
    gone = {key for _, key, _, _ in till.gone}
    for kind, held in (("customer", customers), ("reference", lists)):
        for key, row in sorted(_newest(story, till, kind).items()):
            if wrong := _compare(row, held.get(key), key in gone):
                yield Violation("I2", f"pos.{till.pos_id}: {key}: {wrong}")


def _newest(story: Story, till: TillSeen, kind: str) -> dict[str, dict[str, Any]]:
    """Of each key the newest row; at one version an active one, since a withdrawn one is of another feed."""
    newest: dict[str, dict[str, Any]] = {}
    epoch = ""
    for given in story.given:
        page = given.page
        if page is not None and page["epoch"] != epoch:  # begun anew: versions come again
            epoch, newest = page["epoch"], {}
        if page is None or page["scope"] not in till.scopes:
            continue
        if given.till not in ("", till.pos_id) or given.message.exchange != FEED:
            continue
        for row in page.get("rows", ()):
            match row:
                case {"kind": found, "key": str(key), "version": int()} if found == kind:
                    before = newest.get(key)
                    if before is None or _rank(row) >= _rank(before):
                        newest[key] = row
                case _:
                    pass
    return newest


def _rank(row: dict[str, Any]) -> tuple[int, int, bool]:
    state = row.get("state", "active")
    return int(state in ABSORBING), row["version"], state == "active"


def _compare(row: dict[str, Any], held: _Held | None, gone: bool) -> str:
    """Why a till does not hold what a row says; empty when it does. It may have heard of something newer."""
    state = row.get("state", "active")
    if held is None:
        return "" if state != "active" or gone else f"version {row['version']} is missing"
    if state in ABSORBING:
        return "" if held.state == state else f"is {held.state}, was told {state}"
    if held.version > row["version"]:
        return ""
    if (held.version, held.state) != (row["version"], state):
        return f"version {held.version} {held.state}, was told {row['version']} {state}"
    if state == "active" and msgspec.json.decode(held.record or "null") != row.get("record"):
        return f"another content at version {held.version}"
    return ""


def check_senders(story: Story, erp: ErpSeen) -> Iterator[Violation]:
    """I10: what was changed for a till was sent by it."""
    sent = {
        (f"pos.{given.till}", str(given.line.data.get("customer_id")))
        for given in story.given
        if given.entry is not None
    }
    for line in erp.history:
        if line.where != OFFICE and (line.where, line.customer) not in sent:
            yield Violation("I10", f"{line.customer}: {line.path} was changed by {line.where}")


def compare_verdicts(story: Story, seen: Seen) -> tuple[int, list[str]]:
    """How many entries the fresh ERP answered as the recorded one, and the others. Of entries that neither answered
    nothing is to be told."""
    entries = {
        (given.till, entry.epoch, entry.seq)
        for given in story.given
        if (entry := given.entry) is not None
    }
    then = {
        (pos_of(entry.till) or "", entry.epoch, entry.seq): text for entry, text in story.verdicts
    }
    now = {(one.till, one.epoch, one.seq): f"{one.outcome} {one.code}" for one in seen.erp.verdicts}
    unlike = [
        f"pos.{key[0]} {key[1][:8]}/{key[2]}: {then.get(key, 'applied')} in the trace, {now.get(key, 'applied')} here"
        for key in sorted(entries)
        if then.get(key) != now.get(key)
    ]
    return len(entries) - len(unlike), unlike


def compare_records(seen: Seen) -> tuple[int, list[str]]:
    """How many of the tills' customers are the fresh ERP's too, version and content; and the others. They differ
    where the ERP was changed by others than tills: no message tells that."""
    erp = {one.id: one for one in seen.erp.customers}
    alike, unlike = 0, []
    for till in seen.tills:
        scopes = (ALL_CUSTOMERS, customers_of(till.centre), f"pos.{till.pos_id}")
        for one in till.customers:
            if one.state != "active" or one.scope not in scopes:
                continue
            other = erp.get(one.id)
            if other and (one.version, one.record) == (other.version, other.wire):
                alike += 1
            else:
                there = _there(one.version, other.version if other else None)
                unlike.append(f"pos.{till.pos_id}: {one.id} version {one.version}, {there}")
    return alike, unlike


def compare_lists(seen: Seen) -> tuple[int, list[str]]:
    """How many of the tills' rows of reference data are the fresh ERP's too, version and content; and the others."""
    erp = {one.key: one for one in seen.erp.reference}
    alike, unlike = 0, []
    for till in seen.tills:
        for key, _, version, state, record in till.reference:
            other = erp.get(key)
            if state != "active":
                continue
            if other and (version, record) == (other.version, other.record):
                alike += 1
            else:
                there = _there(version, other.version if other else None)
                unlike.append(f"pos.{till.pos_id}: {key} version {version}, {there}")
    return alike, unlike


def _there(version: int, other: int | None) -> str:
    """What the fresh ERP has instead."""
    if other is None:
        return "not in the ERP"
    return "another content in the ERP" if other == version else f"version {other} in the ERP"
