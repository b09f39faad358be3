"""All kinds of faults, and playing a plan of them."""

import asyncio
from contextlib import suppress

from chaos.faults import links, processes, queues, servers
from chaos.faults.kinds import Kind
from chaos.history import History
from chaos.plan import Drawn, Planned
from chaos.world import TooLate, World

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (*servers.KINDS, *queues.KINDS, *processes.KINDS, *links.KINDS)
}  # fmt: skip

DRAWN = tuple(Drawn(kind.name, kind.draw) for kind in KINDS.values())
"""As the plan wants them."""

AGAIN_S = 1.0
PATIENCE_S = 60.0
"""A fault that cannot be now, because a broker is down or nobody is connected, is tried again for so long."""


async def play_plan(world: World, plan: tuple[Planned, ...]) -> None:
    """Returns when the last fault is over. Raises what a server or node could not be started again with."""
    began = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        for planned in plan:
            await asyncio.sleep(began + planned.at - asyncio.get_running_loop().time())
            group.create_task(_play(world, planned))


async def _play(world: World, planned: Planned) -> None:
    history, times = world.history, 0

    def met(whom: str) -> None:
        nonlocal times
        times += 1
        history.meet(planned.kind)
        _note(history, planned, "begins", whom=whom)

    until = history.now + PATIENCE_S
    with suppress(TooLate):
        while not times and history.now < until and not world.healing.is_set():
            await KINDS[planned.kind].play(world, planned.given, met)
            if not times:
                await world.pause(AGAIN_S)
    _note(history, planned, "ends" if times else "was not met")


def _note(history: History, planned: Planned, what: str, **more: object) -> None:
    history.note(
        "fault", what, number=planned.number, kind=planned.kind, given=planned.given, **more
    )
