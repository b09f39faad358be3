"""The till put together: the only place where its parts meet."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from contracts.presence import Welcome
from contracts.topology import TillAddress
from messaging.amqp import AmqpBroker
from messaging.clock import SystemClock
from messaging.connection import Link
from messaging.consumer import OrderedConsumer
from messaging.publisher import Publisher
from messaging.rpc import Requester
from pos_node import journal
from pos_node.api.app import make_api
from pos_node.api.till import Till
from pos_node.contact import Contact
from pos_node.customers import Customers
from pos_node.epoch import open_epoch
from pos_node.operators import Operators
from pos_node.presence import Presence
from pos_node.questions import Questions
from pos_node.relay import Relay
from pos_node.retrieval import Retrieval
from pos_node.search import Searches
from pos_node.settings import Enrolment, PosSettings
from pos_node.store.database import Database
from pos_node.store.journal import Standing, read_standing
from pos_node.urgent import Urgent, set_aside
from web.passwords import Passwords
from web.server import listen, port_of, serve
from web.sessions import Gate, Sessions

DATABASE_FILE = "till.db"
EPOCH_FILE = "journal.epoch"


def software_version() -> str:
    """The version of this installation."""
    try:
        return version("comptoir")
    except PackageNotFoundError:
        return "0.1.0"


async def run_node(
    settings: PosSettings, who: Enrolment, say_ready: Callable[[str], None]
) -> None:
    """Runs the till until cancelled; tells the URL once it serves, which needs no network."""
    async with AsyncExitStack() as stack:
        node = await open_node(settings, who, stack)
        listener = listen(settings.http_host, settings.http_port)
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(make_api(node.till, software_version()), listener, ready=ready))
            await ready.wait()
            say_ready(f"http://{settings.http_host}:{port_of(listener)}")
            for task in node.tasks:
                group.create_task(task)
