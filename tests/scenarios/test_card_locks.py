"""Two hundred cards, four tills, two ERP processes killed by turns, connections cut: whatever the tills were answered
has one order that explains it (CARD-15, I4, I5)."""

import asyncio
import random
import tomllib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import BaseModel

from contracts import envelope, registry
from contracts.cards import (
    CardConfirm,
    CardGiven,
    CardLock,
    CardLocked,
    CardRelease,
    CardReleased,
    Wanted,
)
from contracts.envelope import Headers
from contracts.journal import Author
from contracts.topology import RPC, user_of
from messaging.admin import Admin
from messaging.amqp import AmqpBroker
from messaging.channel import Message, MessagingError
from messaging.clock import SystemClock
from messaging.connection import Link
from messaging.rpc import Requester
from ops.process import NodeProcess
from ops.services import PrivateBroker, Services
from ops.system import System, fill_system, make_system, remove_system
from simulation.checkers.history import Violation
from simulation.checkers.linear import Act, Clock, check_linear, check_tokens

CARDS, ATTEMPTS, AT_ONCE = 200, 10_000, 8
LASTS_S = 1.0
SLACK_S = 0.1
PATIENCE_S = 2.0

pytestmark = pytest.mark.timeout(300)

CLOCK = SystemClock()


@dataclass
class Till:
    """One till's voice on the bus, with several cashiers."""

    pos_id: str
    requester: Requester
    rng: random.Random
    acts: dict[str, list[Act]] = field(default_factory=lambda: defaultdict(list))

    async def ask(self, question: BaseModel) -> BaseModel | None:
        """The answer; None when there is none, or none that says what was done."""
        kind, user = registry.TYPE_OF[type(question)], user_of(self.pos_id)
        headers = Headers(id=uuid4(), type=kind.name, occurred_at=CLOCK.now(), origin=user)
        body = envelope.encode(headers, question)
        message = Message(body, RPC, kind.address, persistent=False, user_id=user, mandatory=True)
        try:
            answer = registry.decode((await self.requester.ask(message, PATIENCE_S)).body).data
        except MessagingError:
            return None
        return answer if isinstance(answer, CardLocked | CardGiven | CardReleased) else None

    async def lock(self, card: str, customer: UUID) -> int | None:
        began = _now()
        found = await self.ask(
            CardLock(customer_id=customer, card=Wanted(number=card, type="plastic"))
        )
        if found is None:
            self._note(card, Act(self.pos_id, "lock", began, None, None, str(customer)))
            return None
        assert isinstance(found, CardLocked)
        self._note(
            card,
            Act(self.pos_id, "lock", began, _now(), found.token, str(customer), found.refusal),
        )
        return found.token

    async def confirm(self, card: str, customer: UUID, token: int) -> None:
        began, author = _now(), Author(operator="anna", at=CLOCK.now())
        wanted = Wanted(number=card, type="plastic")
        found = await self.ask(
            CardConfirm(customer_id=customer, card=wanted, token=token, author=author)
        )
        act = Act(self.pos_id, "confirm", began, None, token, str(customer))
        if isinstance(found, CardGiven):
            act = replace(act, ended=_now(), refusal=found.refusal)
        self._note(card, act)

    async def release(self, card: str, token: int) -> None:
        began = _now()
        found = await self.ask(CardRelease(number=card, token=token))
        act = Act(self.pos_id, "release", began, None, token)
        if isinstance(found, CardReleased):
            act = replace(act, ended=_now(), refusal=None if found.released else "lost")
        self._note(card, act)

    def _note(self, card: str, act: Act) -> None:
        self.acts[card].append(act)


def _now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def _voice(system: System, pos_id: str, seed: int) -> AsyncIterator[Till]:
    url = _till_url(system, pos_id)
    rng = random.Random(seed)
    link = Link(AmqpBroker(url), pos_id, clock=CLOCK, rng=rng)
    till = Till(pos_id, Requester(f"pos.{pos_id}.reply", rng=rng), rng)
    link.add(till.requester)
    running = asyncio.create_task(link.run())
    try:
        await link.wait_up()
        yield till
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _till_url(system: System, pos_id: str) -> str:
    return str(tomllib.loads((system.folder / f"{pos_id}.toml").read_text("utf-8"))["amqp_url"])


async def _cashier(
    till: Till, cards: list[str], customers: list[UUID], turns: Iterator[int]
) -> None:
    """Locks cards and then confirms, gives back, or walks away; each question counts as one attempt."""
    rng = till.rng
    for _ in turns:
        card = rng.choice(cards)
        token = await till.lock(card, rng.choice(customers))
        if token is None:
            continue
        what = rng.random()
        if what < 0.15:
            await asyncio.sleep(rng.uniform(0.5, 1.5) * LASTS_S)
        if what < 0.85 and next(turns, None) is not None:
            if rng.random() < 0.06:
                await till.confirm(card, rng.choice(customers), token)
            else:
                await till.release(card, token)


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


async def test_card_15_i4_i5_ten_thousand_attempts_have_one_order(
    folder: Path, services: Services, private_broker: PrivateBroker
) -> None:
    at = private_broker.address
    services = replace(services, amqp_url=at.amqp_url, amqp_api=at.amqp_api, broker=private_broker)
    async with AsyncExitStack() as stack:
        system = await make_system(services, folder)
        stack.push_async_callback(remove_system, system)
        await fill_system(system, 2 * CARDS, stores=4, seed=5)
        database = await asyncpg.connect(system.dsn)
        stack.push_async_callback(database.close)
        await database.execute(
            "INSERT INTO reference (key, kind, record) VALUES ('setting/all/card_lock_s', 'setting',"
            ' \'{"kind": "setting", "code": "all/card_lock_s", "level": "all",'
            f' "name": "card_lock_s", "value": {LASTS_S}}}\')'
        )
        second = NodeProcess("erp-2", ["erp", "run"], system.erp_env, folder / "erp-2.log")
        stack.push_async_callback(second.stop)
        await asyncio.gather(system.erp.start(), second.start())
        tills = [
            await stack.enter_async_context(_voice(system, node.pos_id, place))
            for place, node in enumerate(system.tills)
        ]
        admin = await stack.enter_async_context(
            Admin(_api(at.amqp_api, at.credentials), system.vhost)
        )
        customers = [
            row["id"]
            for row in await database.fetch("SELECT id FROM customer WHERE everywhere ORDER BY id")
        ]
        cards = [f"CARD{number}" for number in range(CARDS)]
        turns = iter(range(ATTEMPTS))
        done = asyncio.Event()
        troubling = asyncio.create_task(_trouble([system.erp, second], admin, done))
        await asyncio.gather(
            *(_cashier(till, cards, customers, turns) for till in tills for _ in range(AT_ONCE))
        )
        done.set()
        blows = await troubling
        histories = {card: [act for till in tills for act in till.acts[card]] for card in cards}
        assert blows >= 6
        assert list(_violations(histories)) == []
        await _agrees(database, histories)


def _violations(histories: dict[str, list[Act]]) -> list[Violation]:
    clock = Clock(LASTS_S, SLACK_S, PATIENCE_S + 1.0)
    found = [one for card, acts in histories.items() for one in check_linear(card, acts, clock)]
    acts = [act for some in histories.values() for act in some]
    assert len(acts) >= ATTEMPTS * 0.9
    answered = [act for act in acts if act.ended is not None]
    assert len(answered) > len(acts) * 0.7
    outcomes = {(act.kind, act.refusal) for act in answered}
    assert outcomes >= {
        ("lock", None), ("lock", "card.locked"), ("lock", "card.in_use"), ("confirm", None),
        ("release", None), ("release", "lost"),
    }  # fmt: skip
    return [*found, *check_tokens(histories.values())]


async def _agrees(database: asyncpg.Connection, histories: dict[str, list[Act]]) -> None:
    """What the ERP holds at the end is what the tills were told, and no card or customer has two of the other."""
    rows = await database.fetch(
        "SELECT number, customer_id FROM card WHERE customer_id IS NOT NULL"
    )
    owner = {row["number"]: str(row["customer_id"]) for row in rows}
    assert len(owner) == len(rows) == len(set(owner.values()))
    for card, acts in histories.items():
        for act in acts:
            if act.kind == "confirm" and act.ended is not None and act.refusal is None:
                assert owner[card] == act.customer
    tokens = await database.fetch(
        "SELECT number_key, (detail ->> 'token')::bigint AS token FROM card_event WHERE event = 'locked' ORDER BY id"
    )
    highest: dict[str, int] = {}
    for row in tokens:
        assert row["token"] > highest.get(row["number_key"], 0)
        highest[row["number_key"]] = row["token"]


def _api(api: str, credentials: tuple[str, str]) -> str:
    scheme, _, rest = api.partition("://")
    return f"{scheme}://{credentials[0]}:{credentials[1]}@{rest}"
