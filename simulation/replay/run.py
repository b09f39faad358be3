"""A story played to fresh nodes, message by message, until nothing more comes of it."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from messaging.observer import Observer
from simulation.checkers.observed import Seen
from simulation.loop import SimulatedLoop, UnthreadedLoop
from simulation.observing import observe_erp
from simulation.replay.before import Before
from simulation.replay.buses import Buses, memory_buses, real_buses
from simulation.replay.faults import Faults, Way, disturb
from simulation.replay.lists import list_again
from simulation.replay.stage import SEED, Place, Stage, enrol, make_stage
from simulation.replay.story import Story
from simulation.tasks import make_task

LONGEST_GAP_S = 5.0
"""Where nothing was said for longer than this, less time passes at the nodes: nobody waits for anything then."""
PATIENCE_S = 90.0
"""Simulated seconds after the last message until everything must be in its place."""
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Real:
    """A RabbitMQ of its own. `speed`: times the recorded one; None: as fast as it goes. `consent`: to install it."""

    speed: float | None = None
    consent: bool = False

    def pause(self, gap: float) -> float:
        """Seconds to wait where so many passed."""
        return 0.0 if self.speed is None else gap / self.speed


def _nothing(*given: object) -> None:
    return


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told of a replay as it goes. `observe_with`: gives each node what it observes with. `on_stage`: the
    nodes are made. `before_each`: a message is next, so many seconds after the one before it. `at_end`: all is at
    rest, and the nodes still run."""

    observe_with: Callable[[str], Observer]
    on_stage: Callable[[Stage], None] = _nothing
    before_each: Callable[[Way, float], None] = _nothing
    at_end: Callable[[Stage], None] = _nothing


@dataclass(frozen=True, slots=True)
class Played:
    """What came of it: both ends as they stand, with what was seen on the way, and whether they came to rest."""

    stage: Stage
    seen: Seen
    ways: tuple[Way, ...]
    settled: bool


def play(
    story: Story,
    before: Before,
    place: Place,
    faults: Faults,
    watch: Watch,
    real: Real | None = None,
) -> Played:
    """Plays on a loop of its own: in memory and on simulated time, or on a `real` broker.

    Raises Stuck, MessagingError, reference.WrongRecord; on a real broker ServiceError and AdminError as well.
    """
    factory = SimulatedLoop if real is None else UnthreadedLoop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.get_loop().set_task_factory(make_task)
        return runner.run(_play(story, before, place, faults, watch, real))


async def _play(
    story: Story, before: Before, place: Place, faults: Faults, watch: Watch, real: Real | None
) -> Played:
    tills = enrol(story)
    opened = memory_buses(SEED, tills) if real is None else real_buses(real.consent, tills)
    async with opened as buses:
        return await _play_on(buses, story, before, place, faults, watch, real)


async def _play_on(
    buses: Buses,
    story: Story,
    before: Before,
    place: Place,
    faults: Faults,
    watch: Watch,
    real: Real | None,
) -> Played:
    stage = await make_stage(story, before, place, buses, watch.observe_with)
    watch.on_stage(stage)
    try:
        if story.given:
            stage.set_time(story.given[0].at)
        await stage.start()
        ways = disturb(story.given, faults)
        for way, gap in _spaced(ways):
            if gap > 0:
                await asyncio.sleep(min(gap, LONGEST_GAP_S) if real is None else real.pause(gap))
            watch.before_each(way, gap)
            await _give(stage, way)
        settled = await _come_to_rest(stage)
        tills = tuple(till.observe() for till in stage.tills)
        watch.at_end(stage)
        return Played(stage, Seen(observe_erp(stage.server.fetch), tills), tuple(ways), settled)
    finally:
        stage.stop()


def _spaced(ways: list[Way]) -> Iterator[tuple[Way, float]]:
    """Each with the seconds after the latest one before it."""
    latest = ways[0].given.at if ways else None
    for way in ways:
        assert latest is not None
        gap = (way.given.at - latest).total_seconds()
        latest = max(latest, way.given.at)
        yield way, max(gap, 0.0)


async def _give(stage: Stage, way: Way) -> None:
    """A message in its turn: its sender has sent it from now on, even when it is lost. What it tells of reference
    data the ERP's users had put there: the fresh ERP is given it too."""
    given = way.given
    if isinstance(loop := asyncio.get_running_loop(), SimulatedLoop):
        loop.turns = 0
    stage.set_time(given.at)
    if given.side == "tills":
        stage.erp_part.know(given)
        if way.arrives:
            stage.erp_part.send(given)
        await list_again(stage.pool, given.page)
        return
    part = stage.till_parts[given.till]
    part.know(given)
    if way.arrives:
        part.send(given)


async def _come_to_rest(stage: Stage) -> bool:
    """Heads are told and entries sent again, as the nodes do it all the time; whether all then is in its place."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE_S
    while loop.time() < until:
        stage.erp_part.tell_heads()
        missing = _send_missing(stage)
        await asyncio.sleep(LOOK_S)
        if (
            not missing
            and not _send_missing(stage)
            and _tills_are_level(stage)
            and _numbered(stage)
        ):
            await asyncio.sleep(LOOK_S)
            return True
    return False


def _send_missing(stage: Stage) -> bool:
    """As a till does once it hears how far its journal is applied. Of an entry that the trace does not hold
    nothing can be sent, and what comes after it waits."""
    rows = stage.server.fetch("SELECT pos_id, epoch, applied_seq FROM journal_progress")
    applied = {(row["pos_id"], row["epoch"]): row["applied_seq"] for row in rows}
    missing = False
    for pos_id, part in stage.till_parts.items():
        for epoch in dict.fromkeys(epoch for epoch, _ in part.journal):
            after = applied.get((pos_id, epoch), 0)
            if (epoch, after + 1) in part.journal:
                part.send_again(epoch, after)
                missing = True
    return missing


def _tills_are_level(stage: Stage) -> bool:
    feeds = stage.erp_part.feeds
    for till in stage.tills:
        cursors = till.observe().cursors
        for scope in till.address.scopes:
            if cursors.get(scope, ("", 0)) != (feeds.epoch, feeds.head(scope)):
                return False
    return True


def _numbered(stage: Stage) -> bool:
    marks: int = stage.server.fetch("SELECT count(*) AS marks FROM feed_mark")[0]["marks"]
    return marks == 0
