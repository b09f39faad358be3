"""What happens to the processes of the product."""

import asyncio

from chaos.faults.kinds import ANY_ERP, ANY_TILL, Kind, Met, erp_of, till_of
from chaos.node import Node
from chaos.plan import Draw, Given
from chaos.world import World


async def _killed(world: World, node: Node, seconds: float, met: Met) -> None:
    async with world.holding(node.lock):
        await node.kill()
        met(node.name)
        await world.pause(seconds)
        await node.start()


async def _paused(world: World, node: Node, seconds: float, met: Met) -> None:
    """It hangs: nothing is closed, nothing answers; then it goes on as if no time had passed."""
    async with world.holding(node.lock):
        node.process.pause()
        met(node.name)
        try:
            await world.pause(seconds)
        finally:
            node.process.resume()


async def _till_killed(world: World, given: Given, met: Met) -> None:
    await _killed(world, till_of(world, given), given["seconds"], met)


async def _till_paused(world: World, given: Given, met: Met) -> None:
    await _paused(world, till_of(world, given), given["seconds"], met)


async def _erp_killed(world: World, given: Given, met: Met) -> None:
    await _killed(world, erp_of(world, given), given["seconds"], met)


async def _erp_paused(world: World, given: Given, met: Met) -> None:
    await _paused(world, erp_of(world, given), given["seconds"], met)


async def _every_erp_killed(world: World, given: Given, met: Met) -> None:
    """Both at once: nobody takes over."""
    first, second = world.erps
    async with world.holding(first.lock), world.holding(second.lock):
        await asyncio.gather(first.kill(), second.kill())
        met(f"{first.name} and {second.name}")
        await world.pause(given["seconds"])
        await asyncio.gather(first.start(), second.start())


AWAY = Draw(till=ANY_TILL, seconds=(0.1, 6.0))
HANGING = Draw(till=ANY_TILL, seconds=(1.0, 14.0))

KINDS = (
    Kind("till_killed", "a till killed (SIGKILL) and started again", _till_killed, AWAY),
    Kind("till_paused", "a till hangs (SIGSTOP) and goes on", _till_paused, HANGING),
    Kind(
        "erp_killed", "an ERP process killed (SIGKILL) and started again",
        _erp_killed, Draw(erp=ANY_ERP, seconds=(0.1, 6.0)),
    ),
    Kind(
        "erp_paused", "an ERP process hangs (SIGSTOP), with what it has locked, and goes on",
        _erp_paused, Draw(erp=ANY_ERP, seconds=(1.0, 20.0)),
    ),
    Kind(
        "every_erp_killed", "both ERP processes killed at once", _every_erp_killed,
        Draw(seconds=(0.1, 5.0)),
    ),
)  # fmt: skip
