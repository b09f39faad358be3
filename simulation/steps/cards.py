"""What people do with loyalty cards, at tills and in the ERP."""

import asyncio
import random
import sqlite3
from contextlib import suppress
from uuid import UUID

from contracts.cards import CardConfirm, CardGiven, CardLock, CardLocked, CardRelease, Wanted
from contracts.envelope import MessageError, read_data
from contracts.journal import Author
from messaging.channel import MessagingError
from pos_node.card_wishes import CardWish
from pos_node.refusal import Refusal
from pos_node.store.errors import StoreError
from simulation.checkers.history import GivenCard
from simulation.erp import ErpProcess
from simulation.steps.cashiers import ANNA
from simulation.steps.kinds import Given, Kind, some_place, some_till
from simulation.steps.office import do_in_office
from simulation.till import TillProcess
from simulation.world import Shape, World

NUMBERS = 3
"""Few cards, so that tills want the same ones."""


def _draw_number(rng: random.Random) -> str:
    return f"C{rng.randrange(NUMBERS)}" if rng.random() < 0.8 else f"C{rng.randrange(1_000)}"


def _draw_give(rng: random.Random, shape: Shape) -> Given:
    number = None if rng.random() < 0.15 else _draw_number(rng)
    return some_till(rng, shape) | {"place": some_place(rng), "number": number}


def _draw_block(rng: random.Random, shape: Shape) -> Given:
    then = _draw_number(rng) if rng.random() < 0.4 else None
    return some_till(rng, shape) | {"place": rng.random(), "then": then}


def _draw_lock(rng: random.Random, shape: Shape) -> Given:
    then = rng.choice(("confirm", "confirm", "confirm", "release", "leave"))
    after = round(rng.uniform(0.0, 3.0), 2)
    return some_till(rng, shape) | {
        "place": some_place(rng), "number": _draw_number(rng), "then": then, "after": after,
    }  # fmt: skip


def _draw_race(rng: random.Random, shape: Shape) -> Given:
    first, second = some_place(rng), rng.random()
    return some_till(rng, shape) | {
        "place": first, "other_place": second, "number": _draw_number(rng),
        "leaves": rng.random() < 0.5, "after": round(rng.uniform(0.0, 0.3), 3),
    }  # fmt: skip


def _draw_office(rng: random.Random, shape: Shape) -> Given:
    change = rng.choice(("block", "block", "take", "points", "make"))
    return {"number": _draw_number(rng), "change": change}


def _give(world: World, given: Given) -> None:
    till = world.tills[given["till"] % len(world.tills)]
    if till.node is not None:
        till.do(_give_one(world, till, given))


async def _give_one(world: World, till: TillProcess, given: Given) -> None:
    node = till.node
    chosen = world.customers[int(given["place"] * len(world.customers))]
    wish = CardWish(given["number"], "plastic" if given["number"] else "mail")
    if node is None:
        return
    with suppress(Refusal, StoreError):
        done = await node.till.cards.give(chosen, wish, ANNA)
        number = done.card.number
        if not done.card.waiting and number is not None:
            world.history.given.append(
                GivenCard(till.pos_id, world.loop.time(), number.upper(), str(chosen))
            )


def _block(world: World, given: Given) -> None:
    till = world.tills[given["till"] % len(world.tills)]
    if till.node is not None:
        till.do(_block_one(till, given))


async def _block_one(till: TillProcess, given: Given) -> None:
    node, store = till.node, till.store
    if node is None or store is None or not (owners := store.look(_owners)):
        return
    owner = owners[int(given["place"] * len(owners))]
    then = CardWish(given["then"], "plastic") if given["then"] else None
    with suppress(Refusal, StoreError):
        cards = await node.till.cards.list(owner)
        for card in cards:
            if card.works and card.number is not None:
                await node.till.cards.block(owner, card.number, "lost", then, ANNA)
                return


def _owners(connection: sqlite3.Connection) -> list[UUID]:
    """Customers who have a card here."""
    found = connection.execute(
        "SELECT DISTINCT customer_id FROM card WHERE customer_id IS NOT NULL AND state = 'active' ORDER BY 1"
    )
    return [UUID(one) for (one,) in found]


def _lock(world: World, given: Given) -> None:
    """A program of a till's that is slower than a cashier: it may confirm when the lock's time is over long since."""
    till = world.tills[given["till"] % len(world.tills)]
    if till.node is not None:
        till.do(_lock_one(world, till, given))


async def _lock_one(world: World, till: TillProcess, given: Given) -> None:
    node = till.node
    if node is None:
        return
    chosen = world.customers[int(given["place"] * len(world.customers))]
    wanted = Wanted(number=given["number"], type="plastic")
    with suppress(MessagingError, MessageError):
        answer = await node.questions.ask(CardLock(customer_id=chosen, card=wanted), 3.0)
        token = read_data(CardLocked, answer.raw).token
        if token is None or given["then"] == "leave":
            return
        await asyncio.sleep(given["after"])
        if given["then"] == "release":
            await node.questions.ask(CardRelease(number=wanted.number, token=token), 3.0)
            return
        author = Author(operator="anna", at=till.clock.now())
        confirm = CardConfirm(customer_id=chosen, card=wanted, token=token, author=author)
        answer = await node.questions.ask(confirm, 3.0)
        if read_data(CardGiven, answer.raw).refusal is None:
            world.history.given.append(
                GivenCard(till.pos_id, world.loop.time(), wanted.number, str(chosen))
            )


def _race(world: World, given: Given) -> None:
    """Two tills want a card for two customers: one has it locked, and leaves it so, or gives it; the other gives it."""
    first = given["till"] % len(world.tills)
    till, other = world.tills[first], world.tills[first - 1]
    if till.node is not None:
        begin = _lock_one if given["leaves"] else _give_one
        till.do(begin(world, till, given | {"then": "leave"}))
    if other.node is not None:
        other.do(_give_later(world, other, given))


async def _give_later(world: World, till: TillProcess, given: Given) -> None:
    await asyncio.sleep(given["after"])
    await _give_one(world, till, given | {"place": given["other_place"]})


_CHANGES = {
    "block": "UPDATE card SET state = 'blocked', reason = 'lost' WHERE number_key = $1",
    "take": "UPDATE card SET customer_id = NULL WHERE number_key = $1 AND state = 'active'",
    "points": "UPDATE card SET points = points + 1 WHERE number_key = $1",
    "make": "INSERT INTO card (number, type) VALUES ($1, 'plastic') ON CONFLICT DO NOTHING",
}


def _in_office(world: World, given: Given) -> None:
    """By SQL, as a program beside the application would."""

    async def change(office: ErpProcess) -> None:
        await office.pool.execute(_CHANGES[given["change"]], given["number"])

    do_in_office(world, change)


KINDS = (
    Kind("card_give", _give, _draw_give, weight=6, fault=False, about="card"),
    Kind("card_block", _block, _draw_block, weight=2, fault=False, about="card"),
    Kind("card_locked", _lock, _draw_lock, weight=3, fault=False, about="card"),
    Kind("card_race", _race, _draw_race, weight=2, fault=False, about="card"),
    Kind("erp_card", _in_office, _draw_office, weight=1.5, fault=False, about="card"),
)
