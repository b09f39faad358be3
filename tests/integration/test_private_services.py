"""Private RabbitMQ and PostgreSQL: killed, restarted, wiped, and gone afterwards."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import aiormq
import asyncpg
import pytest

from ops.errors import ServiceError
from ops.guardian import until
from ops.postgres_private import find_postgres
from ops.rabbitmq_private import find_rabbitmq
from ops.services import PrivateBroker, PrivateDatabase
from tests.databases import Database, Databases
from tests.processes import Spawner, is_empty, is_gone, processes_with
from tests.vhosts import Vhost

# Not root any more, but still able to read a checkout in root's own folder.
AS_NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
STARTER = """
import asyncio
from ops.services import start_services

async def main() -> None:
    async with start_services(environ={}) as services:
        print("pids", services.broker.pid, services.database.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_fresh_virtual_host_takes_messages_of_its_users_alone(vhost: Vhost) -> None:
    url = await vhost.create_user("till-1", configure="^mine$", write="^$", read="^mine$")
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("mine", durable=True)
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            await channel.declare_queue("other", durable=True)
    async with await aio_pika.connect(vhost.admin_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("mine", passive=True)


async def test_a_fresh_database_is_a_clone_of_its_migrated_template(databases: Databases) -> None:
    ran: list[str] = []

    async def migrate(dsn: str) -> None:
        ran.append(dsn)
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE customer (code text)")
        await connection.close()

    for _ in range(2):
        async with databases.fresh(await databases.template(migrate)) as database:
            connection = await asyncpg.connect(database.dsn)
            assert await connection.fetchval("SELECT count(*) FROM customer") == 0
            await connection.execute("INSERT INTO customer VALUES ('C1')")
            await connection.close()
    assert len(ran) == 1


async def test_databases_keep_what_they_committed_safe(database: Database) -> None:
    connection = await asyncpg.connect(database.dsn)
    assert await connection.fetchval("SHOW fsync") == "on"
    await connection.close()


async def test_a_killed_broker_starts_again_with_its_data_on_its_ports(
    private_broker: PrivateBroker, private_vhost: Vhost
) -> None:
    async with await aio_pika.connect(private_vhost.admin_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("kept", durable=True)
        message = aio_pika.Message(b"1", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "kept")
    # What was confirmed is on the disk; that there is such a queue is written down within the next seconds.
    await private_broker.ctl("eval", "mnesia:sync_log().")
    before = private_broker.pid
    await private_broker.kill()
    assert not private_broker.running
    with pytest.raises(ServiceError):
        _ = private_broker.pid
    await private_broker.start()
    assert private_broker.pid != before
    async with await aio_pika.connect(private_vhost.admin_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", passive=True)
        assert (await queue.get(timeout=30)).body == b"1"


async def test_a_wiped_broker_knows_its_administrator_and_nothing_else(
    private_broker: PrivateBroker, private_vhost: Vhost
) -> None:
    with pytest.raises(ServiceError):
        await private_broker.wipe()
    assert private_vhost.name in await private_broker.ctl("list_vhosts", "--quiet")
    await private_broker.stop()
    await private_broker.wipe()
    await private_broker.start()
    assert private_vhost.name not in await private_broker.ctl("list_vhosts", "--quiet")
    async with await aio_pika.connect(private_broker.address.amqp_url):
        pass


async def test_a_killed_database_server_starts_again_with_what_was_committed(
    private_database: PrivateDatabase,
) -> None:
    connection = await asyncpg.connect(private_database.dsn)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    await private_database.kill()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.execute("SELECT 1")
    connection.terminate()
    await private_database.start()
    connection = await asyncpg.connect(private_database.dsn)
    assert await connection.fetchval("SELECT count(*) FROM kept") >= 1
    await connection.execute("DROP TABLE kept")
    await connection.close()
    await private_database.stop()
    assert not private_database.running


async def test_services_start_for_an_ordinary_user_too(spawn: Spawner) -> None:
    _require_programs()
    ordinary = AS_NOBODY if os.geteuid() == 0 else ()
    starter = await spawn(
        *ordinary, sys.executable, "-c", STARTER, line="pids", seconds=90, env={"HOME": "/"}
    )
    starter.send_signal(signal.SIGINT)
    await starter.wait()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as /tmp is."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o1777)
        yield Path(name)


async def test_services_do_not_outlive_a_killed_parent(spawn: Spawner, open_folder: Path) -> None:
    _require_programs()
    env = {"TMPDIR": str(open_folder)}
    starter = await spawn(sys.executable, "-c", STARTER, line="pids", seconds=90, env=env)
    pids = [int(word) for word in starter.lines[0].split()[1:]]
    folder = str(open_folder).encode()
    assert len(processes_with(folder)) > 2
    starter.send_signal(signal.SIGKILL)
    await starter.wait()

    async def gone() -> bool:
        return all(map(is_gone, pids)) and not processes_with(folder) and is_empty(open_folder)

    await until(gone, 20)


def _require_programs() -> None:
    if find_rabbitmq() is None or find_postgres() is None:
        pytest.skip("the programs of RabbitMQ and PostgreSQL are not on this machine")
