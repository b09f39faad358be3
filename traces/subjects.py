"""What a line of a trace is about: which customers, which till, which place in which log. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from traces.record import Line

_TILL = "pos."
BACKGROUND = frozenset({"erp.beat", "pos.hello", "erp.welcome", "feed.digest_ask", "feed.digest"})
"""Messages that come by the clock, whatever anybody does."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in a till's journal."""

    till: str
    epoch: str
    seq: int


def customers_of(line: Line) -> frozenset[str]:
    """The ids of the customers a message names."""
    named = {line.message.get("key"), line.data.get("customer_id")} if line.message else set()
    for row in rows_of(line, "customer"):
        named.add(row.get("key"))
    for row in _dicts(line.data.get("rows")):
        named.add(row.get("id"))
    for row in rows_of(line, "verdict"):
        record = row.get("record")
        named.add(record.get("customer_id") if isinstance(record, dict) else None)
    return frozenset(one for one in named if isinstance(one, str))


def tills_of(line: Line) -> frozenset[str]:
    """The tills a line concerns: where it happened, who sent it, to whom it goes."""
    names = (line.node, line.origin, line.key, line.place, str(line.data.get("scope", "")))
    return frozenset(till for name in names if (till := _till(name)))


def _till(name: str) -> str:
    """`pos.<id>`, `pos.<id>.feed` …"""
    return name.removeprefix(_TILL).split(".")[0] if name.startswith(_TILL) else ""


def rows_of(line: Line, kind: str) -> Iterator[dict[str, Any]]:
    """The rows of one kind of a feed page."""
    if line.type == "feed.page":
        yield from (row for row in _dicts(line.data.get("rows")) if row.get("kind") == kind)


def entry_of(line: Line) -> Entry | None:
    """The journal entry a message is."""
    message = line.message or {}
    match message.get("epoch"), message.get("seq"):
        case str(epoch), int(seq):
            return Entry(line.origin, epoch, seq)
        case _:
            return None


def progress_of(line: Line) -> Iterator[Entry]:
    """How far journals are applied, as a page tells their tills."""
    scope = str(line.data.get("scope", ""))
    for row in rows_of(line, "progress"):
        match row.get("record"):
            case {"epoch": str(epoch), "applied_seq": int(seq)}:
                yield Entry(scope, epoch, seq)
            case _:
                pass


def verdicts_of(line: Line) -> Iterator[tuple[Entry, str]]:
    """Verdicts on journal entries, with their outcome and code."""
    scope = str(line.data.get("scope", ""))
    for row in rows_of(line, "verdict"):
        match row.get("record"):
            case {"epoch": str(epoch), "seq": int(seq), **rest}:
                yield Entry(scope, epoch, seq), f"{rest.get('outcome')} {rest.get('code')}"
            case _:
                pass


def is_background(line: Line) -> bool:
    """Signs of life, and sweeps."""
    empty = line.type == "feed.page" and not line.data.get("rows")
    return line.type in BACKGROUND or (empty and line.exchange != "")


def detail_of(line: Line) -> str:
    """The numbers that tell messages of one type apart, in a few words."""
    data, entry = line.data, entry_of(line)
    if line.unreadable:
        return f"{line.unreadable}, {line.size} bytes"
    match line.type:
        case "feed.page":
            place = f"{data.get('scope')} ({data.get('prev_seq')}, {data.get('to_seq')}]"
            return f"{place} of {data.get('head')}, {counted(len(data.get('rows', [])), 'row')}"
        case "feed.pull":
            bucket = f" bucket {data['bucket']}" if "bucket" in data else ""
            return f"{data.get('scope')} from {data.get('from_seq', 0)}{bucket}"
        case "customer.search":
            return f"“{data.get('criteria', {}).get('phrase', '')}”"
        case "customer.found":
            return f"{data.get('outcome')}, {counted(len(data.get('rows', [])), 'row')}"
        case "erp.refused":
            return f"{data.get('code')}"
        case type_ if type_.startswith("card."):
            place = f"{entry.epoch[:8]}/{entry.seq}" if entry else ""
            return "  ".join(one for one in (place, *_about_card(data)) if one)
        case _:
            return f"{entry.epoch[:8]}/{entry.seq}" if entry else ""


def cards_of(line: Line) -> frozenset[str]:
    """The numbers of the cards a message names."""
    data = line.data
    parts = [data.get(part) for part in ("card", "replacement", "blocked")]
    parts += [row.get("record") for row in rows_of(line, "card")]
    named = [one.get("number") for one in parts if isinstance(one, dict)]
    named += [data.get("number"), data.get("blocks")]
    return frozenset(one for one in named if isinstance(one, str))


def refusal_of(line: Line) -> str:
    """Why what was asked was refused, as an answer says; nothing for what was not."""
    return str(line.data.get("code" if line.type == "erp.refused" else "refusal") or "")


def _about_card(data: dict[str, Any]) -> Iterator[str]:
    """Which cards, and what came of it."""
    card = data.get("card")
    number = data.get("number") or (card.get("number") if isinstance(card, dict) else None)
    yield str(number or "")
    if isinstance(after := data.get("replacement"), dict):
        yield f"then {after.get('number')}"
    if data.get("blocks"):
        yield f"instead of {data['blocks']}"
    if data.get("refusal"):
        yield f"refused {data['refusal']}"
    elif data.get("token"):
        yield f"token {data['token']}"
    if "released" in data:
        yield "released" if data["released"] else "was over"


def counted(number: int, what: str) -> str:
    """`1 step`, `2 steps`; of words whose plural ends in s."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
