"""The list's view as this till keeps it (LIST-1, LIST-2)."""

import sqlite3

from pydantic import ValidationError

from pos_node.view import View

_NAME = "customers"


def read_view(connection: sqlite3.Connection) -> View:
    """The kept view; the default one when none is kept, or when it is of a version not known."""
    row = connection.execute("SELECT value FROM list_view WHERE name = ?", (_NAME,)).fetchone()
    try:
        return View.model_validate_json(row[0]) if row else View()
    except ValidationError:
        return View()


def write_view(connection: sqlite3.Connection, view: View) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO list_view (name, value) VALUES (?, ?)",
        (_NAME, view.model_dump_json()),
    )
