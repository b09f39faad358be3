"""Everything declared on every connection, with the database there or not (I11)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from erp_node.declarations import Declarations
from erp_node.store.pool import open_pool
from messaging.amqp import AmqpBroker
from messaging.channel import NotFound
from messaging.connection import LinkState
from ops.services import Services
from tests.conformance.watching import Running, until_state, within
from tests.databases import Database, Migrate
from tests.erp import enrol, migrated
from tests.vhosts import Vhost


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    started = Running()
    yield started
    await started.close()


async def is_there(vhost: Vhost, queue: str) -> bool:
    connection = await AmqpBroker(vhost.admin_url).connect("looking")
    try:
        await (await connection.channel(confirms=False, prefetch=0)).get(queue)
    except NotFound:
        return False
    finally:
        await connection.close()
    return True


@asynccontextmanager
async def database_away(services: Services, database: Database) -> AsyncIterator[None]:
    """The database cuts every connection and takes none."""
    outside = await asyncpg.connect(services.erp_dsn)
    switch = f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS'
    try:
        await outside.execute(f"{switch} false")
        await outside.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
            database.name,
        )
        yield
        await outside.execute(f"{switch} true")
    finally:
        await outside.close()


async def test_i11_a_database_that_is_away_while_the_broker_comes_back_only_delays_declaring(
    vhost: Vhost, services: Services, database: Database, running: Running
) -> None:
    pool = await open_pool(database.dsn, max_size=2)
    await enrol(pool, "p1")
    async with database_away(services, database):
        link = running.link(AmqpBroker(vhost.admin_url), Declarations(pool, None))
        told = await until_state(link, lambda state: "database" in reason_of(state))
        assert not told.ready
        assert not running.tasks[0].done()
    await within(link.wait_up())
    assert await is_there(vhost, "pos.p1.feed")
    await pool.close()


def reason_of(state: LinkState) -> str:
    return "".join(role.reason for role in state.roles)
