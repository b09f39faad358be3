"""What is left of a replay to look at: a till's file each, the ERP's state as JSON Lines, and digests of both."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from contracts.feed import Digest
from pos_node.app import DATABASE_FILE
from pos_node.store.digests import digest
from simulation.checkers.observed import ErpSeen, TillSeen
from simulation.replay.stage import Stage
from simulation.till import TillProcess

ERP_FILE = "erp.jsonl"


@dataclass(frozen=True, slots=True)
class ScopeDigest:
    """What a node holds of a scope: a row count, and the sum of the rows' hashes as contracts.feed defines it."""

    node: str
    scope: str
    rows: int
    sum: str


def till_digests(till: TillProcess) -> Iterator[ScopeDigest]:
    """Of every scope it follows, from its own file. It must run."""
    assert till.store is not None
    for scope in till.address.scopes:
        found = till.store.look(partial(_digest, scope=scope))
        if found is not None:
            total = sum(found.sums) % 2**64
            yield ScopeDigest(till.address.user, scope, sum(found.counts), f"{total:016x}")


def erp_digests(stage: Stage) -> Iterator[ScopeDigest]:
    """Of every feed of the fresh ERP, from what it has numbered."""
    rows = stage.server.fetch(
        "SELECT scope, count(hash)::bigint AS rows, coalesce(sum(hash::numeric), 0)::text AS sum"
        " FROM feed_entry GROUP BY scope ORDER BY scope"
    )
    for row in rows:
        yield ScopeDigest("erp", row["scope"], row["rows"], f"{int(row['sum']) % 2**64:016x}")


def unequal(digests: Sequence[ScopeDigest]) -> frozenset[tuple[str, str]]:
    """Nodes and scopes of which a till holds something else than the fresh ERP. What neither holds is equal."""
    erp = {one.scope: (one.rows, one.sum) for one in digests if one.node == "erp"}
    nothing = (0, f"{0:016x}")
    return frozenset(
        (one.node, one.scope)
        for one in digests
        if one.node != "erp" and (one.rows, one.sum) != erp.get(one.scope, nothing)
    )


def save_tills(stage: Stage, folder: Path) -> None:
    """Each till's file, whole and in one piece: the same content gives the same bytes."""
    for till in stage.tills:
        assert till.store is not None
        own = folder / till.address.user
        own.mkdir(parents=True, exist_ok=True)
        path = own / DATABASE_FILE
        path.unlink(missing_ok=True)
        till.store.look(partial(_copy, path=path))


def _digest(connection: sqlite3.Connection, scope: str) -> Digest | None:
    return digest(connection, scope)


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("VACUUM INTO ?", (str(path),))


def save_erp(seen: ErpSeen, folder: Path) -> None:
    """One line for each row, without what hangs on luck inside the server: ids of verdicts, the feeds' epoch."""
    lines = (json.dumps(one, ensure_ascii=False, sort_keys=True) for one in _rows(seen))
    (folder / ERP_FILE).write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _rows(seen: ErpSeen) -> Iterator[dict[str, Any]]:
    yield from _named("customer", seen.customers)
    yield from _named("reference", seen.reference)
    yield from _named("history", seen.history)
    for one in seen.verdicts:
        yield {"table": "verdict", **{k: v for k, v in asdict(one).items() if k != "id"}}
    for (till, epoch), seq in sorted(seen.progress.items()):
        yield {"table": "progress", "till": till, "epoch": epoch, "applied_seq": seq}
    for scope, head in sorted(seen.heads.items()):
        yield {"table": "feed", "scope": scope, "head": head}


def _named(table: str, rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {"table": table, **asdict(row)}


def digest_of(folder: Path, tills: Iterable[TillSeen]) -> str:
    """Of everything: the bytes of every file."""
    files = [folder / ERP_FILE, *(folder / f"pos.{one.pos_id}" / DATABASE_FILE for one in tills)]
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.read_bytes())
    return whole.hexdigest()[:16]
