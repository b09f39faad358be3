"""Simulated time: it passes when nothing is ready, and only then."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from simulation.loop import SimulatedLoop, Stuck


def run(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(work)


def test_a_day_passes_at_once() -> None:
    async def sleep() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run(sleep()) == pytest.approx(86_400)
    assert time.monotonic() - began < 5


def test_a_time_out_comes_at_its_moment() -> None:
    async def wait() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(wait()) == pytest.approx(5)


def test_time_passes_after_many_months_as_well() -> None:
    async def sleep() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        loop.pass_by(7 * 2_592_000.123)
        for _ in range(200):
            await asyncio.sleep(0.0005)
        return loop.time()

    assert run(sleep()) == pytest.approx(7 * 2_592_000.123 + 0.1, abs=0.001)


def test_who_goes_in_circles_is_told() -> None:
    async def circle() -> None:
        loop = asyncio.get_running_loop()

        def again() -> None:
            loop.call_soon(again)

        again()
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        run(circle())


def test_what_goes_to_a_thread_runs_in_its_turn() -> None:
    async def ask() -> tuple[int, float]:
        return await asyncio.to_thread(lambda: 3), asyncio.get_running_loop().time()

    assert run(ask()) == (3, 0.0)


def test_who_waits_for_nothing_is_told() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        run(wait())
