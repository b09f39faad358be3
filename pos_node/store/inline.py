"""The till's file without threads: for the simulator, and tests that need no others."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar, TypeVarTuple

from pos_node.store.connection import connect
from pos_node.store.migrations import migrate
from pos_node.store.replacement import Carry, take_place
from pos_node.store.transactions import Priority, Writer, open_writer, run_read, unwrap

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class InlineDatabase:
    """`Database` without threads and without a lock: every function runs where it is asked for."""

    def __init__(self, path: Path | Literal[":memory:"]) -> None:
        self.path = Path(path)
        connection = connect(path, "writer")
        migrate(connection, self.path)
        self._writer = Writer(self.path, connection)

    def close(self) -> None:
        self._writer.connection.close()

    async def read(self, function: Callable[[sqlite3.Connection, *Ts], T], *arguments: *Ts) -> T:
        outcome = run_read(
            self._writer.connection, self.path, lambda connection: function(connection, *arguments)
        )
        result: T = unwrap(outcome)
        return result

    async def write(
        self,
        function: Callable[[sqlite3.Connection, *Ts], T],
        *arguments: *Ts,
        priority: Priority,
    ) -> T:
        outcome = self._writer.run(lambda connection: function(connection, *arguments), priority)
        result: T = unwrap(outcome)
        return result

    async def replace(self, prepared: Path, carry: Carry) -> None:
        try:
            take_place(self._writer.connection, prepared, self.path, carry)
        finally:
            self._writer.connection.close()
            self._writer = open_writer(self.path)
