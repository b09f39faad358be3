"""Reference data as the pages of a trace tell it: read from them, and done in the fresh ERP when they are sent."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import TypeAdapter, ValidationError

from contracts.feed import ABSORBING
from contracts.reference import ReferenceRecord, reference_key
from erp_node.reference import WrongRecord, check_record
from erp_node.store import reference as store
from erp_node.store.pool import Connection, Pool

_record: TypeAdapter[ReferenceRecord] = TypeAdapter(ReferenceRecord)

_HELD = "SELECT version FROM reference WHERE key = $1"
_SET_VERSION = "UPDATE reference SET version = $2 WHERE key = $1"


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of reference data at one version; `record` None: it is deleted."""

    key: str
    version: int
    record: ReferenceRecord | None


def listed_in(page: dict[str, Any] | None) -> Iterator[Listed | None]:
    """The rows a page tells; None for one the ERP cannot have. That one is withdrawn tells nothing of its record."""
    for row in page.get("rows", []) if page else ():
        match row:
            case {"kind": "reference", "key": str(key), "version": int(version)}:
                state = row.get("state", "active")
                if state in ABSORBING:
                    yield Listed(key, version, None)
                elif state == "active":
                    yield _read(key, version, row.get("record"))
            case _:
                pass


def _read(key: str, version: int, record: object) -> Listed | None:
    try:
        read = _record.validate_json(msgspec.json.encode(record))
        check_record(read)
    except (ValidationError, WrongRecord):
        return None
    return Listed(key, version, read) if reference_key(read) == key else None


async def list_again(pool: Pool, page: dict[str, Any] | None) -> None:
    """The fresh ERP comes to hold what a page tells, at the same versions; of what it holds newer, nothing."""
    rows = [row for row in listed_in(page) if row is not None]
    if rows:
        async with pool.acquire() as connection, connection.transaction():
            for row in rows:
                await _list(connection, row)


async def _list(connection: Connection, row: Listed) -> None:
    held = await connection.fetchval(_HELD, row.key)
    if held is not None and held >= row.version:
        return
    if row.record is not None:
        await store.put_records(connection, [row.record])
    else:
        await store.delete_record(connection, row.key)
    # Versions that no page of the trace shows are passed over; triggers would count one by one.
    await connection.execute("SET LOCAL session_replication_role = replica")
    await connection.execute(_SET_VERSION, row.key, row.version)
    await connection.execute("SET LOCAL session_replication_role = origin")
