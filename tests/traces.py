"""Traces made for tests: a clock that is set, lines of messages, and files of them."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts import envelope
from contracts.envelope import Headers
from messaging.channel import Delivery, Message
from messaging.observer import Action, Event, Outcome
from traces.lines import line_of
from traces.pseudonyms import KEY_BYTES, Pseudonyms
from traces.record import Head, Line
from traces.writer import TraceWriter

KEY = bytes(range(KEY_BYTES))
NAMES = Pseudonyms(KEY)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
ADA = UUID("ada00000-0000-4000-8000-000000000001")
BOB = UUID("b0b00000-0000-4000-8000-000000000002")


@dataclass
class SetClock:
    """A clock that shows what it was set to."""

    time: datetime = NOON

    def now(self) -> datetime:
        return self.time


def body_of(
    type_: str, data: dict[str, Any], *, number: int = 1, origin: str = "pos.lyon-1", **headers: Any
) -> bytes:
    """A message; `number` makes its id."""
    said = Headers(id=UUID(int=number), type=type_, occurred_at=NOON, origin=origin, **headers)
    return envelope.encode(said, json.dumps(data).encode())


def sent(
    body: bytes, exchange: str = "comptoir.journal", key: str = "lyon-1", **rest: Any
) -> Event:
    """A message that was sent and confirmed."""
    outcome: Outcome = rest.pop("outcome", "ok")
    return Event("sent", outcome, Message(body, exchange, key, **rest), "publisher")


def handled(
    body: bytes,
    place: str = "erp.journal.0",
    *,
    action: Action = "handled",
    outcome: Outcome = "ok",
    attempt: int = 1,
    **rest: Any,
) -> Event:
    """A message that was handled."""
    what = Delivery(body, "comptoir.journal", "lyon-1", 1, **rest)
    return Event(action, outcome, what, place, attempt)


class Script:
    """Lines of several nodes, each a number of milliseconds after noon."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._numbers = count(1)

    def add(self, after_ms: float, node: str, event: Event) -> Line:
        at = NOON + timedelta(milliseconds=after_ms)
        line = line_of(event, n=next(self._numbers), at=at, node=node, names=NAMES)
        self.lines.append(line)
        return line

    def write(self, folder: Path, node: str = "erp") -> Path:
        """One file of all lines."""
        writer = TraceWriter(folder, lambda: Head(node=node, names=NAMES.id, began=NOON))
        for line in self.lines:
            writer.write(line)
        writer.close()
        return next(folder.glob("*.jsonl"))


def an_edit(script: Script, *, at: float = 0, number: int = 1, outcome: Outcome = "ok") -> None:
    """A till edits Ada; the ERP applies it; pages tell the till it is applied, and another till the row."""
    edit = body_of(
        "customer.edited",
        {
            "customer_id": str(ADA),
            "base_version": 1,
            "changes": [{"path": "phone", "old": None, "new": "0412345678"}],
            "author": {"operator": "anna", "at": NOON.isoformat()},
        },
        number=number, epoch="e1", seq=number, key=str(ADA),
    )  # fmt: skip
    script.add(at, "pos.lyon-1", sent(edit))
    script.add(at + 4, "erp", handled(edit, outcome=outcome))
    row = {"key": str(ADA), "version": 2, "kind": "customer", "words": []}
    page = _page(number + 1000, "all.customers", [row])
    script.add(at + 9, "erp", sent(page, "comptoir.feed", "all.customers"))
    script.add(at + 12, "pos.lille-1", handled(page, "pos.lille-1.feed"))
    record = {"epoch": "e1", "applied_seq": number, "heads": {}}
    progress = {"key": "progress", "version": number, "kind": "progress", "record": record}
    told = _page(number + 2000, "pos.lyon-1", [progress])
    script.add(at + 10, "erp", sent(told, "comptoir.feed", "pos.lyon-1"))
    script.add(at + 14, "pos.lyon-1", handled(told, "pos.lyon-1.feed"))


def _page(number: int, scope: str, rows: list[dict[str, Any]]) -> bytes:
    data = {"scope": scope, "epoch": "f1", "prev_seq": 1, "to_seq": 2, "head": 2, "rows": rows}
    return body_of("feed.page", data, number=number, origin="erp")


def a_search(script: Script, *, at: float = 100, number: int = 50, phrase: str = "dup lyo") -> None:
    """A till searches in the ERP and finds Bob."""
    question = f"q.{number}"
    asked = body_of("customer.search", {"criteria": {"phrase": phrase}}, number=number)
    found = body_of(
        "customer.found",
        {"outcome": "found", "rows": [{"id": str(BOB), "name": "Dupont", "code": "B1"}]},
        number=number + 1, origin="erp", causation=UUID(int=number),
    )  # fmt: skip
    way: dict[str, Any] = {"correlation_id": question}
    script.add(at, "pos.lyon-1", sent(asked, "comptoir.rpc", "search", **way))
    script.add(at + 7, "erp", sent(found, "", "pos.lyon-1.reply", **way))
    script.add(at + 8, "erp", handled(asked, "erp.rpc.search", action="answered", **way))
    script.add(at + 9, "pos.lyon-1", handled(found, "pos.lyon-1.reply", **way))
