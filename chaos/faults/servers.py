"""What happens to RabbitMQ and PostgreSQL themselves."""

import asyncpg

from chaos.faults.kinds import Kind, Met
from chaos.plan import Draw, Given
from chaos.world import World
from ops.errors import ServiceError

USUAL_MEMORY = "0.4"
USUAL_DISK = "50MB"
"""As a private broker has them."""


async def _broker_killed(world: World, given: Given, met: Met) -> None:
    async with world.holding(world.broker_lock):
        await world.broker.kill()
        met("broker")
        await world.pause(given["seconds"])
        await world.broker.start()


async def _broker_restarted(world: World, given: Given, met: Met) -> None:
    async with world.holding(world.broker_lock):
        await world.broker.stop()
        met("broker")
        await world.pause(given["seconds"])
        await world.broker.start()


async def _broker_wiped(world: World, given: Given, met: Met) -> None:
    """Nobody helps: users, virtual host, queues are the running ERP's to make again."""
    async with world.holding(world.broker_lock):
        await world.broker.kill()
        await world.broker.wipe()
        met("broker")
        await world.pause(given["seconds"])
        await world.broker.start()


async def _memory_alarm(world: World, given: Given, met: Met) -> None:
    await _alarm(world, given, met, ("set_vm_memory_high_watermark",), "0", USUAL_MEMORY)


async def _disk_alarm(world: World, given: Given, met: Met) -> None:
    await _alarm(world, given, met, ("set_disk_free_limit",), "900000GB", USUAL_DISK)


async def _alarm(
    world: World, given: Given, met: Met, command: tuple[str, ...], wrong: str, usual: str
) -> None:
    """A broker that is killed meanwhile begins with the usual limit."""
    async with world.holding(world.broker_lock):
        try:
            await world.broker.ctl(*command, wrong)
        except ServiceError:
            return
        met("broker")
    await world.pause(given["seconds"])
    async with world.broker_lock:
        await world.broker.ctl(*command, usual)


async def _database_killed(world: World, given: Given, met: Met) -> None:
    async with world.holding(world.database_lock):
        await world.database.kill()
        met("database")
        await world.pause(given["seconds"])
        await world.database.start()


async def _database_restarted(world: World, given: Given, met: Met) -> None:
    async with world.holding(world.database_lock):
        await world.database.stop()
        met("database")
        await world.pause(given["seconds"])
        await world.database.start()


async def _sessions_ended(world: World, given: Given, met: Met) -> None:
    """Every connection to the database is terminated; the next one is taken at once."""
    async with world.holding(world.database_lock):
        connection = await asyncpg.connect(world.dsn)
        try:
            ended = await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        finally:
            await connection.close()
    if ended:
        met(f"database, {ended} sessions")


DOWN = Draw(seconds=(0.2, 5.0))
ALARMED = Draw(seconds=(1.0, 12.0))

KINDS = (
    Kind("broker_killed", "RabbitMQ killed (SIGKILL) and started again", _broker_killed, DOWN),
    Kind("broker_restarted", "RabbitMQ stopped in order and started again", _broker_restarted, DOWN),
    Kind(
        "broker_wiped", "RabbitMQ killed, its disk emptied: users, virtual host, queues are gone",
        _broker_wiped, DOWN,
    ),
    Kind("memory_alarm", "RabbitMQ takes no messages: memory", _memory_alarm, ALARMED),
    Kind("disk_alarm", "RabbitMQ takes no messages: disk", _disk_alarm, ALARMED),
    Kind("database_killed", "PostgreSQL killed (SIGKILL) and started again", _database_killed, DOWN),
    Kind(
        "database_restarted", "PostgreSQL stopped in order and started again",
        _database_restarted, DOWN,
    ),
    Kind(
        "sessions_ended", "every connection to PostgreSQL terminated by an administrator",
        _sessions_ended, Draw(),
    ),
)  # fmt: skip
