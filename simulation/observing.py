"""What both ends hold, read beside their processes, of simulated and of real ones alike."""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from contracts.topology import TillAddress
from pos_node.store.cursors import read_cursors
from pos_node.store.journal import read_standing
from simulation.checkers.observed import (
    CardEventSeen,
    ErpCard,
    ErpCustomer,
    ErpReference,
    ErpSeen,
    ErpVerdict,
    HistoryLine,
    TillCustomer,
    TillNotice,
    TillSeen,
)

Fetch = Callable[[str], Sequence[Mapping[str, Any]]]
"""The rows of one of `ERP_QUERIES`."""

IDENTITY = "SELECT feed_epoch FROM erp_identity"
CUSTOMERS = "SELECT * FROM customer ORDER BY id"
REFERENCE = "SELECT *, record::text AS text FROM reference ORDER BY key"
HISTORY = "SELECT * FROM customer_history ORDER BY customer_id, version, path, id"
VERDICTS = (
    "SELECT id, pos_id, epoch, seq, record ->> 'outcome' AS outcome, record ->> 'code' AS code,"
    " coalesce(record -> 'params' ->> 'reason', '') AS reason"
    " FROM verdict ORDER BY pos_id, epoch, seq"
)
PROGRESS = "SELECT * FROM journal_progress ORDER BY pos_id, epoch"
GONE = (
    "SELECT e.scope, c.id FROM feed_entry e JOIN customer c ON c.id = e.entity"
    " WHERE e.kind = 'customer' AND c.state IN ('deleted', 'anonymised')"
)
HOLDINGS = "SELECT * FROM till_holding"
HEADS = "SELECT * FROM feed_scope ORDER BY scope"
TROUBLES = (
    "SELECT customer_id FROM customer_trouble t JOIN customer c"
    " ON c.id = t.customer_id AND c.version = t.version"
)
MARKS = "SELECT count(*) AS marks FROM feed_mark"
CARDS = "SELECT * FROM card ORDER BY number_key"
CARD_EVENTS = (
    "SELECT number_key, at, event, customer_id, changed_where, coalesce(detail, '{}')::text AS detail"
    " FROM card_event ORDER BY number_key, id"
)
ERP_QUERIES = (
    IDENTITY, CUSTOMERS, REFERENCE, HISTORY, VERDICTS, PROGRESS, GONE, HOLDINGS, HEADS, TROUBLES,
    MARKS, CARDS, CARD_EVENTS,
)  # fmt: skip
"""All that `observe_erp` asks for: an observer that cannot fetch when asked has it ready."""


def observe_erp(fetch: Fetch) -> ErpSeen:
    """The ERP's database. `fetch` must answer all from one moment, or from a quiet system."""
    identity = fetch(IDENTITY)[0]
    return ErpSeen(
        customers=tuple(
            ErpCustomer(
                str(row["id"]), row["version"], row["state"], row["is_customer"], row["everywhere"],
                tuple(row["centres"]), None if row["editors"] is None else tuple(row["editors"]),
                row["wire"],
            )
            for row in fetch(CUSTOMERS)
        ),
        reference=tuple(
            ErpReference(row["key"], row["version"], row["state"], tuple(row["scopes"]), row["text"])
            for row in fetch(REFERENCE)
        ),
        history=tuple(
            HistoryLine(
                str(row["customer_id"]), row["version"], row["changed_where"], row["path"],
                row["new"] or "", row["kept"],
            )
            for row in fetch(HISTORY)
        ),
        verdicts=tuple(
            ErpVerdict(
                str(row["id"]), row["pos_id"], row["epoch"], row["seq"], row["outcome"], row["code"],
                row["reason"],
            )
            for row in fetch(VERDICTS)
        ),
        progress={
            (row["pos_id"], row["epoch"]): row["applied_seq"]
            for row in fetch(PROGRESS)
        },
        gone=frozenset(
            (row["scope"], str(row["id"]))
            for row in fetch(GONE)
        ),
        holdings=frozenset(
            (row["pos_id"], str(row["customer_id"])) for row in fetch(HOLDINGS)
        ),
        heads={row["scope"]: row["head"] for row in fetch(HEADS)},
        epoch=identity["feed_epoch"],
        troubles=frozenset(
            str(row["customer_id"])
            for row in fetch(TROUBLES)
        ),
        marks=fetch(MARKS)[0]["marks"],
        cards=tuple(
            ErpCard(
                row["number_key"], row["version"], row["state"], _text(row["customer_id"]), row["wire"]
            )
            for row in fetch(CARDS)
        ),
        card_events=tuple(
            CardEventSeen(
                row["number_key"], row["event"], _text(row["customer_id"]), row["changed_where"], row["at"],
                json.loads(row["detail"]),
            )
            for row in fetch(CARD_EVENTS)
        ),
    )  # fmt: skip


def observe_till(address: TillAddress, connection: sqlite3.Connection) -> TillSeen:
    """One till's file, on any connection to it."""
    standing = read_standing(connection)
    (journal,) = connection.execute("SELECT count(*) FROM journal").fetchone()
    gone = connection.execute("SELECT scope, key, version, state FROM feed_gone")
    reference = connection.execute(
        "SELECT key, scope, version, state, record FROM reference ORDER BY key"
    )
    cards = connection.execute("SELECT key, scope, version, state, record FROM card ORDER BY key")
    notices = connection.execute("SELECT key, code, customer_id FROM notice ORDER BY id")
    return TillSeen(
        pos_id=address.pos_id,
        centre=address.centre,
        full=address.full,
        scopes=address.scopes,
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
        cards=tuple(tuple(row) for row in cards),
    )


def _text(id_: UUID | None) -> str | None:
    return None if id_ is None else str(id_)


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
