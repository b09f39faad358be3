"""Tills' changes go first: what numbering is told of them, and how it rests."""

import asyncio
import random
from typing import Any

import pytest

from erp_node.pressure import LASTS_S, MANY, Pressure
from erp_node.sequencer import (
    LONGEST_REST_S,
    LONGEST_REST_UNDER_PRESSURE_S,
    RESTS,
    RESTS_UNDER_PRESSURE,
    Sequencer,
)


class Seconds:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_cashiers_who_type_are_no_pressure() -> None:
    pressure = Pressure(Seconds())
    assert not pressure.high
    pressure.note(MANY - 1)
    assert not pressure.high


def test_a_full_batch_is_pressure_for_a_moment() -> None:
    seconds = Seconds()
    pressure = Pressure(seconds)
    pressure.note(MANY)
    assert pressure.high
    seconds.now += LASTS_S / 2
    pressure.note(1)
    assert pressure.high
    seconds.now += LASTS_S / 2
    assert not pressure.high


@pytest.mark.parametrize(
    ("entries", "worked", "rests"),
    [
        (1, 0.01, RESTS * 0.01),
        (1, 60.0, LONGEST_REST_S),
        (MANY, 0.01, RESTS_UNDER_PRESSURE * 0.01),
        (MANY, 60.0, LONGEST_REST_UNDER_PRESSURE_S),
    ],
)
async def test_numbering_rests_longer_while_changes_wait(
    entries: int, worked: float, rests: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    pressure = Pressure(Seconds())
    pressure.note(entries)
    nothing: Any = None
    sequencer = Sequencer(nothing, nothing, nothing, nothing, pressure, rng=random.Random(1))
    await sequencer._rest(worked)
    assert slept == [pytest.approx(rests)]
