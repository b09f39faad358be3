"""What the ERP's verdicts have to tell the operator (CUST-4, CUST-13)."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from contracts.journal import LostValue, Verdict

KEPT = timedelta(days=90)
"""How long a notice that was seen can still be looked at."""

_SELECT = "SELECT id, at, code, params, customer_id, lost, seen FROM notice"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell; `lost` are the values that did not stand against the ERP's."""

    id: int
    at: datetime
    code: str
    params: dict[str, str]
    customer_id: UUID | None
    lost: tuple[LostValue, ...]
    seen: bool


def add_notice(connection: sqlite3.Connection, key: str, verdict: Verdict, at: datetime) -> None:
    """Makes a notice of a verdict, once per key; lets go of those that were seen and are old by then."""
    customer_id = verdict.customer_id.bytes if verdict.customer_id else None
    lost = msgspec.json.encode([one.model_dump(mode="json") for one in verdict.lost]).decode()
    params = msgspec.json.encode(verdict.params).decode()
    connection.execute(
        "INSERT OR IGNORE INTO notice (key, at, code, params, customer_id, lost) VALUES (?, ?, ?, ?, ?, ?)",
        (key, at.isoformat(), verdict.code, params, customer_id, lost),
    )
    before = (at - KEPT).isoformat()
    connection.execute("DELETE FROM notice WHERE seen = 1 AND at < ?", (before,))


def read_notices(
    connection: sqlite3.Connection, unseen_only: bool, limit: int
) -> tuple[Notice, ...]:
    """The newest first."""
    where = " WHERE seen = 0" if unseen_only else ""
    rows = connection.execute(f"{_SELECT}{where} ORDER BY id DESC LIMIT ?", (limit,))
    return tuple(_notice(row) for row in rows)


def count_unseen(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM notice WHERE seen = 0").fetchone()[0])


def mark_seen(connection: sqlite3.Connection, notice_id: int) -> bool:
    """Whether there is such a notice."""
    marked = connection.execute("UPDATE notice SET seen = 1 WHERE id = ?", (notice_id,))
    return marked.rowcount == 1


def _notice(row: tuple[int, str, str, str, bytes | None, str, int]) -> Notice:
    id_, at, code, params, customer_id, lost, seen = row
    return Notice(
        id_,
        datetime.fromisoformat(at),
        code,
        msgspec.json.decode(params, type=dict[str, str]),
        UUID(bytes=customer_id) if customer_id else None,
        tuple(LostValue.model_validate(one) for one in msgspec.json.decode(lost)),
        bool(seen),
    )
