"""What a world holds, read beside its processes."""

import sqlite3
from uuid import UUID

from pos_node.store.cursors import read_cursors
from pos_node.store.journal import read_standing
from simulation.checkers.history import EndedSearch
from simulation.checkers.observed import (
    ErpCustomer,
    ErpReference,
    ErpSeen,
    ErpVerdict,
    HistoryLine,
    Seen,
    TillCustomer,
    TillNotice,
    TillSeen,
)
from simulation.server import Server
from simulation.till import TillProcess
from simulation.world import World


def observe(world: World) -> Seen:
    """Both ends. Every till must run."""
    return Seen(observe_erp(world.server), tuple(observe_till(till) for till in world.tills))


def observe_erp(server: Server) -> ErpSeen:
    fetch = server.fetch
    identity = fetch("SELECT feed_epoch FROM erp_identity")[0]
    return ErpSeen(
        customers=tuple(
            ErpCustomer(
                str(row["id"]), row["version"], row["state"], row["is_customer"], row["everywhere"],
                tuple(row["centres"]), None if row["editors"] is None else tuple(row["editors"]),
                row["wire"],
            )
            for row in fetch("SELECT * FROM customer ORDER BY id")
        ),
        reference=tuple(
            ErpReference(row["key"], row["version"], row["state"], tuple(row["scopes"]), row["text"])
            for row in fetch("SELECT *, record::text AS text FROM reference ORDER BY key")
        ),
        history=tuple(
            HistoryLine(
                str(row["customer_id"]), row["version"], row["changed_where"], row["path"],
                row["new"] or "", row["kept"],
            )
            for row in fetch("SELECT * FROM customer_history ORDER BY customer_id, version, path, id")
        ),
        verdicts=tuple(
            ErpVerdict(
                str(row["id"]), row["pos_id"], row["epoch"], row["seq"], row["outcome"], row["code"],
                row["reason"],
            )
            for row in fetch(
                "SELECT id, pos_id, epoch, seq, record ->> 'outcome' AS outcome, record ->> 'code' AS code,"
                " coalesce(record -> 'params' ->> 'reason', '') AS reason"
                " FROM verdict ORDER BY pos_id, epoch, seq"
            )
        ),
        progress={
            (row["pos_id"], row["epoch"]): row["applied_seq"]
            for row in fetch("SELECT * FROM journal_progress ORDER BY pos_id, epoch")
        },
        gone=frozenset(
            (row["scope"], str(row["id"]))
            for row in fetch(
                "SELECT e.scope, c.id FROM feed_entry e JOIN customer c ON c.id = e.entity"
                " WHERE e.kind = 'customer' AND c.state IN ('deleted', 'anonymised')"
            )
        ),
        holdings=frozenset(
            (row["pos_id"], str(row["customer_id"])) for row in fetch("SELECT * FROM till_holding")
        ),
        heads={row["scope"]: row["head"] for row in fetch("SELECT * FROM feed_scope ORDER BY scope")},
        epoch=identity["feed_epoch"],
        troubles=frozenset(
            str(row["customer_id"])
            for row in fetch(
                "SELECT customer_id FROM customer_trouble t JOIN customer c"
                " ON c.id = t.customer_id AND c.version = t.version"
            )
        ),
        marks=fetch("SELECT count(*) AS marks FROM feed_mark")[0]["marks"],
    )  # fmt: skip


def observe_till(till: TillProcess) -> TillSeen:
    assert till.store is not None
    return till.store.look(lambda connection: _till(till, connection))


def _till(till: TillProcess, connection: sqlite3.Connection) -> TillSeen:
    standing = read_standing(connection)
    (journal,) = connection.execute("SELECT count(*) FROM journal").fetchone()
    gone = connection.execute("SELECT scope, key, version, state FROM feed_gone")
    reference = connection.execute(
        "SELECT key, scope, version, state, record FROM reference ORDER BY key"
    )
    notices = connection.execute("SELECT key, code, customer_id FROM notice ORDER BY id")
    return TillSeen(
        pos_id=till.pos_id,
        centre=till.address.centre,
        full=till.address.full,
        scopes=till.address.scopes,
        customers=tuple(_customers(connection)),
        reference=tuple(tuple(row) for row in reference),
        gone=frozenset(tuple(row) for row in gone),
        cursors={one.scope: (one.epoch, one.seq) for one in read_cursors(connection)},
        epoch=standing.epoch,
        last_seq=standing.last_seq,
        applied_seq=standing.applied_seq,
        journal=journal,
        notices=tuple(
            TillNotice(key, code, None if id_ is None else str(UUID(bytes=id_)))
            for key, code, id_ in notices
        ),
    )


def _customers(connection: sqlite3.Connection) -> list[TillCustomer]:
    rows = connection.execute(
        "SELECT id, scope, version, state, editors, record, shown, words FROM customer ORDER BY id"
    )
    return [
        TillCustomer(
            str(UUID(bytes=id_)), scope, version, state,
            None if editors is None else tuple(editors.split(",")) if editors else (),
            record, shown, words is not None,
        )
        for id_, scope, version, state, editors, record, shown, words in rows
    ]  # fmt: skip


async def look_at_searches(world: World) -> None:
    """How the searches that were cancelled stand now, of tills that still run."""
    for till, node, search, was in world.ended_searches:
        same = till.node
        if same is None or same is not node:
            continue
        now = (await same.till.searches.look(search, "anna")).outcome

        world.history.searches.append(EndedSearch(till.label, repr(was), repr(now)))
