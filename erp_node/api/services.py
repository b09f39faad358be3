"""What the ERP's HTTP API needs of its node."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from erp_node.feed import Feed
from erp_node.operators import Operators
from erp_node.store.pool import Pool
from messaging.admin import Administers
from messaging.channel import Channel
from messaging.clock import Clock
from messaging.connection import LinkState
from messaging.publisher import Publisher
from web.passwords import Passwords
from web.sessions import Gate, Sessions

OpenChannel = Callable[[], AbstractAsyncContextManager[Channel]]
"""A channel for one piece of work, on a connection of its own; with confirms."""


@dataclass(frozen=True, slots=True)
class Broker:
    """The message broker as people at the ERP see and change it.

    `admin`: its management API, None when not configured. `till_url`: the address with which a
    till of this user and password connects. `links`: the node's connections, by name.
    """

    channel: OpenChannel
    publisher: Publisher
    links: Callable[[], dict[str, LinkState]]
    till_url: Callable[[str, str], str]
    admin: Administers | None = None


@dataclass(frozen=True, slots=True)
class ErpServices:
    """Made by the wiring. `pool` must allow a connection per request under way."""

    pool: Pool
    feed: Feed
    clock: Clock
    operators: Operators
    passwords: Passwords
    sessions: Sessions
    gate: Gate
    broker: Broker
    new_id: Callable[[], UUID]
