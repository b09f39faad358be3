"""What the ERP defines and the till only reads: settings, operators, lists."""

import sqlite3
from typing import TypeVar

from contracts.reference import Entry, Operator, Setting
from contracts.settings import Settings, resolve

E = TypeVar("E", bound=Entry)


def read_entries(connection: sqlite3.Connection, model: type[E]) -> tuple[E, ...]:
    """All active rows of one kind, for instance `read_entries(connection, Centre)`, by code."""
    kind = model.model_fields["kind"].default
    rows = connection.execute(
        "SELECT record FROM reference WHERE key >= ? AND key < ? AND state = 'active' ORDER BY key",
        (f"{kind}/", f"{kind}0"),  # '0' follows '/'
    )
    return tuple(model.model_validate_json(record) for (record,) in rows)


def read_entry(connection: sqlite3.Connection, model: type[E], code: str) -> E | None:
    """One active row of a kind, or None."""
    kind = model.model_fields["kind"].default
    row = connection.execute(
        "SELECT record FROM reference WHERE key = ? AND state = 'active'", (f"{kind}/{code}",)
    ).fetchone()
    return model.model_validate_json(row[0]) if row else None


def read_operator(connection: sqlite3.Connection, code: str) -> Operator | None:
    """An operator of this till's centre, active or not; None: unknown here."""
    return read_entry(connection, Operator, code)


def read_settings(connection: sqlite3.Connection, centre: str, pos_id: str) -> Settings:
    """The switches that hold at this till."""
    return resolve(read_entries(connection, Setting), centre, pos_id)
