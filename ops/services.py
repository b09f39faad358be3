"""RabbitMQ and PostgreSQL for the demo, the tests and the measurements: given, or private and gone afterwards."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from ops.apt import apt_is_there, install, may_install
from ops.containers import ContainerBroker, ContainerDatabase, Containers, docker_is_there
from ops.errors import ServiceError
from ops.guardian import Guardian
from ops.ports import Ports
from ops.postgres_private import PostgresProcess, find_postgres
from ops.progress import Progress, SilentProgress
from ops.rabbitmq_private import RabbitProcess, find_rabbitmq
from ops.readiness import BrokerAddress, until_broker_answers, until_database_answers

GIVEN_SECONDS = 10.0
MANAGEMENT_PORT = 15672
BROKER_PACKAGE = "rabbitmq-server"
DATABASE_PACKAGE = "postgresql"


class PrivateServer(Protocol):
    """A server that tests may kill. Every method works in any event loop."""

    @property
    def running(self) -> bool:
        """Whether its process exists; it may not answer yet."""
        ...

    @property
    def pid(self) -> int:
        """Its first process (the Erlang VM, the postmaster); ServiceError when it is not running."""
        ...

    async def kill(self) -> None:
        """SIGKILL, as a power cut would end it; returns when it is gone."""
        ...

    async def stop(self) -> None:
        """An orderly end."""
        ...

    async def start(self) -> None:
        """Starts it on the same ports with the same data; returns when it answers."""
        ...

    async def wait_ready(self, seconds: float = ...) -> None:
        """Returns when it answers; ServiceError otherwise."""
        ...


class PrivateBroker(PrivateServer, Protocol):
    """A RabbitMQ node nobody else uses."""

    @property
    def address(self) -> BrokerAddress:
        """The administrator's `amqp_url` and `amqp_api`."""
        ...

    async def wipe(self) -> None:
        """Removes all data, users included, of the stopped broker; the administrator is made anew at the start."""
        ...

    async def ctl(self, *args: str) -> str:
        """Output of rabbitmqctl; ServiceError when it fails or takes over a minute or two."""
        ...


class PrivateDatabase(PrivateServer, Protocol):
    """A PostgreSQL server nobody else uses."""

    @property
    def dsn(self) -> str:
        """The administrator's address of the maintenance database."""
        ...


@dataclass(frozen=True)
class Services:
    """Where RabbitMQ and PostgreSQL answer.

    `amqp_url` is an administrator's, its user and password also open the management API at `amqp_api`; `erp_dsn` is
    the maintenance database, its user may create databases. `broker` and `database` are there for private ones alone.
    """

    amqp_url: str
    amqp_api: str
    erp_dsn: str
    broker: PrivateBroker | None
    database: PrivateDatabase | None

    @property
    def environment(self) -> dict[str, str]:
        """The variables that give these services to another process."""
        return {
            "COMPTOIR_AMQP_URL": self.amqp_url,
            "COMPTOIR_AMQP_API": self.amqp_api,
            "COMPTOIR_ERP_DSN": self.erp_dsn,
        }


class Source(Enum):
    """Where a service comes from."""

    GIVEN = auto()
    PROGRAM = auto()
    DOCKER = auto()
    INSTALL = auto()
    NOWHERE = auto()


def choose_source(*, given: bool, program: bool, docker: bool, apt: bool) -> Source:
    """The first that can be had, in the order of the documentation."""
    if given:
        return Source.GIVEN
    if program:
        return Source.PROGRAM
    if docker:
        return Source.DOCKER
    return Source.INSTALL if apt else Source.NOWHERE


def given_broker(environ: Mapping[str, str]) -> BrokerAddress | None:
    """The broker of `COMPTOIR_AMQP_URL`; `COMPTOIR_AMQP_API` defaults to the same host, port 15672."""
    if not (amqp := environ.get("COMPTOIR_AMQP_URL")):
        return None
    host = urlsplit(amqp).hostname or "localhost"
    host = f"[{host}]" if ":" in host else host
    api = environ.get("COMPTOIR_AMQP_API") or f"http://{host}:{MANAGEMENT_PORT}"
    return BrokerAddress(amqp, api.rstrip("/"))


@asynccontextmanager
async def start_services(
    folder: Path | None = None,
    progress: Progress | None = None,
    consent: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[Services]:
    """Gives both services; what was started for it is gone at the end, even when this process is killed.

    Data goes to a new folder in `folder` (or the system's place for such). `consent` answers questions with yes.
    Raises ServiceError with what a person can do about it.
    """
    progress = progress or SilentProgress()
    broker, dsn = given_broker(environ), environ.get("COMPTOIR_ERP_DSN")
    sources = await _provide(broker is None, not dsn, progress, consent)
    with Guardian() as guardian, Ports() as ports:
        start = _Start(guardian, ports, guardian.own_folder(folder), progress)
        async with _one_error(), asyncio.TaskGroup() as both:
            broker_start = both.create_task(start.broker(sources[0], broker))
            database_start = both.create_task(start.database(sources[1], dsn))
        address, private_broker = broker_start.result()
        erp_dsn, private_database = database_start.result()
        yield Services(
            address.amqp_url, address.amqp_api, erp_dsn, private_broker, private_database
        )


@asynccontextmanager
async def start_private_broker(
    progress: Progress | None = None, consent: bool = False
) -> AsyncIterator[PrivateBroker]:
    """A broker to be killed, whatever the environment gives. Raises ServiceError."""
    progress = progress or SilentProgress()
    source, _ = await _provide(True, False, progress, consent)
    with Guardian() as guardian, Ports() as ports:
        _, broker = await _Start(guardian, ports, guardian.own_folder(), progress).broker(source)
        assert broker is not None
        yield broker


@asynccontextmanager
async def start_private_database(
    progress: Progress | None = None, consent: bool = False
) -> AsyncIterator[PrivateDatabase]:
    """A database server to be killed, whatever the environment gives. Raises ServiceError."""
    progress = progress or SilentProgress()
    _, source = await _provide(False, True, progress, consent)
    with Guardian() as guardian, Ports() as ports:
        start = _Start(guardian, ports, guardian.own_folder(), progress)
        _, database = await start.database(source)
        assert database is not None
        yield database


async def _provide(
    broker: bool, database: bool, progress: Progress, consent: bool
) -> tuple[Source, Source]:
    """Where the wanted ones come from, after installing what can only be had so."""
    chosen = _sources(broker, database)
    missing = [
        package
        for source, package in zip(chosen, (BROKER_PACKAGE, DATABASE_PACKAGE), strict=True)
        if source is Source.INSTALL
    ]
    if missing and may_install(missing, consent):
        await install(missing, progress)
        chosen = _sources(broker, database)
    if Source.INSTALL in chosen or Source.NOWHERE in chosen:
        raise ServiceError(advice(chosen))
    return chosen


def _sources(broker: bool, database: bool) -> tuple[Source, Source]:
    programs = (find_rabbitmq() is not None, find_postgres() is not None)
    missing = (broker and not programs[0]) or (database and not programs[1])
    docker, apt = missing and docker_is_there(), apt_is_there()
    return (
        choose_source(given=not broker, program=programs[0], docker=docker, apt=apt),
        choose_source(given=not database, program=programs[1], docker=docker, apt=apt),
    )


def advice(chosen: Sequence[Source]) -> str:
    """Three lines: what is missing, how to install it, how to do without."""
    unobtained = (Source.INSTALL, Source.NOWHERE)
    names = [
        name
        for source, name in zip(chosen, ("RabbitMQ", "PostgreSQL"), strict=True)
        if source in unobtained
    ]
    return (
        f"Missing on this machine: {' and '.join(names)}.\n"
        "Install RabbitMQ 3.10 or later with its management plugin and PostgreSQL 15 or later "
        "(Debian, Ubuntu: sudo apt-get install rabbitmq-server postgresql), or Docker with Compose;\n"
        "or set COMPTOIR_AMQP_URL and COMPTOIR_ERP_DSN to servers that run elsewhere."
    )


class _Start:
    """Starts one service, where it comes from being decided."""

    def __init__(self, guardian: Guardian, ports: Ports, folder: Path, progress: Progress) -> None:
        self._guardian = guardian
        self._ports = ports
        self._folder = folder
        self._progress = progress

    async def broker(
        self, source: Source, given: BrokerAddress | None = None
    ) -> tuple[BrokerAddress, PrivateBroker | None]:
        if given is not None:
            with self._progress.step("Waiting for the given RabbitMQ"):
                await until_broker_answers(given, GIVEN_SECONDS)
            return given, None
        with self._progress.step(f"Starting RabbitMQ{_in_docker(source)}"):
            broker = self._make_broker(source)
            await broker.start()
        return broker.address, broker

    async def database(
        self, source: Source, given: str | None = None
    ) -> tuple[str, PrivateDatabase | None]:
        if given:
            with self._progress.step("Waiting for the given PostgreSQL"):
                await until_database_answers(given, GIVEN_SECONDS)
            return given, None
        with self._progress.step(f"Starting PostgreSQL{_in_docker(source)}"):
            database = self._make_database(source)
            await database.start()
        return database.dsn, database

    def _make_broker(self, source: Source) -> PrivateBroker:
        if source is Source.DOCKER:
            return ContainerBroker(Containers(self._guardian))
        program = find_rabbitmq()
        assert program is not None
        return RabbitProcess(program, self._folder / "rabbitmq", self._ports, self._guardian)

    def _make_database(self, source: Source) -> PrivateDatabase:
        if source is Source.DOCKER:
            return ContainerDatabase(Containers(self._guardian))
        program = find_postgres()
        assert program is not None
        return PostgresProcess(program, self._guardian, self._ports, self._folder)


def _in_docker(source: Source) -> str:
    return " in Docker (the first time its image is fetched)" if source is Source.DOCKER else ""


@asynccontextmanager
async def _one_error() -> AsyncIterator[None]:
    """Of errors that came together, those of the services as one."""
    try:
        yield
    except ExceptionGroup as group:
        known, others = group.split(ServiceError)
        if known is None or others is not None:
            raise
        raise ServiceError("\n".join(str(error) for error in known.exceptions)) from None
