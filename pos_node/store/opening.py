"""Opening the till's database, whatever state its file is in."""

import asyncio
from pathlib import Path

import structlog

from pos_node.store.arrivals import Fold
from pos_node.store.database import Database
from pos_node.store.errors import Damaged
from pos_node.store.repair import finish_rebuilding, rebuild

_log = structlog.get_logger("store")


async def open_store(path: Path, *, stamp: str, fold: Fold) -> Database:
    """An open database. A damaged file is set aside under a name ending in `stamp`, and its journal saved as far
    as it can be read. Raises LockedElsewhere, TooNew, Unwritable, DiskFull."""
    database = Database(path)
    if aside := await asyncio.to_thread(finish_rebuilding, path, stamp):
        _log.error("the file was damaged", action="store_rebuilt", aside=aside.name)
    try:
        await database.open()
    except Damaged as error:
        salvage = await asyncio.to_thread(rebuild, path, stamp, fold)
        _log.error(
            "the file was damaged and is begun anew",
            action="store_rebuilt",
            reason=error.reason,
            aside=salvage.aside.name,
            journal_whole=salvage.whole,
            entries=salvage.entries,
        )
        await database.open()
    return database
