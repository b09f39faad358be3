"""One schedule from its beginning to its end: a world is made, troubled, healed, left alone, and looked at."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from messaging.observer import Observer, ignore
from pos_node import sweep
from pos_node.store.cursors import read_cursors
from simulation.checkers.cards import check_cards
from simulation.checkers.convergence import check_convergence
from simulation.checkers.history import EndedSearch, Violation
from simulation.checkers.journal import check_no_loss, check_once, check_sender
from simulation.checkers.liveness import Waited, check_liveness
from simulation.checkers.monotone import check_monotone
from simulation.checkers.observed import Seen
from simulation.checkers.searching import check_search
from simulation.loop import SimulatedLoop, Stuck
from simulation.observing import observe_erp
from simulation.probes import probe_blocks
from simulation.schedule import Schedule
from simulation.server import Server
from simulation.steps.table import KINDS
from simulation.tasks import make_task
from simulation.world import World, make_world

SWEEP_S = 900.0
OFTEN_S = 45.0
"""Between two sweeps of a schedule whose faults only a sweep may notice; otherwise nothing may need one."""
PATIENCE_S = 75.0
LONG_PATIENCE_S = 400.0
"""How long healing may take until both ends agree."""
NUMBERED = "SELECT scope, head, (SELECT count(*) FROM feed_mark) AS marks FROM feed_scope"
"""How far the feeds are, and what waits to be in one."""
MOST_TURNS = 300_000
"""Of the loop: more means that something goes in circles."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a schedule. `digest`: of what both ends held at the end. `took`: simulated seconds from
    healing until both ends agreed."""

    schedule: Schedule
    violations: tuple[Violation, ...]
    digest: str
    met: frozenset[str]
    took: float


@dataclass(frozen=True, slots=True)
class Place:
    """What schedules of one job are played with."""

    server: Server
    folder: Path
    template: Path


def _nobody(node: str) -> Observer:
    return ignore


def play(
    schedule: Schedule, place: Place, observe_with: Callable[[str], Observer] = _nobody
) -> Outcome:
    """Plays a schedule on a loop of its own. `observe_with`: gives each node, by its name, what it observes with."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.get_loop().set_task_factory(make_task)
        try:
            return runner.run(_play(schedule, place, observe_with))
        except Stuck as error:
            return Outcome(schedule, (Violation("I11", f"stuck: {error}"),), "", frozenset(), 0.0)


async def _play(
    schedule: Schedule, place: Place, observe_with: Callable[[str], Observer]
) -> Outcome:
    swept = any(KINDS[step.do].mended_by_sweep for step in schedule.steps)
    sweep.EVERY_S = OFTEN_S if swept else SWEEP_S
    world = await make_world(
        schedule.seed, place.server, place.folder, place.template, observe_with
    )
    try:
        for process in world.processes:
            process.start()
        await _trouble(world, schedule)
        world.heal()
        began = world.loop.time()
        waited = await _wait_for_work(world)
        asked = await probe_blocks(world)
        seen = await _wait_for_agreement(world, LONG_PATIENCE_S if swept else PATIENCE_S)
        took = world.loop.time() - began
        await look_at_searches(world)
        violations = (*check_liveness(waited), *asked, *check_everything(world, seen))
        return Outcome(schedule, violations, digest_of(seen), frozenset(world.met), took)
    finally:
        _end(world)


async def _trouble(world: World, schedule: Schedule) -> None:
    for step in schedule.steps:
        due = step.at + world.slept
        if due > world.loop.time():
            await asyncio.sleep(due - world.loop.time())
        KINDS[step.do].play(world, step.given)
    await asyncio.sleep(0.5)


async def _wait_for_work(world: World) -> list[Waited]:
    """How long each till takes to be at work."""
    began, waited = world.loop.time(), {till.label: None for till in world.tills}
    found: dict[str, float] = {}
    while world.loop.time() - began <= 10.5 and len(found) < len(waited):
        for till in world.tills:
            if till.at_work:
                found.setdefault(till.label, world.loop.time() - began)
        await asyncio.sleep(0.25)
    return [Waited(till.label, found.get(till.label)) for till in world.tills]


async def _wait_for_agreement(world: World, patience: float) -> Seen | None:
    """What both ends hold once they agree, or at the end of patience."""
    until = world.loop.time() + patience
    while True:
        settled = _is_settled(world)
        late = world.loop.time() > until or world.loop.turns > MOST_TURNS
        if (settled or late) and all(till.running for till in world.tills):
            seen = observe(world)
            if late or not [
                *check_no_loss(seen, world.history),
                *check_convergence(seen, restored=world.restored),
            ]:
                return seen
        elif late:
            return None
        await asyncio.sleep(0.5 if settled else 0.25)


def _is_settled(world: World) -> bool:
    """Whether looking is worth while: no journal waits, nothing waits to be numbered, no feed is behind."""
    stores = [
        till.store for till in world.tills if till.node is not None and till.store is not None
    ]
    if len(stores) < len(world.tills) or not all(one.look(_is_empty) for one in stores):
        return False
    numbered = world.server.fetch(NUMBERED)
    if any(row["marks"] for row in numbered):
        return False
    heads = {row["scope"]: row["head"] for row in numbered}
    cursors = [cursor for one in stores for cursor in one.look(read_cursors)]
    return all(cursor.seq >= heads.get(cursor.scope, 0) for cursor in cursors)


def _is_empty(connection: sqlite3.Connection) -> bool:
    (empty,) = connection.execute("SELECT NOT EXISTS (SELECT 1 FROM journal)").fetchone()
    return bool(empty)


def observe(world: World) -> Seen:
    """Both ends. Every till must run."""
    return Seen(observe_erp(world.server.fetch), tuple(till.observe() for till in world.tills))


async def look_at_searches(world: World) -> None:
    """How the searches that were cancelled stand now, of tills that still run."""
    for till, node, search, was in world.ended_searches:
        same = till.node
        if same is None or same is not node:
            continue
        now = (await same.till.searches.look(search, "anna")).outcome

        world.history.searches.append(EndedSearch(till.label, repr(was), repr(now)))


def check_everything(world: World, seen: Seen | None) -> Iterator[Violation]:
    """Every invariant there is so far."""
    history = world.history
    for process in world.processes:
        if process.failure is not None:
            yield Violation("ended", f"{process.label} ended by itself: {process.failure!r}")
    if world.loop.turns > MOST_TURNS:
        yield Violation("I11", f"{world.loop.turns} turns of the loop: something goes in circles")
    yield from check_monotone(history.stored)
    if seen is None:
        yield Violation("I11", "a till could not be started")
        return
    yield from check_no_loss(seen, history)
    yield from check_convergence(seen, restored=world.restored)
    yield from check_once(seen, history)
    yield from check_sender(seen, history)
    yield from check_search(seen, history)
    yield from check_cards(seen, history)


def digest_of(seen: Seen | None) -> str:
    """Of all that does not hang on luck inside the server: names of verdicts and of the feeds' epoch."""
    if seen is None:
        return "-"
    parts: list[object] = [seen.erp.customers, seen.erp.reference, seen.erp.history]
    parts += [[(one.till, one.epoch, one.seq, one.outcome, one.code) for one in seen.erp.verdicts]]
    parts += [
        sorted(seen.erp.progress.items()),
        sorted(seen.erp.gone),
        sorted(seen.erp.heads.items()),
        seen.erp.cards,
        [(one.card, one.event, one.customer, one.where) for one in seen.erp.card_events],
    ]
    for till in seen.tills:
        parts += [till.pos_id, till.customers, till.reference, sorted(till.gone)]
        parts += [sorted((scope, seq) for scope, (_, seq) in till.cursors.items())]
        parts += [
            till.cards,
            till.epoch,
            till.last_seq,
            [(one.code, one.customer) for one in till.notices],
        ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _end(world: World) -> None:
    for process in world.processes:
        process.kill()
