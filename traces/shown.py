"""A trace as a person reads it: one conversation after another, with what followed and after how long."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from traces.conversations import Conversation, Link, Step
from traces.record import Line
from traces.subjects import counted, detail_of, refusal_of, verdicts_of

_GOOD = frozenset({"ok"})
_SIGNS = {"out": "→", "in": "←"}
_LINKS: dict[Link, str] = {
    "": "",
    "progress": "applied in the ERP",
    "verdict": "verdict",
    "row": "on its way to tills",
}


def show(conversations: Iterable[Conversation]) -> Iterator[RenderableType]:
    """One renderable for each conversation."""
    for conversation in conversations:
        steps = [step for step in conversation.steps if not step.silent]
        yield Group(_title(conversation), _steps(steps, conversation.began), Text())


def title_of(conversation: Conversation) -> str:
    """What it is about, in one line: time, type, where it began, whom it concerns."""
    first = conversation.first
    about = ", ".join(sorted(one[:8] for one in conversation.customers)[:3])
    more = f", {len(conversation.customers)} customers" if len(conversation.customers) > 3 else ""
    steps = counted(sum(not one.silent for one in conversation.steps), "step")
    parts = (
        f"{first.at:%H:%M:%S.%f}"[:-3],
        first.type,
        f"by {first.origin}",
        f"customer {about}{more}" if about else "",
        f"{steps} in {milliseconds(conversation.seconds)}",
    )
    return "  ".join(part for part in parts if part)


def milliseconds(seconds: float) -> str:
    """A duration as people read it."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def _title(conversation: Conversation) -> Text:
    bad = any(
        step.line.outcome not in _GOOD or refusal_of(step.line) for step in conversation.steps
    )
    return Text(title_of(conversation), style="bold red" if bad else "bold")


def _steps(steps: Sequence[Step], began: datetime) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    for name in ("after", "node", "", "does", "what"):
        table.add_column(
            name, justify="right" if name == "after" else "left", no_wrap=name != "what"
        )
    for step in steps:
        line = step.line
        table.add_row(
            f"+{milliseconds((line.at - began).total_seconds())}",
            line.node,
            _SIGNS[line.way],
            _done(line),
            _what(step),
        )
    return table


def _done(line: Line) -> Text:
    words = line.action if line.outcome == "ok" else f"{line.action} {line.outcome}"
    attempt = f" (attempt {line.attempt})" if line.attempt > 1 else ""
    return Text(words + attempt, style="" if line.outcome == "ok" else "red")


def _what(step: Step) -> Text:
    line = step.line
    said = [line.type, detail_of(line), where_of(line)]
    if step.link == "verdict":
        said += [words for _, words in verdicts_of(line)]
    if line.properties.redelivered:
        said.append("redelivered")
    told = Text("  ".join(one for one in said if one))
    if step.link:
        told.append(f"  · {_LINKS[step.link]}", style="cyan")
    return told


def where_of(line: Line) -> str:
    """The way a message took: exchange and key on its way out, the queue on its way in."""
    if line.way == "out":
        return f"{line.exchange or '(default)'}/{line.key}"
    return line.place
