"""Two hundred cards, four tills, two ERP processes killed by turns, connections cut: whatever the tills were answered
has one order that explains it (CARD-15, I4, I5)."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count, cycle
from pathlib import Path

import asyncpg
import httpx
import pytest

from messaging.admin import Admin
from ops.clients import Client, Refused, until
from ops.process import NodeProcess
from ops.services import PrivateBroker, Services
from ops.system import System, fill_system, make_system, remove_system
from simulation.checkers.linear import Act, Clock, check_linear, check_tokens
from tests.scenarios.card_history import card_acts
from tests.scenarios.conftest import log_in
from traces.reading import read_trace

CARDS, ATTEMPTS, AT_ONCE = 200, 10_000, 6
LASTS_S = 4.0
SLACK_S = 0.1
PATIENCE_S = 4.0
"""A till waits three seconds for an answer; the question does not live longer."""

DONE, OFFLINE = "done", "card.verify_offline"
KNOWN_HERE = (OFFLINE, "card.in_use", "card.field_required")
"""What a till may say without asking the ERP."""
SETTINGS = {"card_lock_s": f"{LASTS_S}", "card_verify_on_issue": "true"}

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True, slots=True)
class Given:
    """What a cashier was told: this customer has this card now."""

    card: str
    customer: str


@dataclass
class Counter:
    """One till with several cashiers. `asked`: what the ERP was surely asked, by all tills."""

    till: Client
    rng: random.Random
    cards: list[str]
    customers: list[str]
    asked: Iterator[int]
    given: list[Given]

    async def serve(self) -> None:
        """Reserves cards and then gives them, gives them back, or walks away."""
        rng, asked = self.rng, 0
        while asked < ATTEMPTS:
            card, customer = rng.choice(self.cards), rng.choice(self.customers)
            if self.given and rng.random() < 0.2:  # before the feed has told its till
                card = self.given[-1].card
            at = f"/customers/{customer}/cards"
            kind = {"type": "plastic"}
            told = await self._told("POST", f"{at}/{card}/reservation", params=kind)
            if told == OFFLINE:
                await until(self.till.status, lambda now: now["online"], "online again")
            if told not in KNOWN_HERE:
                asked = next(self.asked)
            if told != DONE:
                continue
            what = rng.random()
            if what < 0.1:
                await asyncio.sleep(rng.uniform(0.1, 1.3) * LASTS_S)
            if what < 0.04:
                if await self._told("POST", at, json={"number": card, **kind}) == DONE:
                    self.given.append(Given(card, customer))
                    asked = next(self.asked)
            elif what < 0.9 and await self._told("DELETE", f"{at}/{card}/reservation") == DONE:
                asked = next(self.asked)

    async def _told(self, method: str, path: str, **more: object) -> str:
        try:
            answer = await self.till.send(method, path, **more)
        except Refused as refused:
            return refused.code
        return DONE if answer.get("released", True) else "card.lock_lost"


async def _trouble(processes: list[NodeProcess], admin: Admin, done: asyncio.Event) -> int:
    """Kills one ERP process, then the other, and cuts connections; how many kills and cuts."""
    rng, blows = random.Random(3), 0
    for process in cycle(processes):
        with_time = asyncio.create_task(done.wait())
        finished, _ = await asyncio.wait([with_time], timeout=1.0)
        with_time.cancel()
        if finished:
            return blows
        connections = await admin.connections()
        if connections:
            await admin.close_connection(rng.choice(connections).name, "test")
            blows += 1
        await process.kill()
        await process.start()
        blows += 1
    raise AssertionError("unreachable")


@pytest.fixture
async def system(
    folder: Path, services: Services, private_broker: PrivateBroker, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[System]:
    """An ERP, not started yet, and four tills that record what they do."""
    at = private_broker.address
    services = replace(services, amqp_url=at.amqp_url, amqp_api=at.amqp_api, broker=private_broker)
    system = await make_system(services, folder)
    try:
        monkeypatch.setenv("COMPTOIR_TRACE", str(folder / "trace"))
        await fill_system(system, 2 * CARDS, stores=4, seed=5)
        monkeypatch.delenv("COMPTOIR_TRACE")
        yield system
    finally:
        await remove_system(system)


@asynccontextmanager
async def _running(system: System) -> AsyncIterator[tuple[list[NodeProcess], list[Client]]]:
    """Two ERP processes, and somebody logged in at each till."""
    async with AsyncExitStack() as stack:
        second = NodeProcess("erp-2", ["erp", "run"], system.erp_env, system.folder / "erp-2.log")
        stack.push_async_callback(second.stop)
        await asyncio.gather(system.erp.start(), second.start())
        await asyncio.gather(*(till.process.start() for till in system.tills))
        tills = await asyncio.gather(*(log_in(till.url) for till in system.tills))
        for till in tills:
            stack.push_async_callback(till.close)
        yield [system.erp, second], tills


async def test_card_15_i4_i5_ten_thousand_attempts_have_one_order(system: System) -> None:
    async with AsyncExitStack() as stack:
        database = await asyncpg.connect(system.dsn)
        stack.push_async_callback(database.close)
        await _set(database)
        processes, tills = await stack.enter_async_context(_running(system))
        given = await _attempt(system, database, processes, tills)
        await _agrees(database, given)
        await system.stop()  # the traces are whole then
    trace = read_trace([system.folder / "trace"])
    assert trace.gaps == 0
    histories = card_acts(trace.lines)
    assert len(histories) == CARDS
    _check_colourful(histories)
    clock = Clock(LASTS_S, SLACK_S, PATIENCE_S)
    found = [one for card, acts in histories.items() for one in check_linear(card, acts, clock)]
    assert found == []
    assert list(check_tokens(histories.values())) == []


async def _attempt(
    system: System,
    database: asyncpg.Connection,
    processes: list[NodeProcess],
    tills: list[Client],
) -> list[Given]:
    """Everybody works until there were enough attempts, while ERP processes die; what cashiers were told they gave."""
    found = await database.fetch("SELECT id FROM customer WHERE everywhere ORDER BY id")
    customers = [str(row["id"]) for row in found]
    cards = [f"CARD{number}" for number in range(CARDS)]
    asked, given, done = count(), list[Given](), asyncio.Event()
    api = httpx.URL(system.services.amqp_api)
    amqp = httpx.URL(system.services.amqp_url)
    address = str(api.copy_with(username=amqp.username, password=amqp.password))
    async with Admin(address, system.vhost) as admin:
        troubling = asyncio.create_task(_trouble(processes, admin, done))
        counters = [
            Counter(till, random.Random(place), cards, customers, asked, given)
            for place, till in enumerate(tills)
        ]
        await asyncio.gather(*(one.serve() for one in counters for _ in range(AT_ONCE)))
        done.set()
        assert await troubling >= 6
    return given


def _check_colourful(histories: dict[str, list[Act]]) -> None:
    """Whether there was enough of everything to be a test."""
    acts = [act for some in histories.values() for act in some]
    assert len(acts) >= ATTEMPTS
    assert {act.till for act in acts if act.token}.__len__() == 4
    answered = [act for act in acts if act.ended is not None]
    assert len(acts) * 0.7 < len(answered) < len(acts)
    outcomes = {(act.kind, act.refusal) for act in answered}
    assert outcomes >= {
        ("lock", None), ("lock", "card.locked"), ("lock", "card.in_use"), ("confirm", None),
        ("release", None), ("release", "lost"),
    }  # fmt: skip


async def _agrees(database: asyncpg.Connection, given: list[Given]) -> None:
    """What the ERP holds at the end is what the cashiers were told, and no card or customer has two of the other."""
    rows = await database.fetch(
        "SELECT number, customer_id FROM card WHERE customer_id IS NOT NULL"
    )
    owner = {row["number"]: str(row["customer_id"]) for row in rows}
    assert len(owner) == len(rows) == len(set(owner.values()))
    assert given
    assert [one for one in given if owner.get(one.card) != one.customer] == []
    tokens = await database.fetch(
        "SELECT number_key, (detail ->> 'token')::bigint AS token FROM card_event WHERE event = 'locked' ORDER BY id"
    )
    highest: dict[str, int] = {}
    for row in tokens:
        assert row["token"] > highest.get(row["number_key"], 0)
        highest[row["number_key"]] = row["token"]


async def _set(database: asyncpg.Connection) -> None:
    for name, value in SETTINGS.items():
        record = (
            f'{{"kind": "setting", "code": "all/{name}", "level": "all", "name": "{name}",'
            f' "value": {value}}}'
        )
        await database.execute(
            "INSERT INTO reference (key, kind, record) VALUES ($1, 'setting', $2)"
            " ON CONFLICT (key) DO UPDATE SET record = excluded.record",
            f"setting/all/{name}", record,
        )  # fmt: skip
