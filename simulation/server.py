"""One real database of a job: its connections, lent to simulated processes, and emptied between two schedules."""

from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from erp_node.store.migrations import migrate
from erp_node.store.pool import SERVER_SETTINGS
from simulation.bridge import Bridge
from simulation.clock import BEGAN
from simulation.pace import keep_beside

Use = Literal["work", "questions"]

RUNG = "simulation: notified"
LOCK_TIMEOUT = "1ms"
"""Whoever holds a lock is another simulated process, which stands still meanwhile: waiting longer is in vain."""

# What SQL asks the server's clock and luck for, as far as it decides anything; and NOTIFY, which must reach
# simulated listeners at the moment of the commit. Found before pg_catalog, also by what the migrations make.
_SCHEMA = f"""
CREATE SCHEMA simulated;
CREATE FUNCTION simulated.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT coalesce(nullif(current_setting('simulated.now', true), ''), '{BEGAN.isoformat()}')::timestamptz $$;
CREATE FUNCTION simulated.now() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT simulated.clock_timestamp() $$;
CREATE FUNCTION simulated.pg_notify(channel text, payload text) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN RAISE NOTICE '{RUNG}'; END $$;
"""

TRUNCATED_EVERY = 40
"""Schedules between two that begin with truncated tables: that makes every connection plan all its statements again,
which takes a third of a schedule's time. Otherwise rows are deleted, which leaves dead ones behind."""

PATIENCE = "30s"
"""How long emptying waits for whoever else is at the tables: a backup, an administrator."""

_KEPT_OFF = "ALTER TABLE {} SET (autovacuum_enabled = false, toast.autovacuum_enabled = false)"
"""The server's own housekeeping: while it shortens a table, which takes as long as its disk does, every statement
there runs into LOCK_TIMEOUT, and a minute of simulated time is over before."""

_SETTINGS = SERVER_SETTINGS | {
    "search_path": "public, simulated, pg_catalog",
    "plan_cache_mode": "force_generic_plan",
    "lock_timeout": LOCK_TIMEOUT,
    "idle_in_transaction_session_timeout": "0",
    "synchronous_commit": "off",
}
_QUESTIONS = {"enable_seqscan": "off", "max_parallel_workers_per_gather": "0"}


@dataclass(eq=False)
class Real:
    """A real connection, and whether the statements since it was last asked rang the bell."""

    number: int
    use: Use
    connection: Any
    rang: bool = False
    told: tuple[int, float] = (0, 0)
    """In which schedule it was last told the time, and which: in seconds."""

    def forget(self) -> None:
        """What was said in a transaction that was rolled back was not said, the time included."""
        self.rang = False
        self.told = (0, 0)

    def hear(self, connection: object, message: Any) -> None:
        if message.message == RUNG:
            self.rang = True


@dataclass(eq=False)
class Server:
    """What the simulated processes of one job share."""

    bridge: Bridge
    dsn: str
    maintenance: str
    """Of the server, another database's: where this one was made from."""
    every: list[Real] = field(default_factory=list)
    free: dict[Use, list[Real]] = field(default_factory=lambda: {"work": [], "questions": []})
    tables: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    played: int = 0
    """Schedules so far."""
    timeline: str = ""
    """Of the server, as the sequencer knows it of one it has worked with for long."""
    known: dict[tuple[object, ...], Any] = field(default_factory=dict)
    """What reading statements gave since anything was last written: they would give the same again."""

    @classmethod
    def open(cls, maintenance: str, name: str) -> "Server":
        """Makes a database of this name and brings it to the schema of the code."""
        bridge = Bridge()

        async def create() -> None:
            connection = await asyncpg.connect(maintenance)
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
            await connection.execute(f'CREATE DATABASE "{name}"')
            await connection.close()

        bridge.run(create())
        dsn = urlunsplit(urlsplit(maintenance)._replace(path=f"/{name}"))
        server = cls(bridge, dsn, maintenance)
        first = server.take("work").connection
        bridge.run(first.execute(_SCHEMA))
        bridge.run(migrate(first))
        found = bridge.run(
            first.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
                " AND tablename <> 'schema_migration' ORDER BY tablename"
            )
        )
        server.tables = tuple(row["tablename"] for row in found)
        bridge.run(first.execute("; ".join(map(_KEPT_OFF.format, server.tables))))
        found = bridge.run(
            first.fetch("SELECT quote_ident(sequencename) AS name FROM pg_sequences")
        )
        server.sequences = tuple(row["name"] for row in found)
        server.timeline = bridge.run(first.fetchval("SELECT whereabouts()"))
        return server

    def take(self, use: Use) -> Real:
        """A connection nobody uses; one more when all are used."""
        if self.free[use]:
            return self.free[use].pop()
        settings = _SETTINGS | (_QUESTIONS if use == "questions" else {})
        opened = self.bridge.run(asyncpg.connect(self.dsn, server_settings=settings))
        keep_beside(opened.get_server_pid())
        real = Real(len(self.every), use, opened)
        opened.add_log_listener(real.hear)
        self.every.append(real)
        return real

    def give_back(self, real: Real) -> None:
        """Whatever was begun on it is rolled back."""
        if real.connection.is_closed():
            return
        if real.connection.is_in_transaction():
            self.bridge.run(real.connection.execute("ROLLBACK"))
            real.forget()
        real.rang = False
        self.free[real.use].append(real)

    def empty(self) -> None:
        """As it was when it was made; the same connections will be lent in the same order."""
        self.known.clear()
        self.every[:] = [real for real in self.every if not real.connection.is_closed()]
        for real in self.every:
            if real.connection.is_in_transaction():
                self.bridge.run(real.connection.execute("ROLLBACK"))
            self.bridge.run(real.connection.execute("RESET simulated.now"))
            real.forget()
        for use, free in self.free.items():
            free[:] = [real for real in reversed(self.every) if real.use == use]
        self.run(
            "BEGIN; SET LOCAL session_replication_role = replica;"
            f" SET LOCAL lock_timeout = '{PATIENCE}'; {self._emptying()}"
            " INSERT INTO erp_identity (feed_epoch, renewed_at, timeline)"
            f" VALUES ('0', timestamptz '{BEGAN.isoformat()}' - interval '30 days', '{self.timeline}');"
            " COMMIT"
        )

    def _emptying(self) -> str:
        self.played += 1
        if self.played % TRUNCATED_EVERY == 1:
            return f"TRUNCATE {', '.join(self.tables)} RESTART IDENTITY;"
        rows = "".join(f"DELETE FROM {name};" for name in self.tables)
        return rows + "".join(f"SELECT setval('{name}', 1, false);" for name in self.sequences)

    def run(self, sql: str) -> None:
        """Statements beside the simulated processes, on the first connection."""
        self.known.clear()
        self.bridge.run(self.every[0].connection.execute(sql))

    def fetch(self, sql: str, *arguments: object) -> list[Any]:
        """What an observer reads, beside the simulated processes."""
        found: list[Any] = self.bridge.run(self.every[0].connection.fetch(sql, *arguments))
        return found

    def save(self) -> dict[str, bytes]:
        """Every table as it is: what a backup of this moment holds."""
        return {name: self._copy_out(name) for name in self.tables}

    def restore(self, saved: dict[str, bytes], *, failover: bool) -> None:
        """Puts a backup in the place of everything. No simulated process may be connected. `failover`: as another
        server's, which shows; otherwise as a copy of files, which nothing but its content shows."""
        self.known.clear()
        names = ", ".join(self.tables)
        first = self.every[0].connection

        async def put() -> None:
            async with first.transaction():
                await first.execute("SET LOCAL session_replication_role = replica")
                await first.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
                await first.execute(f"TRUNCATE {names}")
                for name, rows in saved.items():
                    if rows:
                        await first.copy_to_table(name, source=BytesIO(rows))
                if failover:
                    await first.execute("UPDATE erp_identity SET timeline = 'another'")

        self.bridge.run(put())

    def close(self) -> None:
        for real in self.every:
            if not real.connection.is_closed():
                self.bridge.run(real.connection.close())
        self.bridge.close()

    def drop(self) -> None:
        """Closes everything; the database is gone."""
        name = urlsplit(self.dsn).path.removeprefix("/")
        maintenance = self.maintenance
        bridge = self.bridge
        for real in self.every:
            if not real.connection.is_closed():
                bridge.run(real.connection.close())

        async def drop() -> None:
            connection = await asyncpg.connect(maintenance)
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
            await connection.close()

        bridge.run(drop())
        bridge.close()

    def _copy_out(self, name: str) -> bytes:
        out = BytesIO()
        self.bridge.run(self.every[0].connection.copy_from_table(name, output=out))
        return out.getvalue()
