"""Tills in PostgreSQL."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from contracts.presence import Hello
from contracts.topology import TillAddress
from erp_node.entries import Progress
from erp_node.store.pool import Connection, Database
from erp_node.store.queries import load_sql

SQL = load_sql("tills.sql")

TWICE_S = 60.0
"""Two that greet under one name take turns every few seconds; after this long without that, one is gone."""

Mode = Literal["full", "local_only"]


@dataclass(frozen=True, slots=True)
class EnrolledTill:
    """A till as it was enrolled. `password_hash` is RabbitMQ's."""

    pos_id: str
    centre: str
    mode: Mode
    partition: int
    password_hash: str
    active: bool = True

    @property
    def address(self) -> TillAddress:
        return TillAddress(self.pos_id, self.centre, full=self.mode == "full")


@dataclass(frozen=True, slots=True)
class HeardTill:
    """A till as it was last heard. `twice`: two processes greet under its name."""

    pos_id: str
    centre: str
    mode: Mode
    seen_at: datetime | None
    hello: Hello | None
    online: bool
    twice: bool = False


async def enrol(database: Database, till: EnrolledTill) -> None:
    await database.execute(
        SQL["enrol"], till.pos_id, till.centre, till.mode, till.partition, till.password_hash
    )


async def retire(connection: Connection, pos_id: str) -> None:
    """Within a transaction: the till is no longer active, and nothing is numbered for it any more."""
    await connection.execute(SQL["wait_for_numbering"])
    for step in ("retire", "forget_holdings", "forget_feed"):
        await connection.execute(SQL[step], pos_id)


async def find(database: Database, pos_id: str) -> EnrolledTill | None:
    row = await database.fetchrow(SQL["find"], pos_id)
    return EnrolledTill(**row) if row else None


async def list_active(database: Database) -> list[EnrolledTill]:
    return [EnrolledTill(**row) for row in await database.fetch(SQL["list_active"])]


async def hear(database: Database, pos_id: str, hello: Hello) -> bool:
    """Notes what a till said of itself, and that it was there now; whether two processes have begun to greet under
    its name, which shows when one is heard again after a newer one."""
    said = hello.model_dump_json(exclude_none=True)
    return bool(await database.fetchval(SQL["hear"], pos_id, said, TWICE_S))


async def read_progress(database: Database, pos_id: str, epoch: str) -> Progress:
    """How far a till's journal is applied; 0 when nothing of this epoch ever came."""
    row = await database.fetchrow(SQL["progress"], pos_id, epoch)
    return Progress(row["applied_seq"], row["last_hash"] or "") if row else Progress()


async def list_heard(database: Database, online_s: float) -> list[HeardTill]:
    """Active tills; online is who was heard within `online_s` seconds."""
    return [
        HeardTill(
            row["pos_id"], row["centre"], row["mode"], row["seen_at"],
            Hello.model_validate_json(row["presence"]) if row["presence"] else None,
            bool(row["online"]), bool(row["twice"]),
        )
        for row in await database.fetch(SQL["standings"], online_s, TWICE_S)
    ]  # fmt: skip


async def read_heads(database: Database) -> dict[str, int]:
    """The newest number of every scope."""
    return {row["scope"]: row["head"] for row in await database.fetch(SQL["heads"])}
