"""A kind of fault: how one is drawn, and how it is played."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chaos.node import Node, Till
from chaos.plan import ERPS, NODES, TILLS, Draw, Given
from chaos.world import World

Met = Callable[[str], None]
"""Is told against whom, at the moment when it has really happened."""

Play = Callable[[World, Given, Met], Awaitable[None]]
"""Does it and undoes it: what a fault took away is there again when this returns, or on its way. A pause in it is
`World.pause`, which healing ends. May return without having met anything."""

ANY_NODE: tuple[int, ...] = tuple(range(len(NODES)))
ANY_ERP: tuple[int, ...] = tuple(range(len(ERPS)))
ANY_TILL: tuple[int, ...] = tuple(range(len(TILLS)))


@dataclass(frozen=True, slots=True)
class Kind:
    """`what`: in words, for the documentation and `--help`."""

    name: str
    what: str
    play: Play
    draw: Draw


def node_of(world: World, given: Given) -> Node:
    return world.nodes[given["node"]]


def erp_of(world: World, given: Given) -> Node:
    return world.erps[given["erp"]]


def till_of(world: World, given: Given) -> Till:
    return world.tills[given["till"]]
