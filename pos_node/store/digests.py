"""What the till holds of a scope, as hashes: added up from what is stored, not from what was noted when it came
(SYNC-6, I2)."""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain, islice
from typing import NamedTuple, TypeAlias

from contracts.feed import BUCKETS, Digest, State, bucket_of, row_hash, row_text
from pos_node.store.arrivals import KEYED, id_of, withdraw_customers
from pos_node.store.cursors import read_cursor
from pos_node.store.queries import load_sql

_SQL = load_sql("digests.sql")
BREATH_ROWS = 500
"""After so many rows whoever waits for the processor gets it."""

Breathe: TypeAlias = Callable[[], None]


class HashedRow(NamedTuple):
    """A row as a digest counts it."""

    key: str
    version: int
    state: State
    editors: str
    record: str


def digest(
    connection: sqlite3.Connection, scope: str, breathe: Breathe = lambda: None
) -> Digest | None:
    """The hashes of one scope, at the place the till has reached; None of one it does not follow.

    Reads every customer: about ten seconds at a million. `breathe` is called now and then.
    """
    cursor = read_cursor(connection, scope)
    if cursor is None:
        return None
    counts, sums = [0] * BUCKETS, [0] * BUCKETS
    for row in read_hashed(connection, scope, breathe):
        bucket = bucket_of(row.key)
        counts[bucket] += 1
        sums[bucket] = (sums[bucket] + row_hash(row_text(*row))) % 2**64
    return Digest(scope=scope, epoch=cursor.epoch, head=cursor.seq, counts=counts, sums=sums)


def read_hashed(
    connection: sqlite3.Connection, scope: str, breathe: Breathe = lambda: None
) -> Iterator[HashedRow]:
    """Every row of a scope that a digest counts."""
    customers = connection.execute(_SQL["customers"], (scope,))
    while some := list(islice(customers, BREATH_ROWS)):
        for id_, version, editors, record in some:
            text = "*" if editors is None else editors
            yield HashedRow(key_of(id_), version, "active", text, record)
        breathe()
    for table in KEYED:
        for key, version, record in connection.execute(_SQL["keyed"].format(table=table), (scope,)):
            yield HashedRow(key, version, "active", "*", record)
    for key, version, state in connection.execute(_SQL["gone"], (scope,)):
        yield HashedRow(key, version, state, "*", "")


def keys_in_buckets(
    connection: sqlite3.Connection, scope: str, buckets: Collection[int]
) -> dict[str, int]:
    """Key and version of every row that a digest of a scope counts in these buckets."""
    customers = connection.execute(_SQL["ids"], (scope,))
    gone = connection.execute(_SQL["gone_keys"], (scope,))
    keyed = (
        (key, version)
        for table in KEYED
        for key, version, _ in connection.execute(_SQL["keyed"].format(table=table), (scope,))
    )
    rows = chain(((key_of(id_), version) for id_, version in customers), keyed, gone)
    return {key: version for key, version in rows if bucket_of(key) in buckets}


def remove_rows(connection: sqlite3.Connection, scope: str, stale: Mapping[str, int]) -> None:
    """Takes rows out that the ERP does not have in this scope, unless they changed since they were looked at."""
    ids = []
    for key, version in stale.items():
        if "/" in key:
            for table in KEYED:
                connection.execute(
                    _SQL["withdraw_keyed"].format(table=table), (scope, key, version)
                )
        elif connection.execute(_SQL["at_version"], (id_of(key), version)).fetchone():
            ids.append(id_of(key))
        connection.execute(_SQL["forget_gone"], (scope, key, version))
    withdraw_customers(connection, scope, ids)


def key_of(id_: bytes) -> str:
    """A customer's key in the feed."""
    h = id_.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
