"""`comptoir chaos`: a whole system is started, troubled, healed, left alone, and looked at."""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from chaos.cashier import Cashier
from chaos.faults.table import DRAWN, KINDS, play_plan
from chaos.history import History
from chaos.judging import (
    PATIENCE_S,
    Healed,
    hear_witnesses,
    judge,
    wait_for_agreement,
    wait_for_work,
)
from chaos.keeping import keep, may_write
from chaos.node import NodeLost
from chaos.office import Office
from chaos.plan import PER_MINUTE, Planned, draw_plan
from chaos.reading import read_both, read_customers
from chaos.world import World, make_world
from ops.clients import NotSeen
from ops.errors import ServiceError
from ops.process import NotReady
from ops.progress import ConsoleProgress
from ops.services import start_services
from ops.system import SystemFailed
from ops.told import until_told
from simulation.checkers.history import Violation
from simulation.checkers.liveness import Waited
from simulation.checkers.observed import Seen

EVERY_S = 15.0
"""Between two lines of progress."""
SHOWN = 12
"""Violations; the others are in the file."""

Say = Callable[[str], None]
Spoil = Callable[[World], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """`history`: where the history goes, None: nowhere once all is well. `failures`: what is kept of a bad run."""

    minutes: float
    seed: int
    history: Path | None
    failures: Path
    consent: bool
    per_minute: float = PER_MINUTE

    @property
    def again(self) -> str:
        """The command of this run."""
        return f"./comptoir chaos --minutes {self.minutes:g} --seed {self.seed}"


def run_chaos(wanted: Wanted) -> int:
    """The whole run, told on standard output; 0 when no invariant was violated, 130 when it was told to stop."""
    try:
        return asyncio.run(until_told(_run(wanted), stopped=130))
    except (ServiceError, SystemFailed, NotReady, NotSeen) as error:
        sys.stderr.write(f"comptoir chaos: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


async def _run(wanted: Wanted) -> int:
    """Raises ServiceError before anything is started when the folders that were asked for cannot be used."""
    if not may_write(wanted.failures):
        raise ServiceError(f"--failures {wanted.failures}: cannot be written")
    progress = ConsoleProgress()
    with tempfile.TemporaryDirectory(prefix="comptoir-chaos-") as place:
        folder = Path(place)
        with _open_history(wanted.history or folder / "history.jsonl") as history:
            async with start_services(folder, progress, wanted.consent, environ={}) as services:
                inside = folder / "nodes"
                async with make_world(services, inside, wanted.seed, history, progress) as world:
                    return await play(world, wanted, say)


def _open_history(path: Path) -> History:
    try:
        return History(path)
    except OSError as error:
        raise ServiceError(f"--history {path}: {error.strerror or error}") from None


async def play(
    world: World,
    wanted: Wanted,
    say: Say,
    spoil: Spoil | None = None,
) -> int:
    """A world's whole run; 0 when no invariant was violated. `spoil`: what is done before anybody judges."""
    plan = draw_plan(wanted.seed, wanted.minutes * 60.0, DRAWN, wanted.per_minute)
    world.healing.clear()
    say(f"seed {wanted.seed}, {wanted.minutes:g} minutes: {len(plan)} faults to come")
    world.history.note("run", "begins", seed=wanted.seed, minutes=wanted.minutes, plan=len(plan))
    world.customers, world.names = await read_customers(world.dsn)
    violations = await _violations(world, wanted, plan, say, spoil)
    _tell_faults(world.history, say)
    for one in violations:
        world.history.note("run", "violation", invariant=one.invariant, text=one.text)
    if violations:
        await _keep(world, wanted, violations, say)
    say(f"{sum(world.history.met.values())} faults, {len(violations)} violations")
    return 1 if violations else 0


async def _violations(
    world: World, wanted: Wanted, plan: tuple[Planned, ...], say: Say, spoil: Spoil | None
) -> tuple[Violation, ...]:
    lost: list[str] = []
    try:
        await _trouble(world, wanted, plan, say)
    except* (NodeLost, ServiceError) as group:
        lost += [str(one) for one in _each(group)]
    if lost:
        return tuple(Violation("ended", one) for one in lost)
    waited = await _wait(world, say)
    seen = await _settle(world, say)
    if spoil is not None:
        await spoil(world)
        seen = await read_both(world)
    return judge(world, Healed(waited, seen))


async def _trouble(world: World, wanted: Wanted, plan: tuple[Planned, ...], say: Say) -> None:
    """People and faults for so long; then everything is whole. The broker's port opens last, when this returns."""
    with ExitStack() as closed:
        async with asyncio.TaskGroup() as group:
            for till in world.tills:
                group.create_task(Cashier(world, till, wanted.seed).work())
            group.create_task(Office(world, wanted.seed).work())
            group.create_task(play_plan(world, plan))
            telling = asyncio.create_task(_tell_progress(world, say))
            try:
                await asyncio.sleep(wanted.minutes * 60.0)
            finally:
                telling.cancel()
            say("healing")
            world.history.note("run", "heals")
            world.healing.set()
            for node in world.nodes:
                closed.enter_context(node.proxy.shut())
        await asyncio.gather(world.broker.wait_ready(), world.database.wait_ready())


async def _wait(world: World, say: Say) -> tuple[Waited, ...]:
    """How long the nodes take to be at work, nobody being in their way any more."""
    world.history.note("run", "is whole")
    waited = await wait_for_work(world)
    say("at work after " + ", ".join(f"{one.who} {_seconds(one.seconds)}" for one in waited))
    return waited


async def _settle(world: World, say: Say) -> Seen:
    """What both ends come to by themselves."""
    await hear_witnesses(world)
    seen, took = await wait_for_agreement(world)
    await hear_witnesses(world)
    agreed = "agree" if took < PATIENCE_S else "do not agree"
    say(f"both ends {agreed} after {took:.1f} s")
    world.history.note("run", f"both ends {agreed}", seconds=round(took, 1))
    return seen


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


async def _tell_progress(world: World, say: Say) -> None:
    history = world.history
    while True:
        await asyncio.sleep(EVERY_S)
        met, told = sum(history.met.values()), len(history.told)
        say(f"{history.now:7.0f} s  {met} faults met, {told} changes made")


def _tell_faults(history: History, say: Say) -> None:
    """Every kind and how often it was met, so that nobody mistakes sunny days for a test."""
    for name in sorted(KINDS, key=lambda name: (-history.met.get(name, 0), name)):
        say(f"{history.met.get(name, 0):7d} {name}")


async def _keep(world: World, wanted: Wanted, violations: tuple[Violation, ...], say: Say) -> None:
    for one in violations[:SHOWN]:
        say(f"  {one.invariant} {one.text}")
    if len(violations) > SHOWN:
        say(f"  and {len(violations) - SHOWN} more")
    into = wanted.failures / f"seed-{wanted.seed}"
    await keep(world, into)
    say(f"history, logs and files of both ends: {into}")
    say(f"again: {wanted.again}")


def _each(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors of a group and of the groups in it."""
    found: list[BaseException] = []
    for one in group.exceptions:
        found += _each(one) if isinstance(one, BaseExceptionGroup) else [one]
    return found


def say(line: str) -> None:
    """One line of output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
