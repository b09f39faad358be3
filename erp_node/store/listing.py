"""Customers as people at the ERP go through them: by code, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from erp_node.store.customers import Held, held_of
from erp_node.store.pool import Database
from erp_node.store.queries import load_sql

SQL = load_sql("listing.sql")

NEAR = 2_000
"""Codes looked through before the search index is asked: a few milliseconds."""
EVERY = 2**62

ListedState = Literal["active", "inactive"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A customer of a list, and its place in it."""

    held: Held
    place: str


async def list_by_code(
    database: Database,
    tsquery: str | None,
    states: Sequence[ListedState],
    *,
    after: str | None,
    limit: int,
    timeout: float,
) -> list[Listed]:
    """The next customers that satisfy a tsquery (None: all), ordered by code, behind the place `after`.

    However many match, it stays fast: many are soon met in order, few are soon found by the index.
    Raises TimeoutError after `timeout` seconds.
    """
    near = EVERY if tsquery is None else NEAR
    asked = (tsquery, after, list(states), limit)
    rows = await database.fetch(SQL["list_near"], *asked, near, timeout=timeout)
    if len(rows) < limit and tsquery is not None:
        rows = await database.fetch(SQL["list_far"], *asked, timeout=timeout)
    return [Listed(held_of(row), row["code_key"]) for row in rows]
