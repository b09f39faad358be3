"""The ERP node put together: the only place where its parts meet."""

import asyncio
import random
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from uuid import UUID

import structlog

from contracts import envelope
from contracts.cards import CardStopped
from contracts.envelope import Headers
from contracts.journal import Resend
from contracts.topology import (
    ALL,
    FEED,
    JOURNAL_PARTITIONS,
    QUESTIONS,
    URGENT,
    journal_queue,
    pos_scope,
    question_queue,
)
from erp_node import tills
from erp_node.api.app import make_api
from erp_node.api.services import Broker, ErpServices, OpenChannel
from erp_node.beat import Heart, PublishBeat
from erp_node.callers import Callers
from erp_node.card_counter import AT_ONCE, Counter
from erp_node.cards import CardDesk
from erp_node.declarations import Declarations
from erp_node.feed import Feed
from erp_node.handlers import Parts, journal_handler, question_handler
from erp_node.journal import AskAgain, Intake
from erp_node.letters import Letters, Mail
from erp_node.login import Login
from erp_node.mail import MailServer
from erp_node.operators import Operators
from erp_node.pages import BuiltPage, PageBuilder
from erp_node.pressure import Pressure
from erp_node.questions import Desk, refuse
from erp_node.queues import keep_queues
from erp_node.search import SearchDesk
from erp_node.sequencer import PublishPage, PublishStop, Sequencer
from erp_node.settings import ErpSettings
from erp_node.setup import CannotDo, admin_of, channel_of, mendable, till_url
from erp_node.smtp_url import read_smtp_url
from erp_node.store.migrations import migrate
from erp_node.store.pool import Pool, open_pool
from erp_node.store.search import open_question_pool
from erp_node.upkeep import keep_tidy
from messaging.admin import Administers
from messaging.amqp import address_of
from messaging.channel import Broker as AnyBroker
from messaging.channel import Message
from messaging.clock import Clock, SystemClock
from messaging.connection import Link
from messaging.consumer import OrderedConsumer
from messaging.dead import DeadLetters
from messaging.failures import describe
from messaging.observer import Observer
from messaging.publisher import Publisher
from messaging.responder import Responder
from traces.inside import recorder_or_none
from web.passwords import Passwords
from web.server import listen, port_of, serve
from web.sessions import Gate, Sessions

ASKED_AT_ONCE = {"card": AT_ONCE}
"""Questions about cards are decided together."""

PUBLISHING, JOURNAL, ASKED = "erp publishing", "erp journal", "erp questions"

log = structlog.get_logger()


def software_version() -> str:
    """The version of this installation."""
    try:
        return version("comptoir")
    except PackageNotFoundError:
        return "0.1.0"


class NodeFailed(Exception):
    """The node ended by a fault of its own; the log says where, without anybody's data."""


async def run_node(settings: ErpSettings, say_ready: Callable[[str], None]) -> None:
    """Runs the ERP node until cancelled; tells the URL once it serves. Raises NodeFailed, CannotDo."""
    async with AsyncExitStack() as stack:
        async with mendable():
            await migrate(settings.dsn)
            node = await open_node(settings, stack)
        listener = _listen(settings)
        url = f"http://{settings.http_host}:{port_of(listener)}"
        try:
            await _run_parts(node, listener, lambda: say_ready(url))
        except Exception as error:
            for one in _each(error):
                log.critical("the node ends", action="failed", error=describe(one))
            raise NodeFailed from None


def _listen(settings: ErpSettings) -> socket.socket:
    try:
        return listen(settings.http_host, settings.http_port)
    except OSError as error:
        raise CannotDo(f"COMPTOIR_ERP_HTTP_HOST and _PORT: {error.strerror or error}") from None


async def _run_parts(node: "Node", listener: socket.socket, say_ready: Callable[[], None]) -> None:
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(make_api(node.services, software_version()), listener, ready=ready))
        await ready.wait()
        for task in node.tasks():
            group.create_task(task)
        say_ready()


def _each(error: Exception) -> Iterator[Exception]:
    """The exceptions of a group, one by one."""
    if isinstance(error, ExceptionGroup):
        for one in error.exceptions:
            yield from _each(one)
    else:
        yield error


@dataclass(frozen=True, slots=True)
class Node:
    """The parts that run, and what the HTTP API needs of them."""

    services: ErpServices
    links: tuple[Link, ...]
    sequencer: Sequencer
    heart: Heart
    keep_queues: Callable[[], Coroutine[Any, Any, None]] | None = None
    letters: Letters | None = None

    def tasks(self) -> tuple[Coroutine[Any, Any, None], ...]:
        links = (link.run() for link in self.links)
        kept = () if self.keep_queues is None else (self.keep_queues(),)
        letters = () if self.letters is None else (self.letters.run(),)
        clean = keep_tidy(self.services.pool)
        return (*links, self.sequencer.run(), self.heart.run(), clean, *kept, *letters)


@dataclass(frozen=True, slots=True)
class Outside:
    """What a node needs of the world. `asked`: connections for questions of tills (store.search.open_question_pool).

    `admin`: the broker's management, None when not configured. `till_url`: the broker's address for a till's
    user and password. `beat_s`: seconds between two signs of life. `broker_address`: its host and port, for the log.
    `mail`: the mail server, None when not configured: letters wait then.
    """

    pool: Pool
    asked: Pool
    broker: AnyBroker
    admin: Administers | None
    open_channel: OpenChannel
    till_url: Callable[[str, str], str]
    clock: Clock
    rng: random.Random
    observer: Observer
    beat_s: float
    broker_address: str = ""
    mail: Mail | None = None


@dataclass(frozen=True, slots=True)
class _Tools:
    """What nearly every part takes."""

    clock: Clock
    rng: random.Random
    publisher: Publisher
    dead: DeadLetters
    observer: Observer

    def new_id(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128), version=4)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


async def open_node(settings: ErpSettings, stack: AsyncExitStack) -> Node:
    """Opens what the node needs of the world and makes it; `stack` closes what was opened."""
    clock = SystemClock()
    observer, end_trace = recorder_or_none(settings.trace, "erp", clock, settings.trace_key)
    stack.callback(end_trace)
    pool = await stack.enter_async_context(
        await open_pool(settings.dsn, max_size=settings.pool_size)
    )
    asked = await stack.enter_async_context(await open_question_pool(settings.dsn))
    admin = await stack.enter_async_context(admin_of(settings)) if settings.amqp_admin_url else None
    return make_node(
        Outside(
            pool, asked, Login(settings), admin, partial(channel_of, settings),
            partial(till_url, settings.amqp_url), clock, random.Random(), observer, settings.beat_s,
            address_of(settings.amqp_url), _mail_of(settings),
        )
    )  # fmt: skip


def _mail_of(settings: ErpSettings) -> MailServer | None:
    if settings.smtp_url is None or settings.smtp_from is None:
        log.info("letters to customers wait: COMPTOIR_ERP_SMTP_URL is not set", action="mail_none")
        return None
    return MailServer(read_smtp_url(settings.smtp_url), settings.smtp_from)


def make_node(outside: Outside) -> Node:
    """Puts the parts together. Opens nothing, starts nothing."""
    pool, clock = outside.pool, outside.clock
    publisher = Publisher("erp publisher", observer=outside.observer)
    dead = DeadLetters(publisher, clock)
    tools = _Tools(clock, outside.rng, publisher, dead, outside.observer)

    def link(name: str) -> Link:
        return Link(
            outside.broker, name, clock=clock, rng=tools.rng, address=outside.broker_address
        )

    publishing, journal, questions = link(PUBLISHING), link(JOURNAL), link(ASKED)
    callers = Callers(tools.monotonic)
    pressure = Pressure(tools.monotonic)
    desk = Desk(pool, callers, clock, tools.new_id)
    builder = PageBuilder(pool, clock, tools.new_id)
    feed = Feed(desk, builder, tools.monotonic)
    publishing.add(Declarations(pool, outside.admin))
    publishing.add(publisher)
    parts: Parts = {
        Intake: Intake(pool, callers, _resend_with(tools), tools.monotonic, pressure),
        Feed: feed,
        SearchDesk: SearchDesk(outside.asked, callers, clock, tools.new_id, tools.monotonic),
        CardDesk: CardDesk(pool, callers, clock, tools.new_id, Counter(pool)),
        Desk: desk,
    }
    for consumer in _consumers(tools, parts):
        journal.add(consumer)
    for responder in _responders(tools, parts, desk):
        questions.add(responder)
    links = (publishing, journal, questions)
    return Node(
        _services(outside, tools, feed, links),
        links,
        Sequencer(
            pool, builder, _page_with(tools), _stop_with(tools), pressure, rng=tools.rng
        ),
        Heart(
            pool, builder, _page_with(tools), _beat_with(tools),
            clock=clock, new_id=tools.new_id, interval_s=outside.beat_s,
        ),
        partial(_keep_queues, outside, outside.admin) if outside.admin else None,
        Letters(pool, outside.mail, rng=tools.rng) if outside.mail else None,
    )  # fmt: skip


async def _keep_queues(outside: Outside, admin: Administers) -> None:
    async def declare_again() -> None:
        async with outside.open_channel() as channel:
            await tills.declare_everything(outside.pool, channel)

    await keep_queues(admin, outside.broker, declare_again)


def _consumers(tools: _Tools, parts: Parts) -> Iterator[OrderedConsumer]:
    for queue in map(journal_queue, range(JOURNAL_PARTITIONS)):
        yield OrderedConsumer(
            queue, journal_handler(parts), tools.dead.of(queue),
            rng=tools.rng, batch=512, prefetch=1_024, observer=tools.observer,
        )  # fmt: skip


def _responders(tools: _Tools, parts: Parts, desk: Desk) -> Iterator[Responder]:
    for question in QUESTIONS:
        queue = question_queue(question)
        yield Responder(
            queue,
            question_handler(question, parts),
            tools.dead.of(queue),
            concurrency=ASKED_AT_ONCE.get(question, 16),
            refuse=partial(refuse, desk),
            observer=tools.observer,
        )


def _page_with(tools: _Tools) -> PublishPage:
    async def publish(page: BuiltPage) -> None:
        # Nobody may follow a scope yet: that is no failure.
        await tools.publisher.publish(
            Message(
                page.body, FEED, page.scope, mandatory=False,
                content_encoding=page.content_encoding, type="feed.page",
            )
        )  # fmt: skip

    return publish


def _beat_with(tools: _Tools) -> PublishBeat:
    async def publish(body: bytes) -> None:
        await tools.publisher.publish(
            Message(body, URGENT, ALL, mandatory=False, persistent=False, type="erp.beat")
        )

    return publish


def _resend_with(tools: _Tools) -> AskAgain:
    async def resend(pos_id: str, asked: Resend) -> None:
        headers = Headers(
            id=tools.new_id(), type="journal.resend", occurred_at=tools.clock.now(), origin="erp"
        )
        body = envelope.encode(headers, asked)
        await tools.publisher.publish(
            Message(body, URGENT, pos_scope(pos_id), mandatory=False, type="journal.resend")
        )

    return resend


def _stop_with(tools: _Tools) -> PublishStop:
    async def publish(stopped: CardStopped) -> None:
        headers = Headers(
            id=tools.new_id(), type="card.stopped", occurred_at=tools.clock.now(), origin="erp"
        )
        body = envelope.encode(headers, stopped)
        await tools.publisher.publish(
            Message(body, URGENT, ALL, mandatory=False, type="card.stopped")
        )

    return publish


def _services(outside: Outside, tools: _Tools, feed: Feed, links: tuple[Link, ...]) -> ErpServices:
    pool = outside.pool
    passwords = Passwords()
    sessions = Sessions(tools.clock.now)
    operators = Operators(pool, passwords, tools.clock.now)
    broker = Broker(
        channel=outside.open_channel,
        publisher=tools.publisher,
        links=lambda: {one.name: one.state for one in links},
        till_url=outside.till_url,
        admin=outside.admin,
    )
    return ErpServices(
        pool=pool, feed=feed, clock=tools.clock, operators=operators, passwords=passwords,
        sessions=sessions, gate=Gate(sessions, operators.find), broker=broker, new_id=tools.new_id,
    )  # fmt: skip
