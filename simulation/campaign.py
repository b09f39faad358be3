"""Many schedules on some processes, and what is told of them at the end."""

import hashlib
import multiprocessing
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import TypeVar

from ops.errors import ServiceError
from ops.guardian import Guardian
from simulation.job import Job, Played
from simulation.pace import keep_to
from simulation.postgres import open_places
from simulation.schedule import WrongSchedule, read_schedule
from simulation.steps.table import FAULTS, KINDS, wrong_in
from traces.subjects import counted

T = TypeVar("T")

ROOT = Path(__file__).parent.parent
EVERY_S = 5.0
"""Between two lines of progress."""
SILENT_S = 900.0
"""A job that says nothing for so long hangs."""


@dataclass
class Tally:
    """What became of the schedules so far."""

    digests: dict[int, str] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)
    failed: list[Played] = field(default_factory=list)
    slowest: Played | None = None

    def add(self, played: Played) -> None:
        self.digests[played.seed] = played.digest
        self.met.update(played.met)
        if self.slowest is None or played.seconds > self.slowest.seconds:
            self.slowest = played
        if played.violations:
            self.failed.append(played)

    @property
    def digest(self) -> str:
        """Of all final states, in the order of the seeds."""
        text = "\n".join(f"{seed} {self.digests[seed]}" for seed in sorted(self.digests))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_seeds(first: int, count: int, jobs: int, failures: Path) -> int:
    """Plays seeds `first` … and tells; 0 when no invariant was violated, 1 otherwise."""
    tally, began, said = Tally(), time.monotonic(), time.monotonic()
    try:
        with Guardian() as guardian, open_places(guardian) as (dsn, folder):
            for played in play_all(range(first, first + count), jobs, dsn, folder, failures):
                tally.add(played)
                if played.violations:
                    _tell_failure(played)
                if time.monotonic() - said > EVERY_S:
                    said = time.monotonic()
                    say(
                        f"{len(tally.digests)} of {count}, {len(tally.failed)} violated, {said - began:.0f} s"
                    )
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _tell_faults(tally)
    if tally.slowest is not None:
        say(f"slowest: seed {tally.slowest.seed}, {tally.slowest.seconds:.1f} s")
    say(f"final states {tally.digest}, {time.monotonic() - began:.0f} s")
    say(f"{len(tally.digests)} schedules, {len(tally.failed)} violations")
    return 1 if tally.failed or len(tally.digests) < count else 0


def run_schedule(file: Path) -> int:
    """Plays the schedule of a file once, as it is; 0 when no invariant was violated, 2 when it is no schedule."""
    try:
        schedule = read_schedule(file)
        for step in schedule.steps:
            if step.do not in KINDS:
                raise WrongSchedule(f"{file}: there is no step {step.do!r}")
            if wrong := wrong_in(step):
                raise WrongSchedule(f"{file}: {step.do} at {step.at:g}: {wrong}")
    except (WrongSchedule, OSError) as error:
        sys.stderr.write(f"comptoir simulate: {error}\n")
        return 2
    for step in schedule.steps:
        say(f"{step.at:8.3f} {step.do} {step.given or ''}")
    try:
        with Guardian() as guardian, open_places(guardian) as (dsn, folder):
            job = Job(dsn, f"simulation_{secrets.token_hex(4)}", folder, None)
            played = job.play(schedule)
            job.close()
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for one in played.violations:
        say(one)
    say(f"final state {played.digest}, {counted(len(played.violations), 'violation')}")
    return 1 if played.violations else 0


def play_all(
    seeds: Sequence[int], jobs: int, dsn: str, folder: Path, failures: Path | None
) -> Iterator[Played]:
    """What came of each seed, as it comes. Raises ServiceError when a job ends or hangs."""
    context = multiprocessing.get_context("spawn")
    told: Queue[Played | None] = context.Queue()
    name = f"simulation_{secrets.token_hex(4)}"
    processes = [
        context.Process(
            target=_work,
            args=(n, dsn, f"{name}_{n}", folder / str(n), failures, list(seeds[n::jobs]), told),
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


def start_all(processes: Sequence[BaseProcess]) -> None:
    """Ctrl-C is for whoever started them: they are ended, and have nothing to say about it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for process in processes:
            process.start()
    finally:
        signal.signal(signal.SIGINT, before)


def wait_for(told: "Queue[T | None]", processes: Sequence[BaseProcess]) -> Iterator[T]:
    """What the processes tell, until each has said None. Raises ServiceError when one ends or hangs."""
    ended, until = 0, time.monotonic() + SILENT_S
    while ended < len(processes):
        try:
            one = told.get(timeout=1.0)
        except Empty:
            if any(process.exitcode not in (None, 0) for process in processes):
                raise ServiceError("a job of the simulation ended: see above") from None
            if time.monotonic() > until:
                raise ServiceError(f"no word from the simulation for {SILENT_S:.0f} s") from None
            continue
        until = time.monotonic() + SILENT_S
        if one is None:
            ended += 1
        else:
            yield one


def _work(
    number: int, dsn: str, name: str, folder: Path, failures: Path | None, seeds: list[int],
    told: "Queue[Played | None]",
) -> None:  # fmt: skip
    keep_to(number)
    job = Job(dsn, name, folder, failures)
    for played in job.play_seeds(seeds):
        told.put(played)
    job.close()
    told.put(None)


def _tell_failure(played: Played) -> None:
    say(f"seed {played.seed} of commit {commit()}: {len(played.violations)} violations")
    for one in played.violations[:8]:
        say(f"  {one}")
    for step in played.steps:
        say(f"  {step}")
    if played.trace:
        say(f"  ./comptoir trace show {played.trace}")


def _tell_faults(tally: Tally) -> None:
    """Every kind of fault and how many schedules met it, so that nobody mistakes sunny days for a test."""
    for name in sorted(FAULT_NAMES, key=lambda name: (-tally.met[name], name)):
        say(f"{tally.met[name]:7d} {name}")


FAULT_NAMES = tuple(kind.name for kind in FAULTS)


def commit() -> str:
    """The commit of this checkout, `unknown` outside of one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def default_jobs() -> int:
    return os.cpu_count() or 1


def say(line: str) -> None:
    """One line of output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
