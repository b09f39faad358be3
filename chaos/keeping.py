"""What is kept of a run that ended badly: enough to see what happened, without the machine it happened on."""

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path

import asyncpg

from chaos.world import World

LOGS = "*.log"
BROKER_LOGS = "*/rabbitmq/log/*"
"""Of a private broker that is no container."""


def may_write(folder: Path) -> bool:
    """Whether a folder could be made there: better known before a run than after it."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    return there.is_dir() and os.access(there, os.W_OK)


async def keep(world: World, into: Path) -> None:
    """History, logs of nodes and broker, every till's folder, every table of the ERP as CSV. What was there before
    goes."""
    world.history.flush()
    await asyncio.to_thread(_copy, world, into)
    with suppress(OSError, asyncpg.PostgresError):
        await _dump(world.dsn, into / "erp")


def _copy(world: World, into: Path) -> None:
    shutil.rmtree(into, ignore_errors=True)
    (into / "logs").mkdir(parents=True)
    shutil.copyfile(world.history.path, into / "history.jsonl")
    for log in (*world.folder.glob(LOGS), *world.folder.parent.glob(BROKER_LOGS)):
        with suppress(OSError):
            shutil.copyfile(log, into / "logs" / log.name)
    for till in world.tills:
        with suppress(OSError, shutil.Error):
            shutil.copytree(till.folder, into / till.name)


async def _dump(dsn: str, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        )
        for row in tables:
            name = row["tablename"]
            file = into / f"{name}.csv"
            await connection.copy_from_table(name, output=file, format="csv", header=True)
    finally:
        await connection.close()
