"""A node in a process of its own: started until it says it is ready, stopped, killed, paused."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LAST_WORDS_S = 5.0
_READY = b"ready "
_PR_SET_PDEATHSIG = 1


class NotReady(Exception):
    """The process ended, or said nothing, before it was ready."""


class NodeProcess:
    """One `comptoir` node. Its log is a file; its parent's death ends it."""

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.url = ""
        self.log = log
        self._argv = [sys.executable, "-m", "ops", *argv]
        self._env = {**os.environ, **env}
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise NotReady(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, timeout: float = 60.0) -> str:
        """Starts it and returns the URL it serves on. Raises NotReady with the end of its log."""
        root = Path(__file__).parent.parent
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=root,
                env=self._env,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        try:
            self.url = await asyncio.wait_for(self._wait_ready(), timeout)
        except (TimeoutError, EOFError) as error:
            if isinstance(
                error, EOFError
            ):  # it is ending; a signal now would take its exit code from asyncio
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._process.wait(), LAST_WORDS_S)
            await self.kill()
            raise NotReady(f"{self.name} did not get ready:\n{self._tail()}") from None
        self._drain = asyncio.create_task(self._read_rest())
        return self.url

    async def ended(self) -> int:
        """Waits for its end, whoever ends it; how it ended, negative for a signal."""
        if self._process is None:
            raise NotReady(f"{self.name} was not started")
        return await self._process.wait()

    async def stop(self, timeout: float = 15.0) -> None:
        """Asks it to end, and insists after `timeout` seconds."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), timeout)
        except TimeoutError:
            await self.kill()
        await self._end_drain()

    async def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
        await self._end_drain()

    def pause(self) -> None:
        """Stops it from running without closing anything: a node that hangs."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    async def _wait_ready(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            if line.startswith(_READY):
                return line.removeprefix(_READY).decode().strip()
        raise EOFError

    async def _read_rest(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while await self._process.stdout.read(4096):
            pass

    async def _end_drain(self) -> None:
        if self._drain is not None:
            self._drain.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._drain
            self._drain = None

    def _tail(self) -> str:
        return self.log.read_text("utf-8", "replace")[-3_000:]


async def run_command(
    argv: Sequence[str], env: Mapping[str, str], timeout: float = 600.0
) -> tuple[int, str, str]:
    """Runs `comptoir` with these arguments to its end: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops", *argv,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
        env={**os.environ, **env},
        preexec_fn=_end_with_parent,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def _end_with_parent() -> None:
    """Linux: the kernel kills the child when its parent is gone."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
