"""The `test` command: what counts as passed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ops import checks
from ops.checks import Check, both, run_checks, side_by_side
from ops.errors import ServiceError
from ops.services import Services

GOOD = Check("good", ("-c", "pass"))
BAD = Check("bad", ("-c", "import sys; sys.exit('what is wrong')"))
NO_SERVICES = Services("amqp://127.0.0.1:1/", "http://127.0.0.1:1", "postgresql://h/p", None, None)


@asynccontextmanager
async def _given(**_: object) -> AsyncIterator[Services]:
    yield NO_SERVICES


@asynccontextmanager
async def _not_given(**_: object) -> AsyncIterator[Services]:
    none: tuple[Services, ...] = ()
    for services in none:
        yield services
    raise ServiceError("nothing installed")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CHECKS", (GOOD,))
    monkeypatch.setattr(checks, "start_services", _given)


def test_everything_content_is_zero(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_checks(["--version"]) == 0
    assert "ok    good" in capfd.readouterr().out


def test_a_failed_check_does_not_stop_the_tests_and_counts(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "CHECKS", (BAD, GOOD))
    assert run_checks(["--version"]) == 1
    said = capfd.readouterr()
    assert "FAIL  bad" in said.out
    assert "what is wrong" in said.out
    assert "ok    good" in said.out
    assert "pytest " in said.out
    assert "bad" in said.err


def test_failed_tests_count() -> None:
    assert run_checks(["tests/no_such_file.py"]) == 1


@pytest.mark.parametrize(
    "alone", [["-n", "0"], ["-n2"], ["-x", "--pdb"], ["-s"], ["-p", "no:xdist"]]
)
def test_tests_run_side_by_side_unless_told_otherwise(alone: list[str]) -> None:
    assert side_by_side(["-x", "--no-header", "tests/unit"])[0] == "-n"
    assert side_by_side(alone) == ()


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [(0, 0, 0), (0, 5, 0), (5, 0, 0), (5, 5, 5), (1, 0, 1), (0, 1, 1), (5, 1, 1), (0, 2, 2)],
)
def test_two_runs_are_content_when_one_is_and_the_other_had_nothing_to_do(
    first: int, second: int, together: int
) -> None:
    assert both(first, second) == together


def test_an_option_pytest_does_not_know_is_refused_before_anything_runs(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run_checks(["--no-such-option"]) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == "comptoir test: unrecognized arguments: --no-such-option\n"


def test_services_that_cannot_be_had_count(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "start_services", _not_given)
    assert run_checks([]) == 1
    assert "nothing installed" in capfd.readouterr().err
