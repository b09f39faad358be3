"""Two runs' partings as a person reads them. Pure."""

from collections.abc import Iterator, Sequence

from traces.differ import Difference, Parting
from traces.record import Line
from traces.shown import milliseconds
from traces.subjects import counted, detail_of

_MOST_DIFFERENCES = 8
_MOST_OTHERS = 10


def tell(partings: Sequence[Parting], a: Sequence[Line], b: Sequence[Line]) -> Iterator[str]:
    """The first parting with what came before and what differs; the others in a line each."""
    if not partings:
        yield f"alike: {len(a)} and {counted(len(b), 'line')}"
        return
    first = partings[0]
    yield f"they part at {_where(first)}: {first.why}"
    for line in first.before:
        yield f"     both  {_line(line, a)}"
    for name, own, run in (("A", first.a, a), ("B", first.b, b)):
        yield f"        {name}  {_line(own, run) if own else 'nothing more'}"
    yield from map(_difference, first.differences[:_MOST_DIFFERENCES])
    if len(first.differences) > _MOST_DIFFERENCES:
        yield f"           … {len(first.differences) - _MOST_DIFFERENCES} more values"
    others = partings[1:]
    if others:
        yield f"then also, in {counted(len(others), 'other stream')}:"
    for one in others[:_MOST_OTHERS]:
        yield f"  {_where(one)}: {one.why}"
    if len(others) > _MOST_OTHERS:
        yield f"  … {len(others) - _MOST_OTHERS} more"


def _where(parting: Parting) -> str:
    node, action, place = parting.stream
    return f"{node}, {action} at {place}, number {parting.place}"


def _line(line: Line, run: Sequence[Line]) -> str:
    after = milliseconds((line.at - run[0].at).total_seconds()) if run else ""
    words = (f"+{after}", line.action, line.outcome, line.type, detail_of(line))
    return " ".join(word for word in words if word)


def _difference(one: Difference) -> str:
    return f"           {one.where}: {one.a!r} / {one.b!r}"
