"""A failing schedule is cut down to what it needs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.schedule import Schedule, Step, read_schedule, write_schedule
from simulation.shrink import shrink
from simulation.steps.table import draw_schedule, wrong_in


def schedule_of(count: int) -> Schedule:
    return Schedule(1, tuple(Step(float(n), "edit", {"n": n}) for n in range(count)))


def needs(*numbers: int) -> Callable[[Schedule], bool]:
    return lambda schedule: set(numbers) <= {step.given["n"] for step in schedule.steps}


def test_two_steps_far_apart_are_what_is_left() -> None:
    smallest = shrink(schedule_of(25), needs(3, 21))
    assert [step.given["n"] for step in smallest.steps] == [3, 21]


@given(st.sets(st.integers(0, 19), min_size=1, max_size=4))
def test_nothing_that_is_needed_goes_and_nothing_else_stays(wanted: set[int]) -> None:
    smallest = shrink(schedule_of(20), needs(*wanted), most=1_000)
    assert {step.given["n"] for step in smallest.steps} == wanted


def test_the_number_of_trials_is_limited() -> None:
    trials = []

    def fails(schedule: Schedule) -> bool:
        trials.append(schedule)
        return False

    assert shrink(schedule_of(30), fails, most=7) == schedule_of(30)
    assert len(trials) == 7


def test_a_schedule_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_schedule(schedule_of(3), tmp_path / "schedule.json")
    assert read_schedule(tmp_path / "schedule.json") == schedule_of(3)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (
            Step(1.0, "edit", {"till": "one", "place": 0.1, "field": "phone"}),
            "till: 'one' is no number",
        ),
        (Step(1.0, "edit", {"till": 0, "place": 0.1}), "field missing"),
        (Step(-5.0, "edit", {"till": 0, "place": 0.1, "field": "phone"}), "before the beginning"),
    ],
)
def test_a_step_somebody_wrote_is_told_what_is_wrong_with_it(step: Step, says: str) -> None:
    assert says in str(wrong_in(step))
    assert [wrong_in(one) for one in draw_schedule(7).steps] == [None] * len(draw_schedule(7).steps)
