"""Looking for every planted bug with the seeds that find none in the product as it is."""

import multiprocessing
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path

from ops.errors import ServiceError
from ops.guardian import Guardian
from simulation.campaign import say, start_all, wait_for
from simulation.job import Job
from simulation.mutants import cards, down, up
from simulation.mutants.mutant import Mutant
from simulation.postgres import open_places
from simulation.steps.table import draw_schedule

MUTANTS: dict[str, Mutant] = {one.name: one for one in (*up.MUTANTS, *down.MUTANTS, *cards.MUTANTS)}
MOST_SEEDS = 2_000


@dataclass(frozen=True, slots=True)
class Hunted:
    """How many seeds it took to find a mutant, and by what; `seeds` None: it was not found."""

    mutant: str
    seeds: int | None
    by: str
    seconds: float


def hunt_all(jobs: int, wanted: Sequence[str] = (), most: int = MOST_SEEDS) -> int:
    """Looks for each mutant and tells; 0 when all were found, 1 otherwise, 2 when there is none of a name."""
    names = list(wanted) or list(MUTANTS)
    if unknown := sorted(set(names) - MUTANTS.keys()):
        known = ", ".join(sorted(MUTANTS))
        sys.stderr.write(f"comptoir simulate: no mutant {', '.join(unknown)}; there are {known}\n")
        return 2
    found: list[Hunted] = []
    try:
        with Guardian() as guardian, open_places(guardian) as (dsn, folder):
            for one in _hunt_on(jobs, names, most, dsn, folder):
                found.append(one)
                seeds = f"{one.seeds:5d} seeds" if one.seeds is not None else "  NOT FOUND"
                say(f"{seeds}  {one.mutant:34} {MUTANTS[one.mutant].says}: {one.by[:90]}")
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    hidden = [one.mutant for one in found if one.seeds is None]
    say(f"{len(found)} mutants, {len(hidden)} not found")
    return 1 if hidden or len(found) < len(names) else 0


def _hunt_on(jobs: int, names: list[str], most: int, dsn: str, folder: Path) -> Iterator[Hunted]:
    context = multiprocessing.get_context("spawn")
    told: Queue[Hunted | None] = context.Queue()
    todo: Queue[str | None] = context.Queue()
    for name in [*names, *[None] * jobs]:
        todo.put(name)
    database = f"simulation_{secrets.token_hex(4)}"
    processes = [
        context.Process(
            target=_work,
            args=(dsn, f"{database}_{n}", folder / str(n), most, todo, told),
            daemon=True,
        )
        for n in range(jobs)
    ]
    start_all(processes)
    try:
        yield from wait_for(told, processes)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _work(
    dsn: str, name: str, folder: Path, most: int, todo: "Queue[str | None]",
    told: "Queue[Hunted | None]",
) -> None:  # fmt: skip
    job = Job(dsn, name, folder, None)
    while (mutant := todo.get()) is not None:
        told.put(hunt(job, MUTANTS[mutant], most))
    job.close()
    told.put(None)


def hunt(job: Job, mutant: Mutant, most: int = MOST_SEEDS) -> Hunted:
    """Plays seeds from 0 on with the bug switched on, until one violates an invariant that the product without it
    does not."""
    began = time.monotonic()
    for seed in range(most):
        with mutant.switched_on():
            played = job.play(draw_schedule(seed))
        if played.violations and not job.play(draw_schedule(seed)).violations:
            return Hunted(mutant.name, seed + 1, played.violations[0], time.monotonic() - began)
    return Hunted(mutant.name, None, "", time.monotonic() - began)
