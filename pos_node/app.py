"""The till put together: the only place where its parts meet."""

import asyncio
import random
import socket
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from contracts.presence import Welcome
from contracts.topology import TillAddress, pos_scope
from messaging.amqp import AmqpBroker, address_of
from messaging.channel import Broker
from messaging.clock import Clock, SystemClock
from messaging.connection import Link
from messaging.consumer import OrderedConsumer
from messaging.observer import Observer
from messaging.publisher import Publisher
from messaging.rpc import Requester
from pos_node import journal
from pos_node.api.app import make_api
from pos_node.api.till import Till, no_trouble
from pos_node.cards import Cards
from pos_node.catchup import CatchUp, try_following
from pos_node.codes import Codes
from pos_node.contact import Contact
from pos_node.customers import Customers
from pos_node.enrolment import Enrolled
from pos_node.epoch import open_epoch
from pos_node.feed import FeedQueue, JournalSide
from pos_node.loads import Loads
from pos_node.operators import Operators
from pos_node.presence import Presence
from pos_node.questions import Questions
from pos_node.relay import Relay
from pos_node.retrieval import Retrieval
from pos_node.search import Searches
from pos_node.settings import Enrolment, PosSettings
from pos_node.store.database import Priority, Store, StoreError
from pos_node.store.journal import Standing, limit_progress, read_limit, read_standing
from pos_node.store.opening import open_store
from pos_node.store.owner import claim
from pos_node.store.privacy import make_folder
from pos_node.sweep import Sweep
from pos_node.tidying import Tidying
from pos_node.unheard import Unheard
from pos_node.urgent import Urgent, set_aside
from traces.inside import recorder_or_none
from web.passwords import Passwords
from web.server import listen, port_of, serve
from web.sessions import Gate, Sessions

DATABASE_FILE = "customers.db"
EPOCH_FILE = "epoch.txt"


def software_version() -> str:
    """The version of this installation."""
    try:
        return version("comptoir")
    except PackageNotFoundError:
        return "0.1.0"


class CannotRun(Exception):
    """Something outside the program must be mended first; the text says what and where."""


async def run_node(settings: PosSettings, who: Enrolment, say_ready: Callable[[str], None]) -> None:
    """Runs the till until cancelled; tells the URL once it serves, which needs no network.

    Raises StoreError, CannotRun.
    """
    async with AsyncExitStack() as stack:
        node = await open_node(settings, who, stack)
        listener = _listen(settings)
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(make_api(node.till, software_version()), listener, ready=ready))
            await ready.wait()
            say_ready(f"http://{settings.http_host}:{port_of(listener)}")
            for task in node.tasks():
                group.create_task(task)


def _listen(settings: PosSettings) -> socket.socket:
    try:
        return listen(settings.http_host, settings.http_port)
    except OSError as error:
        raise CannotRun(f"COMPTOIR_POS_HTTP_HOST and _PORT: {error.strerror or error}") from None


def _make_folder(data: Path) -> None:
    try:
        make_folder(data)
    except FileExistsError:
        raise CannotRun(f"COMPTOIR_POS_DATA: {data} is not a folder") from None
    except OSError as error:
        raise CannotRun(f"COMPTOIR_POS_DATA: {data}: {error.strerror or error}") from None


async def _check_owner(store: Store, who: Enrolment, data: Path) -> None:
    """Changes that wait in another till's file would be sent as this one's, and be taken for forged (I10)."""
    owner = await claim(store, who.pos_id)
    if owner != who.pos_id:
        raise CannotRun(
            f"COMPTOIR_POS_DATA: {data} belongs to the till {owner}, and the enrolment is that of "
            f"{who.pos_id}; give each till a folder of its own"
        )


@dataclass(frozen=True, slots=True)
class Node:
    """The parts that run, and what the HTTP API needs of them."""

    till: Till
    questions: Questions
    links: tuple[Link, ...]
    tasks: Callable[[], tuple[Coroutine[Any, Any, None], ...]]


@dataclass(frozen=True, slots=True)
class Outside:
    """What a till needs of the world. `store`: its file, open. `folder`: where a first load makes its new file.
    `broker_address`: its host and port, for the log."""

    pos_id: str
    address: TillAddress
    store: Store
    folder: Path
    broker: Broker
    clock: Clock
    rng: random.Random
    observer: Observer
    storage: Callable[[], str | None] = no_trouble
    broker_address: str = ""


async def open_node(settings: PosSettings, who: Enrolment, stack: AsyncExitStack) -> Node:
    """Opens the till's file and makes every part; `stack` closes what was opened. A damaged file is
    set aside and its journal saved (store.opening). Raises StoreError, CannotRun."""
    clock = SystemClock()
    address = TillAddress(who.pos_id, who.centre, full=who.mode == "full")
    _make_folder(settings.data)
    stamp = clock.now().strftime("%Y%m%dT%H%M%S")
    store = await open_store(settings.data / DATABASE_FILE, stamp=stamp, fold=journal.fold)
    stack.push_async_callback(store.close)
    await _check_owner(store, who, settings.data)
    observer, end_trace = recorder_or_none(settings.trace, address.user, clock, settings.trace_key)
    stack.callback(end_trace)
    outside = Outside(
        who.pos_id, address, store, settings.data, AmqpBroker(who.amqp_url), clock,
        random.Random(), observer, lambda: store.trouble, address_of(who.amqp_url),
    )  # fmt: skip
    node = await make_node(outside)
    stack.push_async_callback(node.till.searches.close)
    return node


async def make_node(outside: Outside) -> Node:
    """Puts the parts together, on a file that knows its epoch and its feeds then. Raises StoreError."""
    store, clock, rng = outside.store, outside.clock, outside.rng
    address, pos_id, observer = outside.address, outside.pos_id, outside.observer
    epoch_file = outside.folder / EPOCH_FILE
    at_start = await open_epoch(store, epoch_file, rng)
    with suppress(StoreError):  # a full disk: the relay compares what it sent itself
        if await store.read(read_limit) is None:
            await store.write(limit_progress, priority=Priority.JOURNAL)
    await try_following(store, address.scopes)

    def link(name: str) -> Link:
        address = outside.broker_address
        return Link(outside.broker, f"{pos_id} {name}", clock=clock, rng=rng, address=address)

    incoming, outgoing, asking = link("feed"), link("journal"), link("questions")
    requester = Requester(address.reply_queue, rng=rng, observer=observer)
    publisher = Publisher(f"{pos_id} publisher", observer=observer)

    contact = Contact(asyncio.get_running_loop().time)
    questions = Questions(requester, pos_id, clock=clock, rng=rng, contact=contact)
    presence: Presence

    def online() -> bool:
        return presence.online

    enrolled = Enrolled(address, clock.now)

    async def hear_welcome(welcome: Welcome, asked: Standing) -> None:
        enrolled.hear(welcome)
        await relay.hear_welcome(welcome, asked)
        await unheard.hear(welcome, asked)

    relay = Relay(
        store, publisher, outgoing, pos_id,
        at_start=at_start, epoch_file=epoch_file, online=online, rng=rng,
    )  # fmt: skip
    presence = Presence(
        questions, contact, asking, lambda: store.read(read_standing),
        clock=clock, rng=rng, instance=f"{rng.getrandbits(64):016x}",
        software=software_version(), on_welcome=hear_welcome,
    )  # fmt: skip
    side = JournalSide(
        fold=journal.fold,
        take_progress=journal.take_progress,
        take_verdict=lambda connection, key, verdict: journal.take_verdict(
            connection, key, verdict, clock.now()
        ),
        settle=journal.settle,
    )
    loads = Loads(store, outside.folder, journal.fold)
    tidying = Tidying(store)
    catch_up = CatchUp(store, questions, loads, side, address.scopes, applied=tidying.note, rng=rng)
    unheard = Unheard(pos_scope(pos_id), store, catch_up.want)
    sweep = Sweep(store, questions, side, address.scopes, pull=catch_up.want, rng=rng)
    feed = FeedQueue(
        store, address.scopes, side, catch_up.want, tidying.note, later=enrolled.will_follow
    )
    cards = Cards(
        store, questions, online=online, wake_relay=relay.wake,
        pos_id=pos_id, centre=address.centre, clock=clock, rng=rng,
    )  # fmt: skip
    urgent = Urgent(presence, relay, cards)
    incoming.add(
        OrderedConsumer(
            address.feed_queue,
            feed.handle,
            set_aside,
            rng=rng,
            transient=(StoreError,),
            observer=observer,
        )
    )
    incoming.listen(lambda state: catch_up.want_all() if state.ready else None)
    outgoing.add(publisher)
    asking.add(requester)
    asking.add(
        OrderedConsumer(
            address.urgent_queue,
            urgent.handle,
            set_aside,
            rng=rng,
            transient=(StoreError,),
            observer=observer,
        )
    )
    asking.listen(lambda state: catch_up.want_all() if state.ready else None)
    operators = Operators(store, Passwords(), clock.now, centre=address.centre, pos_id=pos_id)
    sessions = Sessions(clock.now)
    searches = Searches(
        store, questions, Retrieval(store, questions, pos_id=pos_id),
        online=online, pos_id=pos_id, centre=address.centre, rng=rng,
    )  # fmt: skip
    till = Till(
        pos_id=pos_id, centre=address.centre, store=store,
        customers=Customers(
            store, Codes(questions, contact, online=online), wake_relay=relay.wake,
            pos_id=pos_id, centre=address.centre, clock=clock, rng=rng,
        ),
        cards=cards, searches=searches, presence=presence, relay=relay, operators=operators, sessions=sessions,
        gate=Gate(sessions, operators.find), clock=clock, loading=catch_up.loading, tidying=tidying.pending,
        storage=outside.storage, moved=enrolled.moved,
    )  # fmt: skip
    links = (incoming, outgoing, asking)
    running = (*links, relay, presence, catch_up, sweep, tidying)
    return Node(till, questions, links, lambda: tuple(part.run() for part in running))
