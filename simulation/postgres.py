"""The PostgreSQL of a campaign: private, in memory where there is such a place, and of no durability whatever."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.errors import ServiceError
from ops.guardian import Guardian
from ops.ports import Ports
from ops.postgres_private import PostgresProcess, find_postgres

_MEMORY = Path("/dev/shm")

# Nobody will ever start it again. Whatever works by itself, at times of its own, is off: it would make two runs differ.
_CONFIGURATION = """\
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
shared_buffers = 96MB
max_wal_size = 4GB
checkpoint_timeout = 1h
"""


@contextmanager
def open_places(guardian: Guardian) -> Iterator[tuple[str, Path]]:
    """The address of a server that may create databases, and a folder for files. Raises ServiceError."""
    inside = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    folder = guardian.own_folder(inside)
    if given := os.environ.get("COMPTOIR_ERP_DSN"):
        yield given, folder
        return
    program = find_postgres()
    if program is None:
        raise ServiceError(
            "no PostgreSQL on this machine: apt-get install postgresql, or COMPTOIR_ERP_DSN"
        )
    server = PostgresProcess(program, guardian, Ports(), inside or folder, _CONFIGURATION)
    asyncio.run(server.start())
    try:
        yield server.dsn, folder
    finally:
        asyncio.run(server.stop())
