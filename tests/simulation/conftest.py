"""A job of the simulation on the suite's PostgreSQL."""

import asyncio
import gc
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
import structlog

from erp_node import declarations, sequencer, upkeep
from ops.services import Services
from pos_node import sweep
from simulation.job import Job

MakeJob = Callable[[], Job]


@pytest.fixture(autouse=True)
def other_tests_at_their_own_pace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a simulating process changes for itself is as before for the tests that follow."""
    monkeypatch.setattr(sequencer, "LOOK_AGAIN_S", sequencer.LOOK_AGAIN_S)
    monkeypatch.setattr(declarations, "LOOK_AGAIN", declarations.LOOK_AGAIN)
    monkeypatch.setattr(upkeep, "EVERY_S", upkeep.EVERY_S)
    monkeypatch.setattr(sweep, "EVERY_S", sweep.EVERY_S)
    logging, collecting = structlog.get_config(), gc.get_threshold()
    yield
    structlog.configure(**logging)
    gc.set_threshold(*collecting)
    gc.unfreeze()


@pytest.fixture
def dsn(services: Services) -> str:
    return services.erp_dsn


@pytest.fixture
def make_job(dsn: str, tmp_path: Path) -> Iterator[MakeJob]:
    """Makes jobs whose databases are gone at the end."""
    made: list[tuple[Job, str]] = []

    def make() -> Job:
        name = f"simulation_{secrets.token_hex(4)}"
        job = Job(dsn, name, tmp_path / name, None)
        made.append((job, name))
        return job

    yield make
    for job, name in made:
        job.close()
        with suppress(asyncpg.PostgresError):
            asyncio.run(_drop(dsn, name))


async def _drop(dsn: str, name: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()
