"""What the ERP's commands do, from settings to done; what a person can mend ends in CannotDo."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from errno import EISDIR
from pathlib import Path
from typing import TextIO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from contracts.topology import Rights, erp_topology
from erp_node import reference, tills
from erp_node.centres import known_centres
from erp_node.imports import Import, ImportReport, WrongFile, import_file
from erp_node.reference_file import WrongLine, load_reference
from erp_node.settings import ErpSettings
from erp_node.store.faults import is_transient
from erp_node.store.migrations import WrongDatabase, migrate
from erp_node.store.pool import Pool, open_pool
from erp_node.store.tills import Mode
from messaging.admin import Admin, AdminError, hash_password
from messaging.amqp import AmqpBroker
from messaging.channel import Channel, MessagingError
from messaging.failures import describe
from messaging.topology import apply_policies, declare
from web.passwords import Passwords


class CannotDo(Exception):
    """Something outside the program must be mended first; the text says what and where."""


ALL_RIGHTS = Rights(configure=".*", write=".*", read=".*")
"""The ERP's own user, within its own virtual host."""


async def set_up(settings: ErpSettings) -> list[str]:
    """Migrates the database; makes the ERP's virtual host, user, exchanges, queues and limits."""
    done = []
    async with mendable():
        applied = await migrate(settings.dsn)
        done.append(
            f"database: {len(applied)} migrations applied" if applied else "database: up to date"
        )
        if settings.amqp_admin_url:
            async with admin_of(settings) as admin:
                await make_erp_user(settings, admin)
        async with channel_of(settings) as channel:
            await declare(channel, erp_topology())
    done.append("broker: virtual host, user, exchanges and queues are there")
    return done


async def import_with_progress(
    settings: ErpSettings,
    file: Path,
    rejects: Path,
    console: Console,
    load: Import = import_file,
) -> ImportReport:
    """Imports a file, of customers or of what `load` imports, with a progress bar."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    async with mendable(), pool_of(settings) as pool:
        with bar:
            size = file.stat().st_size
            task = bar.add_task(f"importing {file.name}", total=size)
            report = await load(
                pool,
                file,
                rejects_path=rejects,
                on_progress=lambda read: bar.update(task, completed=read),
            )
            # A header alone, a byte order mark and the ends of lines are read with no row.
            bar.update(task, completed=size)
            return report


async def enrol(settings: ErpSettings, pos_id: str, centre: str, mode: Mode, path: Path) -> bool:
    """Enrols a till and writes its enrolment file, readable by its owner alone; whether its centre is defined, which
    is not asked for as long as no centre is.

    A file that cannot be written is found out before the till gets another password.
    """
    with _private_file(path) as file:
        async with (
            mendable(),
            pool_of(settings) as pool,
            admin_of(settings) as admin,
            channel_of(settings) as channel,
        ):
            enrolment = await tills.enrol_till(pool, admin, channel, pos_id, centre, mode)
            defined = centre in await known_centres(pool)
        url = till_url(settings.amqp_url, enrolment.user, enrolment.password)
        file.write(enrolment.file(url))
    return defined


@contextmanager
def _private_file(path: Path) -> Iterator[TextIO]:
    """A new file that takes the place of what is at `path` once all went well. Raises CannotDo."""
    begun = path.with_name(f".{path.name}.new")
    try:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        begun.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            with os.fdopen(os.open(begun, flags, 0o600), "w") as file:
                yield file
            begun.replace(path)
        finally:
            begun.unlink(missing_ok=True)
    except OSError as error:
        raise CannotDo(f"{path}: {error.strerror or error}") from None


async def retire(settings: ErpSettings, pos_id: str) -> bool:
    """Takes a till's broker user and queues away; False when it was retired before."""
    async with (
        mendable(),
        pool_of(settings) as pool,
        admin_of(settings) as admin,
        channel_of(settings) as channel,
    ):
        return await tills.retire_till(pool, admin, channel, pos_id)


async def add_erp_user(
    settings: ErpSettings, name: str, password: str, rights: list[str] | None
) -> None:
    """Adds a user of the ERP's API, or changes one."""
    from erp_node.operators import UnknownRight, WrongUser, set_user  # with them comes all of HTTP

    async with mendable(), pool_of(settings) as pool:
        try:
            await set_user(pool, Passwords(), name, password, rights)
        except (UnknownRight, WrongUser) as error:
            raise CannotDo(str(error)) from None


async def load_reference_file(settings: ErpSettings, file: Path) -> int:
    """Loads reference records, one JSON object per line; nothing is loaded when a line is wrong."""
    lines = _lines(file)
    async with mendable(), pool_of(settings) as pool:
        return await load_reference(pool, lines)


def till_url(erp_url: str, user: str, password: str) -> str:
    """The broker's address as a till reaches it: the ERP's, with the till's own user."""
    parts = urlsplit(erp_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))


def vhost_of(amqp_url: str) -> str:
    """The virtual host in an AMQP address."""
    return unquote(urlsplit(amqp_url).path[1:]) or "/"


@asynccontextmanager
async def pool_of(settings: ErpSettings) -> AsyncIterator[Pool]:
    """Database connections for one command. Raises CannotDo when the database is not set up."""
    pool = await open_pool(settings.dsn, max_size=4)
    try:
        yield pool
    except asyncpg.UndefinedTableError:
        raise CannotDo("the database is not set up yet: run `comptoir erp setup`") from None
    finally:
        await pool.close()


@asynccontextmanager
async def admin_of(settings: ErpSettings) -> AsyncIterator[Admin]:
    """The broker's management API. Raises CannotDo when it is not configured."""
    if not settings.amqp_admin_url:
        raise CannotDo("COMPTOIR_AMQP_ADMIN_URL: needed for this, and not set")
    async with Admin(settings.amqp_admin_url, vhost_of(settings.amqp_url)) as admin:
        yield admin


@asynccontextmanager
async def channel_of(settings: ErpSettings) -> AsyncIterator[Channel]:
    """A channel as the ERP's own user, for one command."""
    connection = await AmqpBroker(settings.amqp_url).connect("erp command")
    try:
        yield await connection.channel(confirms=True, prefetch=0)
    finally:
        await connection.close()


@asynccontextmanager
async def mendable() -> AsyncIterator[None]:
    """Turns what a person can mend into CannotDo."""
    try:
        yield
    except (
        WrongDatabase,
        WrongFile,
        WrongLine,
        tills.WrongTill,
        reference.WrongRecord,
    ) as error:
        raise CannotDo(str(error)) from None
    except AdminError as error:
        raise CannotDo(f"COMPTOIR_AMQP_ADMIN_URL: {error}") from None
    except MessagingError as error:
        raise CannotDo(f"COMPTOIR_AMQP_URL: {error}") from None
    except OSError as error:
        where = error.filename or "COMPTOIR_ERP_DSN"
        raise CannotDo(f"{where}: {error.strerror or error}") from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CannotDo(f"COMPTOIR_ERP_DSN: {_without_data(error)}") from None


def _without_data(error: asyncpg.PostgresError | asyncpg.InterfaceError) -> str:
    """What PostgreSQL said, unless it lies in the data: then its words may hold a customer's."""
    return str(error).partition("\n")[0] if is_transient(error) else describe(error)


async def make_erp_user(settings: ErpSettings, admin: Admin) -> None:
    """Makes the ERP's virtual host and user, and sets the limits. Raises AdminError, CannotDo."""
    parts = urlsplit(settings.amqp_url)
    user = unquote(parts.username or "guest")
    if user == urlsplit(settings.amqp_admin_url or "").username:
        raise CannotDo(
            f"COMPTOIR_AMQP_URL: {user} is the administrator; give the ERP a user of its own"
        )
    await admin.put_vhost(vhost_of(settings.amqp_url))
    # It puts dead letters back as their tills sent them: RabbitMQ calls that impersonating.
    await admin.put_user(
        user,
        password_hash=hash_password(unquote(parts.password or ""), os.urandom(4)),
        tags=("impersonator",),
    )
    await admin.put_rights(user, ALL_RIGHTS)
    await apply_policies(admin, erp_topology().policies)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CannotDo(f"{file}: {error}") from None
