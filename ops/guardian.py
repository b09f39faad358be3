"""Starts processes that never outlive this one."""

import asyncio
import json
import os
import pwd
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from types import TracebackType
from typing import Self

from ops.errors import ServiceError

POLL_SECONDS = 0.02


class Guardian:
    """Owns processes and folders; all of them are gone after `close`, or after the death of this process.

    Both ways are one: a watcher process (`ops/watcher.py`) reads what to end from a pipe and acts when the pipe
    closes, which the kernel does for a process killed with SIGKILL too.
    """

    def __init__(self, grace: float = 5.0) -> None:
        """`grace` is the time in seconds between the first signal to a process and SIGKILL."""
        script = Path(__file__).with_name("watcher.py")
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), str(os.getpid()), str(grace)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._processes: list[subprocess.Popen[bytes]] = []

    def spawn(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        account: str | None = None,
        end: Signals = SIGKILL,
    ) -> subprocess.Popen[bytes]:
        """Starts `argv` in a session of its own, output appended to `log`, as user `account` when given.

        `end` is the signal it gets at the end; SIGKILL follows when it takes too long.
        """
        with log.open("ab") as output:
            process = subprocess.Popen(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                start_new_session=True,
                user=account,
                group=None if account is None else pwd.getpwnam(account).pw_gid,
                extra_groups=None if account is None else [],
            )
        self._adopt(process, end)
        return process

    def adopt(self, pid: int, end: Signals = SIGTERM) -> None:
        """Takes over a process that somebody else started and will wait for."""
        self._order("process", pid, int(end))

    def own_folder(self, inside: Path | None = None) -> Path:
        """A new empty folder in `inside` (or the system's place for such), removed at the end."""
        folder = Path(tempfile.mkdtemp(prefix="comptoir-", dir=inside))
        self._order("folder", str(folder))
        return folder

    def at_end(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """A command to run at the end, before the processes are ended."""
        self._order("command", list(argv), dict(env))

    async def run(
        self,
        argv: Sequence[str | Path],
        *,
        seconds: float,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        account: str | None = None,
    ) -> str:
        """Runs a command to its end and returns its output.

        Raises ServiceError when it fails or takes longer than `seconds`.
        """
        with tempfile.TemporaryDirectory(prefix="comptoir-run-") as folder:
            log = Path(folder) / "output"
            process = self.spawn(argv, log=log, env=env, cwd=cwd, account=account)
            try:
                await until_ended(process, seconds)
            except TimeoutError:
                raise ServiceError(f"{argv[0]}: no end after {seconds:.0f} s") from None
            finally:
                process.kill()
                process.wait()
                self._forget_ended()
            output = log.read_text(errors="replace")
        if process.returncode != 0:
            raise ServiceError(f"{argv[0]} failed ({process.returncode}):\n{last_lines(output)}")
        return output

    def close(self) -> None:
        """Ends everything, waits until it is gone."""
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()
        self._watcher.wait()
        for process in self._processes:
            process.wait()

    def _adopt(self, process: subprocess.Popen[bytes], end: Signals) -> None:
        self._forget_ended()
        self._processes.append(process)
        self._order("process", process.pid, int(end))

    def _forget_ended(self) -> None:
        for process in [one for one in self._processes if one.poll() is not None]:
            self._processes.remove(process)
            self._order("ended", process.pid)

    def _order(self, *order: object) -> None:
        assert self._watcher.stdin is not None
        self._watcher.stdin.write(json.dumps(order).encode() + b"\n")
        self._watcher.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


async def until(check: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Returns as soon as `check` holds; TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not await check():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(POLL_SECONDS)


async def until_ended(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Returns when the process has ended and was reaped; TimeoutError after `seconds`."""

    async def ended() -> bool:
        return process.poll() is not None

    await until(ended, seconds)


def last_lines(text: str, count: int = 12) -> str:
    """The end of a log, where the reason usually stands."""
    return "\n".join(text.strip().splitlines()[-count:])
