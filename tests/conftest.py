"""What tests stand on: real services, and a virtual host, a database and processes of their own per test."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import pytest_asyncio

from ops.errors import ServiceError
from ops.guardian import Guardian
from ops.readiness import BrokerAddress
from ops.services import (
    PrivateBroker,
    PrivateDatabase,
    Services,
    start_private_broker,
    start_private_database,
    start_services,
)
from tests.databases import Database, Databases, Migrate
from tests.processes import Spawner
from tests.vhosts import Vhost, fresh_vhost

CONSENT = os.environ.get("COMPTOIR_YES") == "1"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def services() -> AsyncIterator[Services]:
    """RabbitMQ and PostgreSQL: those of the environment, otherwise private ones for this session."""
    try:
        async with start_services(consent=CONSENT) as started:
            yield started
    except ServiceError as error:
        _give_up(error)


@pytest.fixture
async def vhost(services: Services) -> AsyncIterator[Vhost]:
    """A fresh virtual host, removed afterwards with the users made through it."""
    async with fresh_vhost(BrokerAddress(services.amqp_url, services.amqp_api)) as fresh:
        yield fresh


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def databases(services: Services) -> AsyncIterator[Databases]:
    """The databases of this session."""
    made = Databases(services.erp_dsn)
    yield made
    await made.close()


@pytest.fixture
def migrate() -> Migrate | None:
    """Override this where tests need more than an empty database."""
    return None


@pytest.fixture
async def database_template(databases: Databases, migrate: Migrate | None) -> str:
    """The template `database` is cloned from: `migrate` runs once per session for each callable."""
    return await databases.template(migrate)


@pytest.fixture
async def database(databases: Databases, database_template: str) -> AsyncIterator[Database]:
    """A fresh database in the state `migrate` left, removed afterwards."""
    async with databases.fresh(database_template) as fresh:
        yield fresh


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder, removed afterwards."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _killable_broker() -> AsyncIterator[PrivateBroker]:
    try:
        async with start_private_broker(consent=CONSENT) as broker:
            yield broker
    except ServiceError as error:
        _give_up(error)


@pytest.fixture
async def private_broker(_killable_broker: PrivateBroker) -> PrivateBroker:
    """A RabbitMQ to kill, stop and wipe, never the one of the environment; it runs when the test begins."""
    await _killable_broker.start()
    return _killable_broker


@pytest.fixture
async def private_vhost(private_broker: PrivateBroker) -> AsyncIterator[Vhost]:
    """A fresh virtual host of the broker that may be killed."""
    async with fresh_vhost(private_broker.address) as fresh:
        yield fresh
        await private_broker.start()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _killable_database() -> AsyncIterator[PrivateDatabase]:
    try:
        async with start_private_database(consent=CONSENT) as server:
            yield server
    except ServiceError as error:
        _give_up(error)


@pytest.fixture
async def private_database(_killable_database: PrivateDatabase) -> PrivateDatabase:
    """A PostgreSQL server to kill and stop; it runs when the test begins."""
    await _killable_database.start()
    return _killable_database


@pytest.fixture(scope="session")
def guardian() -> Iterator[Guardian]:
    """Ends spawned processes, even when this session is killed."""
    with Guardian() as started:
        yield started


@pytest.fixture
async def spawn(guardian: Guardian) -> AsyncIterator[Spawner]:
    """`await spawn(*argv, env={}, line="ready")`: a process of its own, killed at the end."""
    spawner = Spawner(guardian)
    yield spawner
    await spawner.close()


def _give_up(error: ServiceError) -> NoReturn:
    """Without any way to services a test is skipped here and fails where all of them must run."""
    if os.environ.get("CI"):
        pytest.fail(str(error), pytrace=False)
    pytest.skip(str(error))
