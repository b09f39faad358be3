"""Reading tills and settings for those who answer tills."""

from collections.abc import Iterable
from dataclasses import dataclass

from contracts.reference import Setting
from contracts.settings import Settings
from erp_node.store.pool import Database
from erp_node.store.queries import load_sql

SQL = load_sql("callers.sql")


@dataclass(frozen=True, slots=True)
class TillRow:
    pos_id: str
    centre: str
    local_only: bool


async def load_tills(database: Database, pos_ids: Iterable[str]) -> list[TillRow]:
    """The active ones of these tills."""
    rows = await database.fetch(SQL["load_tills"], list(pos_ids))
    return [TillRow(row["pos_id"], row["centre"], row["local_only"]) for row in rows]


async def load_settings(database: Database, levels: Iterable[str]) -> list[Setting]:
    """Every setting made at these levels."""
    keys = [f"setting/{level}/{name}" for level in levels for name in Settings.model_fields]
    rows = await database.fetch(SQL["load_settings"], keys)
    return [Setting.model_validate_json(row["record"]) for row in rows]
