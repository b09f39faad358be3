"""What happens on the way between a node and the broker."""

from chaos.faults.kinds import ANY_NODE, Kind, Met, Play, node_of
from chaos.plan import Draw, Given
from chaos.rules import NoConfirms, Place, PublishCut, Silence, Way
from chaos.world import World

LOOK_S = 0.1
"""Between two looks whether it has happened."""


async def _cut(world: World, given: Given, met: Met) -> None:
    node = node_of(world, given)
    if count := node.proxy.cut():
        met(f"{node.name}, {count} connections")


async def _closed(world: World, given: Given, met: Met) -> None:
    """A node that reaches no broker while the others do."""
    node = node_of(world, given)
    with node.proxy.shut():
        met(node.name)
        await world.pause(given["seconds"])


def _half_open(*ways: Way) -> Play:
    async def play(world: World, given: Given, met: Met) -> None:
        node = node_of(world, given)
        rule = Silence(frozenset(ways))
        with node.proxy.ruled(rule):
            left = given["seconds"]
            while not rule.swallowed and left > 0 and not world.healing.is_set():
                await world.pause(LOOK_S)
                left -= LOOK_S
            if rule.swallowed:
                met(node.name)
                await world.pause(left)
        # What was swallowed leaves the streams useless: no network gives back half of what it took.
        node.proxy.cut()

    return play


async def _slow(world: World, given: Given, met: Met) -> None:
    node = node_of(world, given)
    with node.proxy.slow(given["delay"]):
        met(node.name)
        await world.pause(given["seconds"])


async def _confirms_swallowed(world: World, given: Given, met: Met) -> None:
    """So many seconds from the first one on."""
    node, rule = node_of(world, given), NoConfirms()
    with node.proxy.ruled(rule):
        left = given["patience"]
        while not rule.swallowed and left > 0 and not world.healing.is_set():
            await world.pause(LOOK_S)
            left -= LOOK_S
        if rule.swallowed:
            met(node.name)
            await world.pause(given["seconds"])


def _publish_cut(place: Place) -> Play:
    async def play(world: World, given: Given, met: Met) -> None:
        node, rule = node_of(world, given), PublishCut(place)
        with node.proxy.ruled(rule):
            left = given["patience"]
            while not rule.sprung and left > 0 and not world.healing.is_set():
                await world.pause(LOOK_S)
                left -= LOOK_S
        if rule.sprung:
            met(node.name)

    return play


ANY = Draw(node=ANY_NODE)
A_WHILE = Draw(node=ANY_NODE, seconds=(1.0, 12.0))
LONG = Draw(node=ANY_NODE, seconds=(4.0, 28.0))
"""Often longer than two heartbeats, after which each side gives the other up."""
NEXT = Draw(node=ANY_NODE, patience=(20.0, 30.0))

KINDS = (
    Kind("link_cut", "every connection of a node reset", _cut, ANY),
    Kind("link_closed", "a node reaches no broker for a while", _closed, A_WHILE),
    Kind(
        "link_half_open", "nothing arrives either way, and nobody is told",
        _half_open(Way.UP, Way.DOWN), LONG,
    ),
    Kind(
        "link_half_open_up", "what a node sends is lost, what the broker sends arrives",
        _half_open(Way.UP), LONG,
    ),
    Kind(
        "link_half_open_down", "what the broker sends is lost, what the node sends arrives",
        _half_open(Way.DOWN), LONG,
    ),
    Kind(
        "link_slow", "all that passes is late", _slow,
        Draw(node=ANY_NODE, seconds=(2.0, 15.0), delay=(0.05, 1.5)),
    ),
    Kind(
        "confirms_swallowed", "the broker has the messages, its confirms are lost",
        _confirms_swallowed, Draw(node=ANY_NODE, seconds=(1.0, 12.0), patience=(20.0, 30.0)),
    ),
    Kind(
        "publish_cut_method", "cut behind the first frame of a publish",
        _publish_cut("method"), NEXT,
    ),
    Kind(
        "publish_cut_header", "cut between the header and the body of a publish",
        _publish_cut("header"), NEXT,
    ),
    Kind(
        "publish_cut_body", "cut half way through the body of a publish",
        _publish_cut("body"), NEXT,
    ),
)  # fmt: skip
