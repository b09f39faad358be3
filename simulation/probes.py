"""Asked of a healed world what its schedule may not have asked."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from contracts.cards import row_key
from erp_node.store.faults import is_transient
from simulation.bus import Trap
from simulation.checkers.history import Violation
from simulation.till import TillProcess
from simulation.world import World

URGENT_S = 6.0
"""So long a block may take to every till that is connected, whatever becomes of the feed (CARD-12): an ERP process that
has just lost its database looks again after simulation.pace's four seconds."""

_ONE = "SELECT number, version FROM card WHERE state = 'active' AND customer_id IS NOT NULL ORDER BY number_key LIMIT 1"
_BLOCK = "UPDATE card SET state = 'blocked', reason = 'lost' WHERE number = $1"
_EVERY_PAGE = 100_000


async def probe_blocks(world: World) -> list[Violation]:
    """Blocks a card while no page of the feed arrives: who is at work must know it all the same."""
    found, office = world.server.fetch(_ONE), world.office
    if not found or office is None or not all(till.at_work for till in world.tills):
        return []
    number: str = found[0]["number"]
    if any(_is_ahead(till, number, found[0]["version"]) for till in world.tills):
        return []
    with _pages_lost(world):
        try:
            await office.pool.execute(_BLOCK, number)
        except Exception as error:
            if is_transient(error):
                return []
            raise
        until = world.loop.time() + URGENT_S
        while left := [till for till in world.tills if not _knows(till, number)]:
            if world.loop.time() > until:
                names = ", ".join(till.label for till in left)
                return [Violation("CARD-12", f"the block of {number} did not come to {names}")]
            await asyncio.sleep(0.05)
    return []


@contextmanager
def _pages_lost(world: World) -> Iterator[None]:
    """Nothing of it counts as met."""
    trap, told = Trap("lost", "feed.page", _EVERY_PAGE), world.bus.on_trap
    world.bus.traps.append(trap)
    world.bus.on_trap = lambda trap, user: None
    try:
        yield
    finally:
        world.bus.traps.remove(trap)
        world.bus.on_trap = told


def _is_ahead(till: TillProcess, number: str, version: int) -> bool:
    """Whether it holds what an ERP that was put back does not know of: until the feeds have begun anew it cannot tell
    an old block from a new one."""
    if till.store is None:
        return False
    held = till.store.look(
        lambda one: one.execute(
            "SELECT version FROM card WHERE key = ?", (row_key(number),)
        ).fetchone()
    )
    return held is not None and held[0] > version


def _knows(till: TillProcess, number: str) -> bool:
    if till.store is None:
        return True
    row = till.store.look(
        lambda one: one.execute(
            "SELECT 1 FROM card WHERE key = ? AND scope = 'all' AND state = 'active'",
            (row_key(number),),
        ).fetchone()
    )
    return row is not None
