"""The way down at a till: pages applied in order, missed ones pulled, both ends compared."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from contracts.journal import Progress, Verdict
from pos_node.store.arrivals import Fold


@dataclass(frozen=True, slots=True)
class JournalSide:
    """What the feed needs of the journal's store (store/journal.py, store/notices.py); each runs inside the
    transaction that applies the page.

    `fold`: see store.customers.Fold. `take_progress`: notes applied_seq and heads on the entries.
    `take_verdict(connection, key, verdict)`: makes a notice, once per key. `settle(connection, cursors)`: called
    after cursors moved, with seq by scope: lets go of entries whose heads are reached and calls
    store.customers.show_customer for their customers.
    """

    fold: Fold
    take_progress: Callable[[sqlite3.Connection, Progress], None]
    take_verdict: Callable[[sqlite3.Connection, str, Verdict], None]
    settle: Callable[[sqlite3.Connection, Mapping[str, int]], None]
