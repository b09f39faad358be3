"""Recording from outside: a queue bound to everything on a live bus, as a user made for it.

Seen is what goes through the exchanges: pages, urgent messages, journals, questions, dead letters.
Answers go to queues directly, and what nodes do with a message happens inside: for these, record
inside. The queue is exclusive and bounded: whoever records slowly loses lines, nobody else anything.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from contracts.topology import DEAD, FEED, JOURNAL, QUESTIONS, RPC, URGENT, Binding, Rights, pos_of
from messaging.admin import AdminError, Administers, hash_password
from messaging.amqp import AmqpBroker, AmqpConnection
from messaging.amqp_channel import AmqpChannel
from messaging.channel import Delivery
from messaging.observer import Event, Observer

WAITING_BYTES = 32 * 1024 * 1024
"""Of messages the broker keeps for a recorder that is slow."""
NEW_TILLS_S = 5.0
"""Seconds between looks for tills that were enrolled meanwhile."""
NOT_FOUND = 404
GUEST = "trace."
RIGHTS = Rights(
    configure=r"^amq\.gen-.*$",
    write=r"^amq\.gen-.*$",
    read=r"^(amq\.gen-.*|comptoir\.(feed|urgent|journal|rpc|dead))$",
)
"""Of the recording user: its own queue, and to look at the exchanges. It can publish nothing."""


class WrongVhost(ValueError):
    """The bus has no such virtual host; the text names it."""


def bindings_of(queue: str, tills: Iterable[str]) -> tuple[Binding, ...]:
    """Everything that goes through an exchange; a direct exchange is bound key by key."""
    return (
        *(Binding(exchange, "#", queue) for exchange in (FEED, URGENT, DEAD)),
        *(Binding(RPC, question, queue) for question in QUESTIONS),
        *(Binding(JOURNAL, till, queue) for till in tills),
    )


def vhost_of(amqp_url: str) -> str:
    """The virtual host of an AMQP address."""
    return unquote(urlsplit(amqp_url).path.removeprefix("/")) or "/"


async def record_bus(
    amqp_url: str,
    admin: Administers,
    observer: Observer,
    *,
    rng: random.Random,
    ready: asyncio.Event,
) -> None:
    """Tells `observer` every message until cancelled; `ready` is set once all is bound.

    `amqp_url`: host, port and virtual host; its user is not used. Raises WrongVhost, MessagingError when
    the connection is lost, and messaging.admin.AdminError.
    """
    async with _guest(amqp_url, admin, rng) as url:
        connection = await AmqpBroker(url).connect("trace")
        try:
            await _watch(connection, admin, observer, ready)
        finally:
            await connection.close()


async def _watch(
    connection: AmqpConnection, admin: Administers, observer: Observer, ready: asyncio.Event
) -> None:
    channel = await connection.channel(confirms=False, prefetch=0)
    queue = await channel.declare_temporary(WAITING_BYTES)

    def take(delivery: Delivery) -> None:
        observer(Event("sent", "ok", delivery, delivery.exchange))

    await channel.consume(queue, take, acks=False)
    bound: set[Binding] = set()
    while not channel.closed.done():
        await _bind_new(channel, bindings_of(queue, await _tills(admin)), bound)
        ready.set()
        await asyncio.wait([channel.closed], timeout=NEW_TILLS_S)
    raise channel.closed.result()


async def _bind_new(channel: AmqpChannel, wanted: Iterable[Binding], bound: set[Binding]) -> None:
    for binding in wanted:
        if binding not in bound:
            await channel.bind(binding)
            bound.add(binding)


async def _tills(admin: Administers) -> list[str]:
    return [till for user in await admin.users() if (till := pos_of(user.name)) is not None]


@asynccontextmanager
async def _guest(amqp_url: str, admin: Administers, rng: random.Random) -> AsyncIterator[str]:
    """A user for this recording alone; those that killed recordings left behind go as well."""
    here = f"{GUEST}{vhost_of(amqp_url)}."
    at_work = await _connected(admin, vhost_of(amqp_url))
    for user in await admin.users():
        if user.name.startswith(here) and user.name not in at_work:
            await admin.delete_user(user.name)
    name, password = f"{here}{rng.getrandbits(48):012x}", f"{rng.getrandbits(192):048x}"
    await admin.put_user(name, password_hash=hash_password(password, rng.randbytes(4)))
    try:
        await admin.put_rights(name, RIGHTS)
        yield _as_user(amqp_url, name, password)
    finally:
        await admin.delete_user(name)


async def _connected(admin: Administers, vhost: str) -> set[str]:
    """The users with a connection."""
    try:
        return {connection.user for connection in await admin.connections()}
    except AdminError as error:
        if error.status == NOT_FOUND:
            raise WrongVhost(f"there is no virtual host {vhost}") from error
        raise


def _as_user(amqp_url: str, name: str, password: str) -> str:
    parts = urlsplit(amqp_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(name, safe='')}:{password}@{host}"))
