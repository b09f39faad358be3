"""Fresh processes for tests that kill them."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from signal import Signals

from ops.guardian import Guardian

ROOT = Path(__file__).parent.parent


class Process:
    """A child whose output is read line by line; standard error goes where the test's own goes."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child
        self._news = asyncio.Event()
        self.lines: list[str] = []
        self._reader = asyncio.create_task(self._read())
        self._reader.add_done_callback(lambda _: self._news.set())

    @property
    def pid(self) -> int:
        """Its number."""
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs, negative for a signal."""
        return self._child.returncode

    async def wait_line(self, text: str, seconds: float = 30.0) -> str:
        """The first line with `text` in it; AssertionError with all lines when it ends or takes too long."""

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (self._reader.done() or any(text in line for line in self.lines)):
                    self._news.clear()
                    await self._news.wait()
        for line in self.lines:
            if text in line:
                return line
        raise AssertionError(f"no line with {text!r} among:\n" + "\n".join(self.lines))

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        if self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._child.kill()
        await self.wait()

    def send_signal(self, number: Signals) -> None:
        """Sends a signal, such as SIGTERM or SIGSTOP."""
        self._child.send_signal(number)

    async def wait(self, seconds: float = 30.0) -> int:
        """Waits for its end and its last line; returns how it ended."""
        async with asyncio.timeout(seconds):
            await self._reader
            return await self._child.wait()

    async def _read(self) -> None:
        assert self._child.stdout is not None
        async for line in self._child.stdout:
            self.lines.append(line.decode(errors="replace").rstrip("\n"))
            self._news.set()


class Spawner:
    """Starts processes and ends those still there at the end of the test."""

    def __init__(self, guardian: Guardian) -> None:
        self._guardian = guardian
        self._processes: list[Process] = []

    async def __call__(
        self,
        *argv: str | Path,
        env: Mapping[str, str] | None = None,
        line: str | None = None,
        seconds: float = 30.0,
    ) -> Process:
        """Starts `argv` in the checkout's folder and waits for a line with `line` in it, when given.

        `env` is added to the environment.
        """
        child = await asyncio.create_subprocess_exec(
            *argv,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_heed_ctrl_c,
        )
        self._guardian.adopt(child.pid)
        process = Process(child)
        self._processes.append(process)
        if line is not None:
            await process.wait_line(line, seconds)
        return process

    async def close(self) -> None:
        """Kills what still runs."""
        for process in self._processes:
            await process.kill()


def _heed_ctrl_c() -> None:
    """A suite that runs in the background of a shell ignores SIGINT, and so would every process it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def is_gone(pid: int) -> bool:
    """Whether no such process runs; one that nobody has waited for yet counts as gone."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def processes_with(mark: bytes) -> list[int]:
    """Processes that were started with `mark` in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def is_empty(folder: Path) -> bool:
    """Whether nothing is in the folder, or it is not there at all."""
    return not folder.exists() or not any(folder.iterdir())
