"""Conversations as a sequence diagram: plain SVG, one lifeline for each node, time downwards. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from traces.conversations import Conversation, Step
from traces.record import Line
from traces.shown import milliseconds, title_of
from traces.subjects import detail_of

MOST_STEPS = 400
"""Of a diagram that a person can still read; the rest is counted."""
_LANE, _LEFT, _TOP, _ROW, _HEAD = 400, 150, 60, 26, 34
_STYLE = (
    "text{font:12px sans-serif;fill:#222}.node{font-weight:bold;text-anchor:middle}"
    ".life{stroke:#bbb;stroke-dasharray:4 4}.way{stroke:#246;stroke-width:1.4;fill:none}"
    ".bad{stroke:#c22}.badtext{fill:#c22}.time{fill:#888;text-anchor:end}.title{font-weight:bold}"
    ".label{text-anchor:middle}"
)


@dataclass(frozen=True, slots=True)
class Arrow:
    """One row: a message on its way from one node to another, or what a node did by itself."""

    step: Step
    start: str
    end: str


def draw(conversations: Sequence[Conversation]) -> str:
    """The diagram, MOST_STEPS arrows at most."""
    drawn: list[str] = []
    nodes = nodes_of(conversations)
    y, left = _TOP, MOST_STEPS
    shown = 0
    for conversation in conversations:
        arrows = arrows_of(conversation)[:left]
        if not arrows:
            continue
        y += _HEAD
        drawn.append(_text(10, y, title_of(conversation), "title"))
        for arrow in arrows:
            y += _ROW
            drawn += _arrow(arrow, nodes, y, conversation)
        left -= len(arrows)
        shown += 1
    if shown < len(conversations):
        y += _HEAD
        drawn.append(_text(10, y, f"… and {len(conversations) - shown} more", "title"))
    return _page(nodes, drawn, y + _ROW)


def nodes_of(conversations: Iterable[Conversation]) -> list[str]:
    """The lifelines: the ERP first, then tills by name."""
    met = {
        node
        for conversation in conversations
        for arrow in arrows_of(conversation)
        for node in (arrow.start, arrow.end)
    }
    return sorted(met, key=lambda node: (node != "erp", node))


def arrows_of(conversation: Conversation) -> list[Arrow]:
    """A message that was handled is one arrow from its sender; one that was only seen on the bus is one to there. One
    that was only sent, and anything else a node did, stays at its node."""
    out = [step.line for step in conversation.steps if step.line.way == "out"]
    senders = {_message(line): line.node for line in out if line.action == "sent"}
    arrived = {
        _message(step.line)
        for step in conversation.steps
        if step.line.way == "in" and step.line.action != "seen"
    }
    arrows = []
    for step in conversation.steps:
        line = step.line
        if _is_sent(step) and line.outcome == "ok" and _message(line) in arrived:
            continue
        if step.silent:
            continue
        start = line.node if line.way == "out" else senders.get(_message(line), line.origin)
        arrows.append(Arrow(step, start, line.node))
    return arrows


def _message(line: Line) -> tuple[str, str]:
    return line.id or line.body_base64 or str(line.n), line.properties.correlation_id or ""


def _is_sent(step: Step) -> bool:
    return step.line.action in ("sent", "seen")


def _arrow(arrow: Arrow, nodes: list[str], y: int, conversation: Conversation) -> list[str]:
    line = arrow.step.line
    start, end = (_LEFT + _LANE * nodes.index(one) for one in (arrow.start, arrow.end))
    bad = line.outcome != "ok"
    after = milliseconds((line.at - conversation.began).total_seconds())
    words = [line.type, detail_of(line), f"{line.action} {line.outcome}" if bad else ""]
    words.append(f"attempt {line.attempt}" if line.attempt > 1 else "")
    label = " ".join(word for word in words if word)
    style = "way bad" if bad else "way"
    text = "label badtext" if bad else "label"
    if start == end:
        path = (
            f'<path class="{style}" d="M {start} {y - 8} h 18 v 10 h -12" marker-end="url(#tip)"/>'
        )
        return [path, _text(start + 26, y, label, "badtext" if bad else ""), _time(y, after)]
    path = f'<path class="{style}" d="M {start} {y} L {end} {y}" marker-end="url(#tip)"/>'
    return [path, _text((start + end) // 2, y - 5, label, text), _time(y, after)]


def _time(y: int, after: str) -> str:
    return _text(_LEFT - 60, y + 4, f"+{after}", "time")


def _text(x: int, y: int, text: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" class="{style}">{escape(_legible(text))}</text>'


def _legible(text: str) -> str:
    """Without signs that XML does not hold."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)


def _page(nodes: list[str], drawn: Iterable[str], height: int) -> str:
    width = _LEFT + _LANE * max(len(nodes), 1) + 40
    lives = []
    for at, node in enumerate(nodes):
        x = _LEFT + _LANE * at
        lives.append(_text(x, 30, node, "node"))
        lives.append(f'<line class="life" x1="{x}" y1="40" x2="{x}" y2="{height}"/>')
    tip = (
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto-start-reverse"><path d="M 0 0 L 10 5 L 0 10 z"/></marker></defs>'
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><style>{_STYLE}</style>{tip}'
        f'<rect width="{width}" height="{height}" fill="white"/>'
    )
    return "\n".join([head, *lives, *drawn, "</svg>", ""])
