"""Bringing a database to this version's schema."""

import asyncio
import secrets
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from erp_node.sequencer import sequence_once
from erp_node.store.migrations import Migration, WrongDatabase, known_migrations, migrate
from erp_node.store.pool import open_pool
from tests.databases import Database
from tests.erp import retail, store_customer

ALL = tuple(one.number for one in known_migrations())


async def test_every_file_is_applied_once(database: Database) -> None:
    assert await migrate(database.dsn) == ALL
    assert await migrate(database.dsn) == ()


async def test_processes_that_start_together_take_turns(database: Database) -> None:
    applied = await asyncio.gather(*(migrate(database.dsn) for _ in range(4)))
    assert sorted(applied) == [(), (), (), ALL]


async def test_a_file_that_fails_leaves_nothing_and_is_applied_once_mended(
    database: Database,
) -> None:
    good = Migration(1, "good", "CREATE TABLE good ()")
    bad = Migration(2, "bad", "CREATE TABLE half (); SELECT 1 / 0")
    connection = await asyncpg.connect(database.dsn)
    try:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await migrate(connection, [good, bad])
        assert await connection.fetchval("SELECT to_regclass('good') IS NOT NULL")
        assert await connection.fetchval("SELECT to_regclass('half') IS NULL")
        mended = Migration(2, "bad", "CREATE TABLE half ()")
        assert await migrate(connection, [good, mended]) == (2,)
    finally:
        await connection.close()


async def test_a_newer_database_is_refused(database: Database) -> None:
    newer = Migration(len(ALL) + 1, "future", "SELECT 1")
    connection = await asyncpg.connect(database.dsn)
    try:
        await migrate(connection, [*known_migrations(), newer])
    finally:
        await connection.close()
    with pytest.raises(WrongDatabase, match="start a newer version"):
        await migrate(database.dsn)


async def test_a_database_that_is_not_utf_8_is_refused(database: Database) -> None:
    name = f"latin_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(database.dsn)
    try:
        await admin.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
        )
        with pytest.raises(WrongDatabase, match="LATIN1"):
            await migrate(urlunsplit(urlsplit(database.dsn)._replace(path=f"/{name}")))
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {name}")
        await admin.close()


async def test_an_ordinary_user_who_owns_the_database_is_enough(database: Database) -> None:
    """Nothing the store does needs a superuser: triggers, numbering, noticing another server."""
    user, password = f"erp_{secrets.token_hex(4)}", secrets.token_hex(8)
    admin = await asyncpg.connect(database.dsn)
    try:
        await admin.execute(f"CREATE USER {user} PASSWORD '{password}'")
        await admin.execute(f"ALTER DATABASE {database.name} OWNER TO {user}")
        parts = urlsplit(database.dsn)
        host = parts.netloc.rpartition("@")[2]
        dsn = urlunsplit(parts._replace(netloc=f"{user}:{password}@{host}"))
        await migrate(dsn)
        pool = await open_pool(dsn, max_size=2)
        try:
            await store_customer(pool, retail("A"))
            assert [one.rows for one in (await sequence_once(pool)).numbered] == [1]
            assert await pool.fetchval("SELECT changed_by FROM customer") == user
        finally:
            await pool.close()
    finally:
        await admin.execute(f"ALTER DATABASE {database.name} OWNER TO CURRENT_USER")
        await admin.execute(f"DROP OWNED BY {user} CASCADE")
        await admin.execute(f"DROP USER {user}")
        await admin.close()
