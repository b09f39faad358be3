"""Enrolling tills: a broker user, queues and a place in the table each; and how far each is (SYNC-7)."""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Protocol, get_args
from zlib import crc32

from contracts.customers import Code
from contracts.topology import (
    JOURNAL_PARTITIONS,
    POS_ID,
    Rights,
    TillAddress,
    Topology,
    erp_topology,
    till_topology,
    user_of,
)
from erp_node.centres import known_centres, unknown_place
from erp_node.store import tills as store
from erp_node.store.pool import Pool
from erp_node.store.tills import EnrolledTill, HeardTill, Mode
from messaging.admin import AdminError, Administers, hash_password
from messaging.channel import Channel
from messaging.topology import declare, remove

ONLINE_S = 25.0
"""A till greets every ten seconds; two may be lost."""
NOT_FOUND = 404

_POS = re.compile(POS_ID)
_CENTRE = re.compile(get_args(Code)[1].metadata[0].pattern)
_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class WrongTill(ValueError):
    """A till cannot be enrolled or retired like this; `code`, its `params` and `field` say why."""

    def __init__(
        self, code: str, field: str, text: str, params: Mapping[str, str] = _NO_PARAMS
    ) -> None:
        super().__init__(f"{field}: {text}")
        self.code = code
        self.field = field
        self.params = dict(params)


class BrokerUsers(Protocol):
    """What enrolling needs of messaging.admin.Admin."""

    async def put_user(
        self, name: str, *, password_hash: str, tags: tuple[str, ...] = ()
    ) -> None: ...

    async def delete_user(self, name: str) -> None: ...

    async def put_rights(self, user: str, rights: Rights) -> None: ...


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a till must be given: the password is told once and kept nowhere."""

    pos_id: str
    centre: str
    mode: Mode
    user: str
    password: str

    def file(self, amqp_url: str) -> str:
        """The text of the enrolment file a till starts from (TOML); `amqp_url` holds its user and password."""
        lines = {"pos_id": self.pos_id, "centre": self.centre, "mode": self.mode}
        written = {**lines, "amqp_url": amqp_url}
        return "".join(f'{name} = "{value}"\n' for name, value in written.items())


@dataclass(frozen=True, slots=True)
class ScopeStanding:
    scope: str
    cursor: int
    head: int

    @property
    def behind(self) -> int:
        return max(0, self.head - self.cursor)


@dataclass(frozen=True, slots=True)
class TillStanding:
    """How far one till is, as it last said. `twice`: two processes greet under its name."""

    pos_id: str
    centre: str
    mode: Mode
    online: bool
    seen_at: datetime | None
    software: str | None
    waiting: int
    oldest_waiting_at: datetime | None
    scopes: tuple[ScopeStanding, ...]
    twice: bool = False

    @property
    def behind(self) -> int:
        return sum(one.behind for one in self.scopes)


async def enrol_till(
    pool: Pool, users: BrokerUsers, channel: Channel, pos_id: str, centre: str, mode: Mode = "full"
) -> Enrolment:
    """Gives a till its user, rights, queues and bindings; again: a new password, the new centre and mode.

    Raises WrongTill, messaging.admin.AdminError, or MessagingError.
    """
    _check(pos_id, centre, mode)
    await _check_known(pool, centre)
    password = secrets.token_urlsafe(24)
    hashed = hash_password(password, secrets.token_bytes(4))
    till = EnrolledTill(pos_id, centre, mode, partition_of(pos_id), hashed)
    before = await store.find(pool, pos_id)
    await store.enrol(pool, till)
    await put_user(users, till)
    await _declare(channel, till, before)
    return Enrolment(pos_id, centre, mode, user_of(pos_id), password)


async def retire_till(pool: Pool, users: BrokerUsers, channel: Channel, pos_id: str) -> bool:
    """Takes a till's user and queues away, and what the feeds kept for it; False when it was retired before.

    Right to repeat when it failed halfway, as often as wanted. Raises WrongTill when there never was
    such a till, messaging.admin.AdminError, or MessagingError.
    """
    till = await store.find(pool, pos_id)
    if till is None:
        raise WrongTill("till.unknown", "pos_id", f"no till {pos_id} is enrolled")
    async with pool.acquire() as connection, connection.transaction():
        await store.retire(connection, pos_id)
    try:
        await users.delete_user(user_of(pos_id))
    except AdminError as error:
        if error.status != NOT_FOUND:
            raise
    await remove(channel, till_topology(till.address, till.partition))
    return till.active


async def declare_everything(pool: Pool, channel: Channel) -> None:
    """Declares what is there once and what each till has: after a wiped broker all is there again."""
    await declare(channel, erp_topology())
    enrolled = await store.list_active(pool)
    for till in enrolled:
        await declare(channel, topology_of(till))
    await take_back(pool, channel, enrolled)


async def take_back(pool: Pool, channel: Channel, declared: Iterable[EnrolledTill]) -> None:
    """After tills were declared: undoes that for those retired or enrolled otherwise meanwhile."""
    now = {till.pos_id: till for till in await store.list_active(pool)}
    for before in declared:
        till = now.get(before.pos_id)
        if till is None:
            await remove(channel, topology_of(before))
        elif topology_of(till) != topology_of(before):
            await _declare(channel, till, before)


async def put_users_back(pool: Pool, admin: Administers) -> int:
    """Makes the users of enrolled tills that the broker no longer knows, and gives the others their
    rights in the virtual host where these are missing or different; how many those were.

    A user that is there keeps its password: somebody may be enrolling that till again just now.
    """
    there = {user.name for user in await admin.users()}
    rights = await admin.rights()
    back = 0
    for till in await store.list_active(pool):
        user = user_of(till.pos_id)
        if user not in there:
            await put_user(admin, till)
        elif rights.get(user) != till.address.rights:
            await admin.put_rights(user, till.address.rights)
        else:
            continue
        back += 1
    return back


def topology_of(till: EnrolledTill) -> Topology:
    """What an enrolled till has on the broker."""
    return till_topology(till.address, till.partition)


async def put_user(users: BrokerUsers, till: EnrolledTill) -> None:
    """A till's broker user with the rights of contracts.topology and nothing more."""
    user = user_of(till.pos_id)
    await users.put_user(user, password_hash=till.password_hash)
    await users.put_rights(user, till.address.rights)


async def list_standings(pool: Pool) -> list[TillStanding]:
    """Every active till: whether it is there, how many rows behind, what waits in its journal."""
    heads = await store.read_heads(pool)
    return [standing_of(till, heads) for till in await store.list_heard(pool, ONLINE_S)]


def standing_of(till: HeardTill, heads: dict[str, int]) -> TillStanding:
    """Compares what a till last said with the feeds' heads."""
    hello = till.hello
    cursors = hello.cursors if hello else {}
    scopes = TillAddress(till.pos_id, till.centre, full=till.mode == "full").scopes
    return TillStanding(
        pos_id=till.pos_id,
        centre=till.centre,
        mode=till.mode,
        online=till.online,
        seen_at=till.seen_at,
        software=hello.software if hello else None,
        waiting=hello.waiting if hello else 0,
        oldest_waiting_at=hello.oldest_waiting_at if hello else None,
        scopes=tuple(ScopeStanding(s, cursors.get(s, 0), heads.get(s, 0)) for s in scopes),
        twice=till.twice,
    )


def partition_of(pos_id: str) -> int:
    """The journal partition of a till: always the same, spread evenly."""
    return crc32(pos_id.encode()) % JOURNAL_PARTITIONS


async def _declare(channel: Channel, till: EnrolledTill, before: EnrolledTill | None) -> None:
    """Declares a till's queues, and unbinds what its former centre or mode bound."""
    wanted = till_topology(till.address, till.partition)
    await declare(channel, erp_topology())
    await declare(channel, wanted)
    former = till_topology(before.address, before.partition) if before else Topology()
    for binding in set(former.bindings) - set(wanted.bindings):
        await channel.unbind(binding)


async def _check_known(pool: Pool, centre: str) -> None:
    if unknown_place([centre], await known_centres(pool)) is not None:
        text = f"there is no centre {centre}"
        raise WrongTill("request.centre_unknown", "centre", text, {"centre": centre})


def _check(pos_id: str, centre: str, mode: str) -> None:
    if not _POS.fullmatch(pos_id):
        raise WrongTill(
            "till.wrong_id",
            "pos_id",
            f"{pos_id}: lower-case letters, digits and dashes, at most 40",
        )
    if not _CENTRE.fullmatch(centre):
        raise WrongTill("till.wrong_centre", "centre", f"{centre} cannot be a centre's code")
    if mode not in get_args(Mode):
        raise WrongTill("till.wrong_mode", "mode", f"{mode} is not full or local_only")
