"""What a trace tells, as far as it can be played again: tills, messages in their order, what was left out. Pure."""

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import zstandard

from contracts.topology import (
    ALL_CUSTOMERS,
    FEED,
    JOURNAL,
    POS_ID,
    REPLIES,
    RPC,
    URGENT,
    TillAddress,
    pos_of,
    pos_scope,
    user_of,
)
from messaging.channel import Message
from traces.record import Line
from traces.subjects import Entry, entry_of, verdicts_of

Side = Literal["tills", "erp"]
"""Who is given a message."""


@dataclass(frozen=True, slots=True)
class Given:
    """One message that was sent. `till`: of the ERP's answers, who had asked; of others, who sent it."""

    at: datetime
    side: Side
    till: str
    line: Line
    message: Message

    @property
    def entry(self) -> Entry | None:
        """The journal entry it is."""
        return entry_of(self.line) if self.side == "erp" else None

    @property
    def page(self) -> dict[str, Any] | None:
        """The data of the page it is, with all that a page must have."""
        if self.line.type != "feed.page":
            return None
        match self.line.data:
            case {"scope": str(), "epoch": str(), "prev_seq": int(), "to_seq": int()} as page:
                return page
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Story:
    """A trace that can be played. `left`: messages that nobody is given, by type. `verdicts`: the ERP's answers
    to entries, as recorded. `placeless`: tills of which no line tells the centre."""

    tills: tuple[TillAddress, ...]
    given: tuple[Given, ...]
    left: Counter[str] = field(default_factory=Counter)
    verdicts: frozenset[tuple[Entry, str]] = frozenset()
    placeless: tuple[str, ...] = ()


def read_story(lines: Sequence[Line]) -> Story:
    """Every message once for each time it was sent, in the order of the trace."""
    in_buckets = {
        line.properties.correlation_id
        for line in lines
        if line.type == "feed.pull" and line.data.get("bucket") is not None
    }
    tills, placeless = find_tills(lines)
    known = {one.pos_id for one in tills}
    given: list[Given] = []
    left: Counter[str] = Counter()
    for line in _sendings(lines):
        one = _given(line)
        if one is None or not known or (one.till and one.till not in known):
            left[line.type] += 1
        elif line.exchange == REPLIES and line.properties.correlation_id in in_buckets:
            left[f"{line.type} of a bucket"] += 1
        else:
            given.append(one)
    verdicts = frozenset(one for line in lines for one in verdicts_of(line))
    return Story(tills, tuple(given), left, verdicts, placeless)


def find_tills(lines: Iterable[Line]) -> tuple[tuple[TillAddress, ...], tuple[str, ...]]:
    """The tills whose centre the trace tells, by a welcome or by the feeds they follow; and the others.

    From outside no welcome is seen, but every greeting says which feeds its till has.
    """
    met: set[str] = set()
    welcomed: dict[str, TillAddress] = {}
    followed: dict[str, set[str]] = {}
    for line in lines:
        for pos_id in _tills_at(line):
            met.add(pos_id)
            scope = line.data.get("scope")
            if line.type in ("feed.pull", "feed.page") and isinstance(scope, str):
                followed.setdefault(pos_id, set()).add(scope)
            if line.type == "pos.hello" and isinstance(cursors := line.data.get("cursors"), dict):
                followed.setdefault(pos_id, set()).update(cursors)
        match line.data if line.type == "erp.welcome" else None:
            case {"pos_id": str(pos_id), "centre": str(centre), "full": bool(full)} if (
                pos_id in met
            ):
                welcomed[pos_id] = TillAddress(pos_id, centre, full=full)
    found = {pos_id: welcomed.get(pos_id) or _by_scopes(pos_id, followed) for pos_id in met}
    placed = tuple(one for _, one in sorted(found.items()) if one is not None)
    return placed, tuple(sorted(pos_id for pos_id, one in found.items() if one is None))


def _tills_at(line: Line) -> Iterator[str]:
    """The till that sent or took this message itself."""
    names = [line.origin, line.user_id or ""]
    names += [".".join(name.split(".")[:2]) for name in (line.place, line.key) if _own(name)]
    for name in names:
        if (pos_id := pos_of(name)) is not None and re.fullmatch(POS_ID, pos_id):
            yield pos_id


def _own(name: str) -> bool:
    """Whether this is a till's own queue."""
    return name.startswith("pos.") and name.endswith((".feed", ".urgent", ".reply"))


def _by_scopes(pos_id: str, followed: dict[str, set[str]]) -> TillAddress | None:
    scopes = followed.get(pos_id, set())
    for scope in sorted(scopes):
        if scope.startswith("centre."):
            centre = scope.removeprefix("centre.").removesuffix(".customers")
            full = ALL_CUSTOMERS in scopes or f"centre.{centre}.customers" in scopes
            return TillAddress(pos_id, centre, full=full)
    return None


def _sendings(lines: Sequence[Line]) -> Iterator[Line]:
    """Each sending; of what nobody recorded as sent, that it passed; of what only its reader did, the first time."""
    sent = {_name(line) for line in lines if line.action == "sent" and line.outcome == "ok"}
    passed = sent | {_name(line) for line in lines if line.action == "seen"}
    taken: set[str] = set()
    for line in lines:
        name = _name(line)
        if line.way == "out":
            if line.action == "sent" and line.outcome == "ok":
                yield line
        elif line.action == "seen":
            if name not in sent:
                yield line
        elif name not in passed and name not in taken:
            taken.add(name)
            yield line


def _name(line: Line) -> str:
    return line.id or line.body_base64 or f"{line.node} {line.n}"


def _given(line: Line) -> Given | None:
    till = pos_of(line.user_id or line.origin) or ""
    if line.exchange in (JOURNAL, RPC) and till:
        return Given(line.at, "erp", till, line, _message(line, line.exchange, line.key, till))
    if line.exchange in (FEED, URGENT):
        return Given(line.at, "tills", "", line, _message(line, line.exchange, line.key, ""))
    if line.exchange == REPLIES and line.type == "feed.page":
        asker = pos_of(".".join(line.key.split(".")[:2])) or ""
        message = _message(line, FEED, pos_scope(asker), "")
        return Given(line.at, "tills", asker, line, message) if asker else None
    return None


def _message(line: Line, exchange: str, key: str, till: str) -> Message:
    said = line.properties
    question = exchange == RPC
    return Message(
        body=_body(line),
        exchange=exchange,
        key=key,
        mandatory=False,
        persistent=not question and exchange != URGENT,
        correlation_id=said.correlation_id if question else None,
        user_id=user_of(till) if till else None,
        content_encoding=said.content_encoding if line.message is not None else None,
        type=said.type or line.type,
    )


def _body(line: Line) -> bytes:
    if line.message is None:
        return base64.b64decode(line.body_base64 or "")
    body = written(line.message)
    packed = line.properties.content_encoding == "zstd"
    return zstandard.ZstdCompressor().compress(body) if packed else body


def written(value: Any) -> bytes:
    """JSON as the ERP's database writes it: tills keep and hash a record's text as it came."""
    return json.dumps(value, ensure_ascii=False).encode()
