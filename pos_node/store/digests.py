"""What this till holds of a scope, added up from the stored bytes themselves (SYNC-6, I2)."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from contracts.feed import BUCKETS, Digest, State, bucket_of, row_hash, row_text
from pos_node.store.cursors import read_cursor
from pos_node.store.queries import load_sql

_SQL = load_sql("digests.sql")


@dataclass(frozen=True, slots=True)
class Held:
    """One row as a digest counts it. `customer_id`: of a customer, as stored."""

    key: str
    hash: int
    version: int
    customer_id: bytes | None = None


def digest(connection: sqlite3.Connection, scope: str) -> Digest | None:
    """The hashes of one scope, or None when this till does not follow it. Reads every row of it."""
    cursor = read_cursor(connection, scope)
    if cursor is None:
        return None
    counts, sums = [0] * BUCKETS, [0] * BUCKETS
    for row in held_rows(connection, scope):
        bucket = bucket_of(row.key)
        counts[bucket] += 1
        sums[bucket] = (sums[bucket] + row.hash) % 2**64
    return Digest(scope=scope, epoch=cursor.epoch, head=cursor.seq, counts=counts, sums=sums)


def held_rows(connection: sqlite3.Connection, scope: str) -> Iterator[Held]:
    """Every row a digest of the scope counts."""
    for id_, version, editors, record in connection.execute(_SQL["customers"], (scope,)):
        key = str(UUID(bytes=id_))
        yield Held(key, _hash(key, version, "active", editors, record), version, id_)
    for key, version, state, record in connection.execute(_SQL["others"], (scope, scope)):
        yield Held(key, _hash(key, version, state, None, record), version)


def lower_versions(connection: sqlite3.Connection, ids: list[bytes]) -> None:
    """Lets rows whose content is not what their version says be written again within this transaction."""
    connection.executemany(_SQL["lower"], [(id_,) for id_ in ids])


def forget_reference(connection: sqlite3.Connection, scope: str, keys: list[str]) -> None:
    """Removes rows of reference data that the ERP does not have, or that are to be written again."""
    connection.executemany(_SQL["forget_reference"], [(scope, key) for key in keys])
    connection.executemany(_SQL["forget_gone"], [(scope, key) for key in keys])


def _hash(key: str, version: int, state: State, editors: str | None, record: str | None) -> int:
    return row_hash(
        row_text(key, version, state, "*" if editors is None else editors, record or "")
    )
