"""From lines to conversations: what was said because of what. Pure.

Lines belong together by the question they are about (correlation id) or by the message (id, and
the id that caused it). A journal entry's conversation also holds its effects: the page that told its
till it is applied, the verdict on it, and the pages that carried its customer onwards.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from traces.record import Line
from traces.subjects import Entry, customers_of, entry_of, progress_of, verdicts_of

Link = Literal["", "progress", "verdict", "row"]
"""How a step follows from the first: said in the same conversation, or an effect told by the feed."""


@dataclass(frozen=True, slots=True)
class Step:
    line: Line
    link: Link = ""

    @property
    def silent(self) -> bool:
        """Says nothing that the answer before it did not: a question that was answered."""
        return self.line.action == "asked" and self.line.outcome == "ok"


@dataclass(frozen=True, slots=True)
class Conversation:
    """The steps in the order of time; there is at least one."""

    steps: tuple[Step, ...]

    @property
    def first(self) -> Line:
        return self.steps[0].line

    @property
    def began(self) -> datetime:
        return self.first.at

    @property
    def seconds(self) -> float:
        """From the first step to the last."""
        return (self.steps[-1].line.at - self.began).total_seconds()

    @property
    def customers(self) -> frozenset[str]:
        own = [customers_of(step.line) for step in self.steps if not step.link]
        return frozenset().union(*own)


def find_conversations(lines: Sequence[Line]) -> list[Conversation]:
    """All conversations, by the time they began. Each line is in one at least; a page that is an effect
    of several entries is in the conversation of each, and in none of its own."""
    groups: dict[str, list[Line]] = defaultdict(list)
    for line, name in zip(lines, _names(lines), strict=True):
        groups[name].append(line)
    effects = _Effects(groups.values())
    told = [_conversation(group, effects) for group in groups.values()]
    elsewhere = {id(step.line) for one in told for step in one.steps if step.link}
    made = [one for one in told if id(one.first) not in elsewhere]
    return sorted(made, key=lambda one: (one.began, one.first.node, one.first.n))


def _names(lines: Sequence[Line]) -> list[str]:
    """Of each line the conversation it is in: found by following causes to the first."""
    causes = {line.id: line.cause for line in lines if line.id and line.cause}
    corr = {line.id: _question(line) for line in lines if line.id and _question(line)}
    return [_question(line) or _first_cause(line, causes, corr) for line in lines]


def _question(line: Line) -> str:
    found = line.properties.correlation_id
    return f"question {found}" if found else ""


def _first_cause(line: Line, causes: dict[str, str], corr: dict[str, str]) -> str:
    if line.id is None:
        return (
            f"line {line.node} {line.n}" if line.body_base64 is None else f"body {line.body_base64}"
        )
    at, seen = line.id, {line.id}
    while (cause := causes.get(at)) is not None and cause not in seen:
        at = cause
        seen.add(at)
    return corr.get(at) or at


class _Effects:
    """Where in the feed something is told: the lines of each such page together."""

    def __init__(self, groups: Iterable[list[Line]]) -> None:
        self._progress: dict[tuple[str, str], list[tuple[int, datetime, list[Line]]]]
        self._progress = defaultdict(list)
        self._verdicts: dict[Entry, list[Line]] = {}
        self._rows: dict[str, list[tuple[datetime, list[Line]]]] = defaultdict(list)
        for group in groups:
            self._note(group)
        for told in self._progress.values():
            told.sort(key=lambda one: one[:2])
        for rows in self._rows.values():
            rows.sort(key=lambda one: one[0])

    def _note(self, group: list[Line]) -> None:
        for line in group:
            if line.type != "feed.page" or line.properties.correlation_id:
                continue
            for entry in progress_of(line):
                self._progress[entry.till, entry.epoch].append((entry.seq, line.at, group))
            for entry, _ in verdicts_of(line):
                self._verdicts.setdefault(entry, group)
            for customer in customers_of(line):
                self._rows[customer].append((line.at, group))
            return

    def of(self, entry: Entry, line: Line) -> list[Step]:
        """What followed from a journal entry."""
        steps = [Step(one, "verdict") for one in self._verdicts.get(entry, [])]
        told = self._progress.get((entry.till, entry.epoch), [])
        at = bisect_left(told, entry.seq, key=lambda one: one[0])
        for _, _, group in told[at : at + 1]:
            steps += [Step(one, "progress") for one in group]
        for customer in customers_of(line):
            pages = self._rows.get(customer, [])
            after = bisect_right(pages, line.at, key=lambda one: one[0])
            steps += [Step(one, "row") for _, group in pages[after : after + 1] for one in group]
        return steps


def _conversation(group: list[Line], effects: _Effects) -> Conversation:
    first = min(group, key=lambda line: (line.at, line.way == "in"))
    entry = entry_of(first)
    steps = [Step(line) for line in group]
    known = {id(line) for line in group}
    for step in effects.of(entry, first) if entry else ():
        if id(step.line) not in known:
            known.add(id(step.line))
            steps.append(step)
    steps.sort(key=lambda step: (step.line.at, step.line.way == "in", step.line.n))
    return Conversation(tuple(steps))
