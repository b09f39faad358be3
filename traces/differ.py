"""Where two runs part, and why. Pure.

Each node's queues and publishers are streams with an order of their own; how streams interleave is
chance. Runs are compared stream by stream, with ids, epochs and times replaced by the order in which
they are met; the parting that came first in time is the one to look at.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeAlias

from traces.record import Line
from traces.subjects import detail_of, is_background

CONTEXT = 3
"""Lines told before a parting."""

Stream: TypeAlias = tuple[str, str, str]
"""Node, action and place."""

_RANDOM = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{16,64}\b"
)
_TIMES = frozenset({"occurred_at", "expires_at", "at", "now", "oldest_waiting_at"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not the same; None: it is missing."""

    where: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class Parting:
    """The first line of a stream that is not the same in both runs; None: the run had ended there."""

    stream: Stream
    place: int
    a: Line | None
    b: Line | None
    before: tuple[Line, ...]
    differences: tuple[Difference, ...]

    @property
    def why(self) -> str:
        """In one sentence."""
        if self.a is None or self.b is None:
            one, line = ("A", self.a) if self.a else ("B", self.b)
            what = f"{line.type} {detail_of(line)}".strip() if line else ""
            return f"only in {one}: {what}"
        first = self.differences[0]
        if first.where == "type":
            return f"another message: {first.a} in A, {first.b} in B"
        return f"{self.a.type}: {first.where} is {_short(first.a)} in A, {_short(first.b)} in B"


def find_partings(
    a: Sequence[Line], b: Sequence[Line], *, background: bool = False
) -> list[Parting]:
    """The first parting of every stream that parts, the earliest first; none when the runs are alike.

    `background`: compares signs of life and sweeps too, which come by the clock.
    """
    of_a, of_b = (_streams(run, background=background) for run in (a, b))
    partings = (
        _compare(stream, of_a.get(stream, []), of_b.get(stream, []))
        for stream in sorted(of_a.keys() | of_b.keys())
    )
    return sorted(
        (one for one in partings if one is not None),
        key=lambda one: min(_since(a, one.a), _since(b, one.b)),
    )


def _since(run: Sequence[Line], line: Line | None) -> float:
    """Seconds from the beginning of its run."""
    return (line.at - run[0].at).total_seconds() if line is not None else float("inf")


def _streams(run: Iterable[Line], *, background: bool) -> dict[Stream, list[Line]]:
    streams: dict[Stream, list[Line]] = defaultdict(list)
    for line in run:
        if background or not is_background(line):
            streams[line.node, line.action, line.place].append(line)
    return streams


def _compare(stream: Stream, a: Sequence[Line], b: Sequence[Line]) -> Parting | None:
    met_a, met_b = _Met(), _Met()
    for place, (one, two) in enumerate(zip_longest(a, b)):
        differences = tuple(_unlike("", met_a.plain(one), met_b.plain(two))) if one and two else ()
        if one is None or two is None or differences:
            before = tuple(a[max(0, place - CONTEXT) : place])
            return Parting(stream, place + 1, one, two, before, differences)
    return None


def _unlike(where: str, a: Any, b: Any) -> Iterable[Difference]:
    """Every value that differs, in the order of the fields."""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in dict.fromkeys((*a, *b)):
            yield from _unlike(f"{where}.{name}" if where else name, a.get(name), b.get(name))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for at, (one, two) in enumerate(zip(a, b, strict=True)):
            yield from _unlike(f"{where}.{at}", one, two)
    elif a != b:
        yield Difference(where, a, b)


class _Met:
    """Random names of one stream, numbered in the order in which they were met: that order is no chance."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def plain(self, line: Line) -> dict[str, Any]:
        """What of a line is the same in two runs that are alike: type and outcome first."""
        message = {n: v for n, v in (line.message or {}).items() if n not in _TIMES}
        return {
            "type": line.type,
            "outcome": line.outcome,
            "attempt": line.attempt,
            "exchange": line.exchange,
            "key": self._text(line.key),
            "user_id": line.user_id,
            "unreadable": line.unreadable,
            "message": self._value(message),
            "body": line.body_base64,
        }

    def _value(self, value: Any) -> Any:
        match value:
            case str():
                return self._text(value)
            case list():
                return [self._value(one) for one in value]
            case dict():
                return {
                    self._text(name): self._value(one)
                    for name, one in value.items()
                    if name not in _TIMES
                }
            case _:
                return value

    def _text(self, text: str) -> str:
        if len(text) < 16:
            return text
        return _RANDOM.sub(lambda found: f"#{self._of(found[0])}", text)

    def _of(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers) + 1)


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
