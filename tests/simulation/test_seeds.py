"""Whole schedules: they end well, and always in the same way."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.campaign import ROOT
from simulation.mutants.hunt import MUTANTS, hunt
from simulation.recording import Recording
from simulation.run import play
from simulation.schedule import Schedule, Step, read_schedule
from simulation.steps.table import FAULTS, KINDS, draw_schedule
from tests.simulation.conftest import MakeJob
from traces.reading import read_trace

SEEDS = range(12)

pytestmark = pytest.mark.timeout(300)

_PLAY = """
import sys
from pathlib import Path
from simulation.job import Job
job = Job(sys.argv[1], sys.argv[2], Path(sys.argv[3]), None)
for played in job.play_seeds(range(4)):
    print(played.seed, played.digest)
job.close()
"""


def test_i1_i2_i3_i9_i10_i11_i12_hold_after_healing(make_job: MakeJob) -> None:
    job = make_job()
    for played in job.play_seeds(SEEDS):
        assert played.violations == (), f"seed {played.seed}"


def test_the_same_seed_ends_the_same_whatever_came_before(make_job: MakeJob) -> None:
    first, second = make_job(), make_job()
    forth = {one.seed: one.digest for one in first.play_seeds(SEEDS)}
    back = {one.seed: one.digest for one in second.play_seeds(reversed(SEEDS))}
    assert forth == back


def test_another_process_with_other_hashes_ends_the_same(dsn: str, tmp_path: Path) -> None:
    told = [_played_apart(dsn, tmp_path / hashes, hashes) for hashes in ("1", "2")]
    assert told[0] == told[1]
    assert len(told[0].splitlines()) == 4


def _played_apart(dsn: str, folder: Path, hashes: str) -> str:
    name = f"simulation_{secrets.token_hex(4)}"
    env = {**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", _PLAY, dsn, name, str(folder)]
    done = subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_every_kind_of_step_is_drawn() -> None:
    drawn = {step.do for seed in range(400) for step in draw_schedule(seed).steps}
    assert drawn == set(KINDS)
    assert len(FAULTS) >= 35


def test_a_fault_alone_is_met_and_healed(make_job: MakeJob) -> None:
    job = make_job()
    faults = ("broker_wiped", "till_killed", "database_restarted", "file_damaged", "till_restored")
    for fault in faults:
        steps = [one for one in _first_with(fault).steps if one.do in (fault, "edit", "erp_edit")]
        after = Step(steps[-1].at + 10.0, "erp_edit", {"place": 0.1, "field": "phone"})
        outcome = play(Schedule(3, (*steps, after)), job.place)
        assert outcome.violations == (), fault
        assert fault in outcome.met


FOUND = (
    "greeting-of-a-restored-till", "progress-never-heard", "ahead-of-a-scope-nobody-tells",
    "copy-put-back-unnoticed", "setting-set-again", "numbers-used-before",
    "alone-ahead-of-an-older-erp",
)  # fmt: skip
"""Schedules that violated an invariant once."""


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_is_not_found_again(make_job: MakeJob, name: str) -> None:
    schedule = read_schedule(Path(__file__).parent / "found" / f"{name}.json")
    assert play(schedule, make_job().place).violations == ()


def _first_with(fault: str) -> Schedule:
    return next(
        one
        for one in map(draw_schedule, range(1_000))
        if any(step.do == fault for step in one.steps)
    )


def test_a_failing_schedule_becomes_a_trace(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job()
    schedule = Schedule(3, (Step(2.0, "edit", {"till": 0, "place": 0.5, "field": "phone"}),))
    recording = Recording(tmp_path / "trace")
    play(schedule, job.place, recording.observer_of)
    recording.end(schedule, "nothing\n")
    trace = read_trace([tmp_path / "trace"])
    assert any(line.type == "customer.edited" for line in trace.lines)


@pytest.mark.parametrize("name", ["entry_dropped_after_confirm", "gap_in_the_feed_not_noticed"])
def test_a_planted_bug_is_found(make_job: MakeJob, name: str) -> None:
    hunted = hunt(make_job(), MUTANTS[name], most=300)
    assert hunted.seeds is not None
