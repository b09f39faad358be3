"""`./comptoir test`: lint, types, import borders, then the suite on real services."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ops.errors import ServiceError
from ops.guardian import Guardian
from ops.progress import ConsoleProgress
from ops.services import start_services

ROOT = Path(__file__).parent.parent
TEARDOWN_SECONDS = 60.0
AT_ONCE = min(4, (os.cpu_count() or 1) + 1)
"""Processes that run tests: most of the time a test waits for servers and processes of its own."""

FAILED, USAGE_ERROR, NO_TESTS = 1, 4, 5
"""How pytest ends: tests failed, it cannot read its arguments, it found no test."""


@dataclass(frozen=True)
class Check:
    """A tool that judges the code: its name for the reader, and the arguments for Python."""

    name: str
    argv: tuple[str, ...]


CHECKS = (
    Check("ruff check", ("-m", "ruff", "check", "--quiet", ".")),
    Check("ruff format", ("-m", "ruff", "format", "--quiet", "--check", ".")),
    Check("mypy", ("-m", "mypy", "--no-error-summary")),
    Check("lint-imports", ("-c", "from importlinter.cli import lint_imports_command as c; c()")),
)


def run_checks(args: list[str]) -> int:
    """Runs every check and then pytest with `args`; 0 when all of them are content, 1 otherwise, 130 after Ctrl-C,
    and 2 before anything when pytest does not know an option.

    A failed check stops nothing. Paths in `args` count from the checkout's folder. Tests run side by side in several
    processes unless `args` say otherwise.
    """
    if refused := _unknown_option(args):
        sys.stderr.write(f"comptoir test: {refused}\n")
        return 2
    console = Console(highlight=False)
    failed = [check.name for check in CHECKS if not _passes(check, console)]
    try:
        code = asyncio.run(_test(args))
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        code = 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    if failed:
        sys.stderr.write(f"failed before the tests: {', '.join(failed)}\n")
    return 1 if failed or code else 0


def _unknown_option(args: Sequence[str]) -> str:
    """What pytest says of its arguments; empty when it can read them."""
    if not args:
        return ""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *side_by_side(args), *args, "--markers"],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != USAGE_ERROR:
        return ""
    said = [line.strip() for line in done.stderr.splitlines() if "error: " in line]
    return said[0].rpartition("error: ")[2] if said else done.stderr.strip()


def _passes(check: Check, console: Console) -> bool:
    began = time.monotonic()
    with console.status(f"{check.name} …"):
        done = subprocess.run(
            [sys.executable, *check.argv],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    word = "ok" if done.returncode == 0 else "FAIL"
    sys.stdout.write(f"{word:<5} {check.name:<13} {time.monotonic() - began:6.1f} s\n")
    if done.returncode != 0:
        sys.stdout.write(f"{done.stdout.rstrip()}\n")
    sys.stdout.flush()
    return done.returncode == 0


async def _test(args: Sequence[str]) -> int:
    """How pytest ended, on services that are there for it alone unless the environment gives some."""
    consent = os.environ.get("COMPTOIR_YES") == "1"
    async with start_services(progress=ConsoleProgress(), consent=consent) as services:
        with Guardian() as guardian:
            return await _suite(args, {**os.environ, **services.environment}, guardian)


async def _suite(args: Sequence[str], env: Mapping[str, str], guardian: Guardian) -> int:
    """Tests side by side, then those marked `idle`, which want the machine for themselves."""
    spread = side_by_side(args)
    if not spread or any(one.startswith("-m") for one in args):
        return await _pytest([*spread, *args], env, guardian)
    code = await _pytest([*spread, "-m", "not idle", *args], env, guardian)
    if code not in (0, FAILED, NO_TESTS):
        return code
    return both(code, await _pytest(["-m", "idle", *args], env, guardian))


def both(first: int, second: int) -> int:
    """How two runs of pytest ended together: one may have found nothing to run."""
    ends = {first, second} - {0, NO_TESTS}
    return max(ends) if ends else min(first, second)


_ALONE = ("-n", "--numprocesses", "--pdb", "--trace", "-s", "--capture=no")


def side_by_side(args: Sequence[str]) -> tuple[str, ...]:
    """What spreads tests over processes; nothing when `args` say how many, or want the terminal for one."""
    if any(one.startswith(_ALONE) or "no:xdist" in one for one in args):
        return ()
    return "-n", str(AT_ONCE), "--dist", "worksteal"


async def _pytest(args: Sequence[str], env: Mapping[str, str], guardian: Guardian) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", *args, cwd=ROOT, env=env
    )
    guardian.adopt(process.pid, signal.SIGINT)
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, process.send_signal, signal.SIGINT
    )
    try:
        return await process.wait()
    except asyncio.CancelledError:
        # Ctrl-C reached pytest as well: it takes down what its tests have set up.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), TEARDOWN_SECONDS)
        raise
