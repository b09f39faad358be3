"""Rows of reference data in PostgreSQL; triggers give versions and mark the feeds."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from contracts.reference import Entry, ReferenceRecord, reference_key, scopes_of
from erp_node.store.pool import Connection, Database, Row
from erp_node.store.queries import load_sql

SQL = load_sql("reference.sql")

_RECORD: TypeAdapter[ReferenceRecord] = TypeAdapter(ReferenceRecord)


async def put_records(database: Database, records: Sequence[Entry]) -> None:
    """Writes rows by key, in one statement: new, changed, or untouched when the same."""
    await database.execute(
        SQL["put"],
        [reference_key(one) for one in records],
        [reference_key(one).partition("/")[0] for one in records],
        [" ".join(scopes_of(one)) for one in records],
        [one.model_dump_json(exclude_none=True) for one in records],
    )


async def delete_record(database: Database, key: str) -> bool:
    """Takes a row away from everybody; False when there is none."""
    return await database.fetchval(SQL["delete"], key) is not None


async def list_records(database: Database, kind: str) -> list[ReferenceRecord]:
    """All rows of a kind, by key."""
    rows = await database.fetch(SQL["list"], kind)
    return [_RECORD.validate_json(row["record"]) for row in rows]


async def find_record(database: Database, key: str) -> ReferenceRecord | None:
    return _read(await database.fetchrow(SQL["find"], key))


async def lock_record(connection: Connection, key: str) -> ReferenceRecord | None:
    """Within a transaction: the row as it is until its end."""
    return _read(await connection.fetchrow(SQL["lock"], key))


def _read(row: Row | None) -> ReferenceRecord | None:
    return _RECORD.validate_json(row["record"]) if row else None
