"""Who speaks to the ERP: the tills, with their centre and the switches that hold there, remembered for a moment."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from contracts.reference import Setting
from contracts.settings import Settings, resolve
from contracts.topology import centre_scope, pos_scope
from erp_node.store import callers as store
from erp_node.store.pool import Database

REMEMBERED_S = 2.0
"""A till that was retired, or a switch, counts after this long at the latest; at once after `forget`."""


@dataclass(frozen=True, slots=True)
class Till:
    """An enrolled, active till."""

    pos_id: str
    centre: str
    mode: Literal["full", "local_only"] = "full"
    settings: Settings = field(default_factory=Settings)

    @property
    def local_only(self) -> bool:
        """Whether it holds only what was made or fetched there (SYNC-2)."""
        return self.mode == "local_only"


class Callers:
    """Looks tills up, and what the ERP's settings say for each."""

    def __init__(self, monotonic: Callable[[], float], remembered_s: float = REMEMBERED_S) -> None:
        """`monotonic`: seconds that only grow, such as the event loop's `time`."""
        self._monotonic = monotonic
        self._remembered_s = remembered_s
        self._known: dict[str, tuple[float, Till]] = {}

    async def find(self, database: Database, pos_id: str) -> Till | None:
        """One till, or None when there is no such active till."""
        return (await self.find_all(database, (pos_id,))).get(pos_id)

    async def find_all(self, database: Database, pos_ids: Iterable[str]) -> Mapping[str, Till]:
        """Those of the tills that are enrolled and active."""
        now = self._monotonic()
        asked = frozenset(pos_ids)
        known = {pos_id: self._known[pos_id] for pos_id in asked if pos_id in self._known}
        found = {pos_id: till for pos_id, (until, till) in known.items() if until > now}
        if missing := asked - found.keys():
            loaded = await load_tills(database, missing)
            self._known |= {one.pos_id: (now + self._remembered_s, one) for one in loaded}
            found |= {one.pos_id: one for one in loaded}
        return found

    def forget(self) -> None:
        """Looks everything up anew: tills or settings have changed."""
        self._known.clear()


async def load_tills(database: Database, pos_ids: Iterable[str]) -> tuple[Till, ...]:
    """Reads active tills and resolves the settings of each."""
    rows = await store.load_tills(database, pos_ids)
    if not rows:
        return ()
    levels = {"all"}.union(*((centre_scope(row.centre), pos_scope(row.pos_id)) for row in rows))
    settings = await store.load_settings(database, levels)
    return tuple(_till(row, settings) for row in rows)


def _till(row: store.TillRow, settings: Iterable[Setting]) -> Till:
    mode: Literal["full", "local_only"] = "local_only" if row.local_only else "full"
    return Till(row.pos_id, row.centre, mode, resolve(settings, row.centre, row.pos_id))
