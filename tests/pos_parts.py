"""Parts of a till for tests: a scripted ERP, a recording publisher, a link to switch, generated rows."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import BaseModel

from contracts import envelope
from contracts.customers import Customer
from contracts.envelope import Headers
from contracts.presence import Welcome
from contracts.reference import Entry as ReferenceEntry
from contracts.reference import Setting, reference_key
from contracts.registry import TYPE_OF, decode
from messaging.channel import Delivery, LinkDown, Message, NoAnswer
from messaging.connection import LinkState, Listener

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@dataclass
class FakeClock:
    """A wall clock that stands until it is moved."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def move(self, by: timedelta) -> None:
        self.at += by


class FakeLink:
    """A link that goes up and down when told."""

    def __init__(self, up: bool = True) -> None:
        self.state = LinkState(up, NOON, "" if up else "not started")
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def turn(self, up: bool, reason: str = "") -> None:
        self.state = LinkState(up, NOON, reason)
        for listener in self._listeners:
            listener(self.state)


Script = Callable[[BaseModel], Awaitable[BaseModel | None]]


@dataclass
class FakeErp:
    """Answers questions as a script says: a model, None for silence, or what the script raises.

    `asked` are the questions, `expires` their deadlines.
    """

    script: Script | None = None
    asked: list[BaseModel] = field(default_factory=list)
    expires: list[datetime | None] = field(default_factory=list)
    attached: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.attached.set()

    async def wait_attached(self) -> None:
        await self.attached.wait()

    async def ask(self, message: Message, timeout: float) -> Delivery:
        question = decode(message.body)
        self.asked.append(question.data)
        self.expires.append(question.headers.expires_at)
        if not self.attached.is_set():
            raise LinkDown("no link")
        try:
            async with asyncio.timeout(timeout):
                answer = await self.script(question.data) if self.script else None
                if answer is None:
                    await asyncio.Event().wait()
        except TimeoutError:
            raise NoAnswer(f"{timeout:g} s") from None
        assert answer is not None
        return answered(answer)


def answered(answer: BaseModel, raw: bytes | None = None) -> Delivery:
    """An answer of the ERP as it is delivered; `raw` is its data byte for byte."""
    kind = TYPE_OF[type(answer)]
    headers = Headers(id=UUID(int=7), type=kind.name, occurred_at=NOON, origin="erp")
    body = envelope.encode(headers, answer if raw is None else raw)
    return Delivery(body=body, exchange="", key="", tag=1)


class FakePublisher:
    """Records what it is given. `fail` are raised first, one per call, before anything is taken."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.epochs: list[str | None] = []
        self.messages: list[Message] = []
        self.fail: list[Exception] = []
        self.attached = asyncio.Event()
        self.attached.set()
        self.took = asyncio.Event()

    async def wait_attached(self) -> None:
        await self.attached.wait()

    async def publish_all(self, messages: Iterable[Message]) -> None:
        if self.fail:
            raise self.fail.pop(0)
        if not self.attached.is_set():
            raise LinkDown("no link")
        for message in messages:
            headers, _ = envelope.split(message.body)
            assert headers.seq is not None
            self.messages.append(message)
            self.sent.append(headers.seq)
            self.epochs.append(headers.epoch)
            self.took.set()


def welcome(
    applied_seq: int = 0, epoch: str = "", now: datetime = NOON, content: str | None = None
) -> Welcome:
    return Welcome(
        pos_id="p1",
        centre="C1",
        full=True,
        scopes=["all"],
        epoch=epoch,
        applied_seq=applied_seq,
        content=content,
        now=now,
    )


def retail(code: str = "A-1", last_name: str = "Dupont", **fields: object) -> Customer:
    values = {"kind": "retail", "code": code, "first_name": "Jeanne", "last_name": last_name}
    return Customer.model_validate(values | fields)


def business(code: str = "B-1", name: str = "Dupont SARL", **fields: object) -> Customer:
    return Customer.model_validate({"kind": "business", "code": code, "name": name, **fields})


def put_reference(connection: sqlite3.Connection, *records: ReferenceEntry) -> None:
    """Stores reference rows as the feed would."""
    connection.executemany(
        "INSERT OR REPLACE INTO reference (key, scope, version, state, record) VALUES (?, 'all', 1, 'active', ?)",
        [(reference_key(one), one.model_dump_json()) for one in records],
    )


def put_settings(connection: sqlite3.Connection, **values: object) -> None:
    """Sets switches for every till."""
    rows = [
        Setting.model_validate({"code": f"all/{n}", "level": "all", "name": n, "value": v})
        for n, v in values.items()
    ]
    put_reference(connection, *rows)


def put_cursor(connection: sqlite3.Connection, scope: str, seq: int) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO feed_cursor (scope, epoch, seq, head, complete) VALUES (?, 'f', ?, ?, 1)",
        (scope, seq, seq),
    )


def read_json(text: str | None) -> dict[str, object]:
    assert text is not None
    found: dict[str, object] = json.loads(text)
    return found


def count_active(connection: sqlite3.Connection) -> int:
    """How many customers the list holds: as many as have a code."""
    row = connection.execute("SELECT count(*) FROM customer WHERE code_key IS NOT NULL").fetchone()
    return int(row[0])
