"""Whether all is well after healing: the simulation's checkers on what was read, seen and told."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import httpx

from chaos.history import Told
from chaos.node import Node
from chaos.reading import read_both
from chaos.witness import read_witness
from chaos.world import World
from simulation.checkers.convergence import check_convergence
from simulation.checkers.history import History, Violation, tokens_in
from simulation.checkers.journal import check_no_loss, check_once, check_sender
from simulation.checkers.liveness import Waited, check_liveness
from simulation.checkers.monotone import check_monotone
from simulation.checkers.observed import Seen
from simulation.checkers.searching import check_search

LOOKED_FOR_S = 40.0
"""How long a node that is late is waited for, to say how late."""
PATIENCE_S = 120.0
"""From the opening of the broker's port until both ends agree: docs/chaos.md says why not 75."""
LOOK_S = 0.2
READ_S = 1.0


@dataclass(frozen=True, slots=True)
class Healed:
    """How long each node took to be at work, and both ends as they were seen last."""

    waited: tuple[Waited, ...]
    seen: Seen


async def wait_for_work(world: World) -> tuple[Waited, ...]:
    """How long each node takes to be at work, from now on."""
    began = time.monotonic()
    return tuple(await asyncio.gather(*(_wait_for(node, began) for node in world.nodes)))


async def _wait_for(node: Node, began: float) -> Waited:
    async with httpx.AsyncClient(base_url=node.process.url, timeout=5.0) as client:
        while (passed := time.monotonic() - began) < LOOKED_FOR_S:
            if await _at_work(client):
                return Waited(node.name, passed)
            await asyncio.sleep(LOOK_S)
    return Waited(node.name, None)


async def _at_work(client: httpx.AsyncClient) -> bool:
    """A till: connected, and the ERP answers. An ERP process: ready for all its work."""
    try:
        status = await client.get("/api/v1/status")
        if "pos_id" in status.text:
            seen = status.json()
            return bool(seen["online"] and seen["link"]["up"])
        return (await client.get("/readyz")).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


async def wait_for_agreement(world: World) -> tuple[Seen, float]:
    """Both ends as soon as they agree, or as they are when patience is over; and how long that took."""
    began = time.monotonic()
    while True:
        seen = await read_both(world)
        took = time.monotonic() - began
        if took > PATIENCE_S or not [
            *check_no_loss(seen, world.history.seen),
            *check_convergence(seen),
        ]:
            return seen, took
        await asyncio.sleep(READ_S)


async def hear_witnesses(world: World) -> None:
    """All that the tills committed so far is in the history then."""
    world.history.seen.stored.clear()
    world.history.seen.made.clear()
    for till in world.tills:
        lines = await asyncio.to_thread(read_witness, till.file, till.name, world.history.seen)
        world.history.note(till.name, "witnessed", lines=lines)


def judge(world: World, healed: Healed) -> tuple[Violation, ...]:
    """Every invariant there is so far."""
    history = world.history.seen
    return (
        *(Violation("ended", one) for one in world.history.ended),
        *check_liveness(healed.waited),
        *check_monotone(history.stored),
        *check_told(world.history.told, healed.seen, history),
        *check_no_loss(healed.seen, history),
        *check_convergence(healed.seen),
        *check_once(healed.seen, history),
        *check_sender(healed.seen, history),
        *check_search(healed.seen, history),
    )


def check_told(told: Iterable[Told], seen: Seen, history: History) -> Iterator[Violation]:
    """I1 begins with what people were told: what is done is committed, whatever was killed after it."""
    committed = {(made.till, word) for made in history.made.values() for word in made.tokens}
    texts = [line.new for line in seen.erp.history] + [one.wire for one in seen.erp.customers]
    committed |= {("erp", word) for text in texts for word in tokens_in(text)}
    for one in told:
        if (one.where, one.word) not in committed:
            yield Violation("I1", f"{one.where}: {one.word} was told to be done, and is nowhere")
