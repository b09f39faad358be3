"""Counts, rates, latencies and retries of a trace, by type of message. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rich.table import Table

from traces.record import Line

_ENDS = frozenset({"handled", "answered"})


@dataclass(frozen=True, slots=True)
class Spread:
    """Of some durations, in seconds: how many, the middle, one in twenty above, the longest."""

    count: int = 0
    median: float = 0.0
    p95: float = 0.0
    longest: float = 0.0


@dataclass(slots=True)
class TypeStats:
    """One type of message. `on_the_way`: from being sent to being handled; `question`: from being asked
    to the answer's being handled; both on the clocks of the two nodes."""

    type: str
    messages: int = 0
    bytes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    redelivered: int = 0
    per_second: float = 0.0
    on_the_way: Spread = Spread()
    question: Spread = Spread()


def count(lines: Sequence[Line]) -> list[TypeStats]:
    """One for each type, the most frequent first."""
    found: dict[str, TypeStats] = {}
    ids: dict[str, set[str]] = defaultdict(set)
    times = [line.at for line in lines]
    seconds = (max(times) - min(times)).total_seconds() if times else 0.0
    for line in lines:
        stats = found.setdefault(line.type, TypeStats(line.type))
        stats.outcomes[f"{line.action} {line.outcome}"] += 1
        stats.retries += line.attempt > 1 or line.outcome == "retry"
        stats.redelivered += bool(line.properties.redelivered)
        if line.action in ("sent", "seen"):
            stats.bytes += line.size
        ids[line.type].add(line.id or f"{line.node} {line.n}")
    ways, questions = _on_the_way(lines), _questions(lines)
    for name, stats in found.items():
        stats.messages = len(ids[name])
        stats.per_second = stats.messages / seconds if seconds else 0.0
        stats.on_the_way = spread(ways[name])
        stats.question = spread(questions[name])
    return sorted(found.values(), key=lambda one: (-one.messages, one.type))


def spread(seconds: Iterable[float]) -> Spread:
    """Sums up durations."""
    ordered = sorted(seconds)
    if not ordered:
        return Spread()
    last = len(ordered) - 1
    return Spread(
        len(ordered), ordered[round(last * 0.5)], ordered[round(last * 0.95)], ordered[last]
    )


def _on_the_way(lines: Iterable[Line]) -> dict[str, list[float]]:
    """From the first sending of a message to each node's being done with it."""
    sent: dict[tuple[str, str], datetime] = {}
    took: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        name = (line.id or "", line.properties.correlation_id or "")
        if line.id is None:
            continue
        if line.action in ("sent", "seen"):
            sent.setdefault(name, line.at)
        elif line.action in _ENDS and line.outcome == "ok" and name in sent:
            took[line.type].append((line.at - sent[name]).total_seconds())
    return took


def _questions(lines: Iterable[Line]) -> dict[str, list[float]]:
    """From sending a question to handling its answer."""
    asked: dict[str, Line] = {}
    took: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        question = line.properties.correlation_id
        if question is None:
            continue
        if line.way == "out" and question not in asked and line.action == "sent":
            asked[question] = line
        elif line.action == "handled" and question in asked:
            first = asked[question]
            took[first.type].append((line.at - first.at).total_seconds())
    return took


def table_of(stats: Iterable[TypeStats]) -> Table:
    """As a person reads it; durations in milliseconds as median / 95 % / longest."""
    table = Table(box=None, pad_edge=False)
    for name in ("type", "messages", "per s", "KiB", "retries", "again"):
        table.add_column(name, justify="left" if name == "type" else "right")
    for name in ("sent to handled, ms", "asked to answered, ms", "outcomes"):
        table.add_column(name)
    for one in stats:
        table.add_row(
            one.type,
            str(one.messages),
            f"{one.per_second:.2f}",
            f"{one.bytes / 1024:.1f}",
            str(one.retries),
            str(one.redelivered),
            _ms(one.on_the_way),
            _ms(one.question),
            ", ".join(f"{name} {number}" for name, number in sorted(one.outcomes.items())),
        )
    return table


def _ms(spread: Spread) -> str:
    if not spread.count:
        return ""
    return " / ".join(f"{s * 1000:.1f}" for s in (spread.median, spread.p95, spread.longest))
