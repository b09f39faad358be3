"""What people do at tills."""

import asyncio
import random
from contextlib import suppress
from uuid import UUID

from contracts.customers import Customer
from contracts.search import Criteria
from pos_node.customers import Wish
from pos_node.drafts import CustomerDraft, NewId
from pos_node.refusal import Refusal
from pos_node.store.errors import StoreError
from simulation.steps.kinds import Given, Kind, some_place, some_till
from simulation.till import TillProcess
from simulation.world import RIGHTS, Shape, World
from web.sessions import Account

ANNA = Account("anna", RIGHTS)
FIELDS = ("academic_title", "identity_document", "extra_phone", "phone", "email")


def _draw_edit(rng: random.Random, shape: Shape) -> Given:
    return some_till(rng, shape) | {"place": some_place(rng), "field": rng.choice(FIELDS)}


def _draw_add(rng: random.Random, shape: Shape) -> Given:
    return some_till(rng, shape) | {"code": rng.choice((None, None, "CLASH-1", "CLASH-2"))}


def _draw_search(rng: random.Random, shape: Shape) -> Given:
    end = rng.choice(("look", "choose", "choose", "cancel"))
    return some_till(rng, shape) | {"phrase": rng.choice("abcdefghijklmnoprst"), "end": end,
                                    "after": round(rng.uniform(0.001, 0.4), 3)}  # fmt: skip


def _edit(world: World, given: Given) -> None:
    till = world.tills[given["till"] % len(world.tills)]
    if till.node is not None:
        till.do(_edit_one(world, till, given["place"], given["field"]))


async def _edit_one(world: World, till: TillProcess, place: float, field: str) -> None:
    node, store = till.node, till.store
    if node is None or store is None:
        return
    held = store.look(
        lambda one: one.execute(
            "SELECT id FROM customer WHERE code_key IS NOT NULL ORDER BY id"
        ).fetchall()
    )
    if not held:
        return
    wanted = world.customers[int(place * len(world.customers))]
    here = [UUID(bytes=one) for (one,) in held]
    chosen = wanted if wanted in here else here[int(place * len(here))]
    token = world.token(till.label)
    value = f"{token}@example.com" if field == "email" else token

    def make(seen: Customer, new_id: NewId) -> Customer:
        return seen.model_copy(update={field: value})

    with suppress(Refusal, StoreError):
        await node.till.customers.edit(chosen, Wish(make, same_tax_number_is_fine=True), ANNA)


def _add(world: World, given: Given) -> None:
    till = world.tills[given["till"] % len(world.tills)]
    if till.node is not None:
        till.do(_add_one(world, till, given["code"]))


async def _add_one(world: World, till: TillProcess, code: str | None) -> None:
    if till.node is None:
        return
    token = world.token(till.label)
    draft = CustomerDraft.model_validate(
        {"kind": "retail", "code": code or token, "first_name": token, "last_name": "Nouveau"}
    )
    try:
        added = await till.node.till.customers.add(draft, ANNA, same_tax_number_is_fine=True)
        world.customers.append(added.id)
    except (Refusal, StoreError):
        pass


def _search(world: World, given: Given) -> None:
    till = world.tills[given["till"] % len(world.tills)]
    if till.node is not None:
        till.do(_search_one(world, till, given))


async def _search_one(world: World, till: TillProcess, given: Given) -> None:
    node = till.node
    if node is None:
        return
    searches = node.till.searches
    try:
        search = await searches.start(Criteria(phrase=given["phrase"]), "anna")
        if given["end"] == "cancel":
            await asyncio.sleep(given["after"] / 20)
            searches.cancel(search, "anna")
            was = (await searches.look(search, "anna")).outcome
            world.ended_searches.append((till, node, search, was))
            return
        await asyncio.sleep(given["after"])
        result = await searches.look(search, "anna")
        if given["end"] == "choose":
            chosen = next((row.id for row in result.outcome.rows if row.usable), None)
            if chosen is not None:
                world.history.chosen.append((till.pos_id, str(chosen)))
                await searches.bring(chosen)
    except (Refusal, StoreError):
        pass


KINDS = (
    Kind("edit", _edit, _draw_edit, weight=10, fault=False),
    Kind("add", _add, _draw_add, weight=3, fault=False),
    Kind("search", _search, _draw_search, weight=3, fault=False),
)
