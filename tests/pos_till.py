"""A whole till for tests: real SQLite file, real use cases and API, a scripted ERP."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI

from contracts import envelope
from contracts.customers import Customer
from contracts.journal import Progress, Verdict
from contracts.matching import words_of
from contracts.reference import Operator
from pos_node import journal
from pos_node.api.app import make_api
from pos_node.api.till import Till
from pos_node.cards import Cards
from pos_node.codes import Codes
from pos_node.contact import Contact
from pos_node.customers import Customers
from pos_node.epoch import open_epoch
from pos_node.operators import Operators
from pos_node.presence import Presence
from pos_node.questions import Questions
from pos_node.relay import Relay
from pos_node.retrieval import Retrieval
from pos_node.search import Searches
from pos_node.store.customers import CustomerData, StoredCustomer, find_customer, store_customer
from pos_node.store.database import Database, Priority, Store
from pos_node.store.journal import read_epoch, read_standing
from pos_node.store.notices import add_notice
from tests.pos_parts import (
    NOON,
    FakeClock,
    FakeErp,
    FakeLink,
    FakePublisher,
    put_cursor,
    put_reference,
    put_settings,
    welcome,
)
from web.passwords import Passwords
from web.sessions import Account, Gate, Sessions

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ANNE = Account("anne", frozenset({"customer.edit"}))
BEN = Account("ben", frozenset())
PASSWORD = "correct horse"


@cache
def password_hash() -> str:
    return CHEAP.hash(PASSWORD)


def operator(name: str, *rights: str, active: bool = True) -> Operator:
    values = {"code": name, "name": name.title(), "centres": ["C1"], "rights": rights}
    return Operator.model_validate({**values, "password_hash": password_hash(), "active": active})


@dataclass
class TestTill:
    """The parts, and what tests do to them."""

    __test__ = False

    parts: Till
    store: Store
    erp: FakeErp
    link: FakeLink
    publisher: FakePublisher
    clock: FakeClock
    contact: Contact
    app: FastAPI

    @property
    def customers(self) -> Customers:
        return self.parts.customers

    @property
    def searches(self) -> Searches:
        return self.parts.searches

    def go_online(self) -> None:
        """The ERP has just been heard."""
        self.contact.set_clock(NOON, asyncio.get_running_loop().time())
        self.contact.hear()

    def go_offline(self) -> None:
        self.contact.lose()

    async def settings(self, **values: object) -> None:
        await self.store.write(lambda c: put_settings(c, **values), priority=Priority.FEED)

    async def hold(
        self,
        customer_id: UUID,
        record: Customer,
        *,
        version: int = 1,
        editors: tuple[str, ...] | None = None,
    ) -> None:
        """Stores a customer of the ERP as a feed page would."""
        row = CustomerData(
            customer_id,
            version,
            "active",
            editors,
            words_of(record),
            envelope.dump(record).decode(),
        )
        await self.store.write(
            store_customer, "all.customers", row, journal.fold, priority=Priority.FEED
        )

    async def find(self, customer_id: UUID) -> StoredCustomer | None:
        return await self.store.read(find_customer, customer_id)

    async def shown(self, customer_id: UUID) -> Customer | None:
        stored = await self.find(customer_id)
        return stored.customer if stored else None

    async def apply(self, seq: int, **heads: int) -> None:
        """The ERP's progress comes down."""
        epoch = await self.store.read(read_epoch) or ""
        progress = Progress(epoch=epoch, applied_seq=seq, heads=heads)
        await self.store.write(journal.take_progress, progress, priority=Priority.FEED)

    async def reach(self, **cursors: int) -> None:
        """The feeds come as far as this."""

        def move(connection: Any) -> None:
            for scope, seq in cursors.items():
                put_cursor(connection, scope, seq)
            journal.settle(connection, cursors)

        await self.store.write(move, priority=Priority.FEED)

    async def tell(self, key: str, verdict: Verdict) -> None:
        await self.store.write(add_notice, key, verdict, NOON, priority=Priority.FEED)

    async def waiting(self) -> int:
        return (await self.store.read(read_standing)).waiting

    @asynccontextmanager
    async def client(self, name: str = "anne", **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        """A logged-in person."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://till/api/v1", headers=headers
        ) as http:
            answer = await http.post("/session", json={"name": name, "password": PASSWORD})
            http.headers["Authorization"] = f"Bearer {answer.json()['token']}"
            yield http


@asynccontextmanager
async def open_till(folder: Path) -> AsyncIterator[TestTill]:
    """A till of centre C1 with two operators: anne may edit customers, ben may not."""
    store = Database(folder / "till.db")
    await store.open()
    try:
        made = await _till(store, folder)
        relaying = asyncio.create_task(made.parts.relay.run())
        try:
            yield made
        finally:
            relaying.cancel()
            await asyncio.gather(relaying, return_exceptions=True)
            await made.searches.close()
    finally:
        await store.close()


@asynccontextmanager
async def open_store(folder: Path) -> AsyncIterator[Database]:
    """The till's file alone."""
    store = Database(folder / "till.db")
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def _till(store: Store, folder: Path) -> TestTill:
    erp, link, publisher, clock = FakeErp(), FakeLink(), FakePublisher(), FakeClock()
    rng = random.Random(7)
    contact = Contact(asyncio.get_running_loop().time, silence_s=600)
    questions = Questions(erp, "p1", clock=clock, rng=rng, contact=contact)
    at_start = await open_epoch(store, folder / "epoch", rng)
    await store.write(
        put_reference,
        operator("anne", "customer.edit", "card.assign", "card.block"),
        operator("ben"),
        operator("zoe", "customer.edit", active=False),
        priority=Priority.FEED,
    )

    async def standing() -> Any:
        return await store.read(read_standing)

    presence: Presence
    relay = Relay(
        store,
        publisher,
        link,
        "p1",
        at_start=at_start,
        epoch_file=folder / "epoch",
        online=lambda: presence.online,
        rng=rng,
    )
    presence = Presence(
        questions,
        contact,
        link,
        standing,
        clock=clock,
        rng=rng,
        instance="i",
        software="0",
        on_welcome=relay.hear_welcome,
    )
    await relay.hear_welcome(welcome(at_start.applied_seq, at_start.epoch), at_start)
    retrieval = Retrieval(store, questions, pos_id="p1")
    operators = Operators(store, Passwords(CHEAP), clock.now, centre="C1", pos_id="p1")
    sessions = Sessions(clock.now)
    parts = Till(
        pos_id="p1",
        centre="C1",
        store=store,
        customers=Customers(
            store,
            Codes(questions, contact, online=lambda: presence.online),
            wake_relay=relay.wake,
            pos_id="p1",
            centre="C1",
            clock=clock,
            rng=rng,
        ),
        cards=Cards(
            store,
            questions,
            online=lambda: presence.online,
            wake_relay=relay.wake,
            pos_id="p1",
            centre="C1",
            clock=clock,
            rng=rng,
        ),
        searches=Searches(
            store,
            questions,
            retrieval,
            online=lambda: presence.online,
            pos_id="p1",
            centre="C1",
            rng=rng,
        ),
        presence=presence,
        relay=relay,
        operators=operators,
        sessions=sessions,
        gate=Gate(sessions, operators.find),
        clock=clock,
    )
    app = make_api(parts, "0")
    return TestTill(parts, store, erp, link, publisher, clock, contact, app)
