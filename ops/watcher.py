"""The process that ends what its parent started, however the parent ends.

Run as a script by `ops.guardian`, with the standard library alone. It reads one JSON list per line from standard
input: `["process", pid, signal]`, `["ended", pid]`, `["folder", path]`, `["command", argv, env]`. When the input
ends, or the parent is gone, it runs the commands, ends the processes and removes the folders, newest first.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

COMMAND_SECONDS = 60.0
REMOVE_SECONDS = 10.0


@dataclass
class Estate:
    """What is to be ended: a handle (pidfd) and first signal per process, folders, commands."""

    processes: dict[int, tuple[int, int]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    commands: list[tuple[list[str], dict[str, str]]] = field(default_factory=list)

    def take(self, line: bytes) -> None:
        match json.loads(line):
            case ["process", int(pid), int(first)]:
                # A handle means this process for ever, a number only until it is used again.
                with contextlib.suppress(ProcessLookupError):
                    self.processes[pid] = (os.pidfd_open(pid), first)
            case ["ended", int(pid)] if pid in self.processes:
                os.close(self.processes.pop(pid)[0])
            case ["folder", str(path)]:
                self.folders.append(path)
            case ["command", list(argv), dict(environment)]:
                self.commands.append((argv, environment))

    def settle(self, grace: float) -> None:
        for argv, environment in reversed(self.commands):
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(argv, env=environment, timeout=COMMAND_SECONDS, capture_output=True)
        for handle, first in reversed(self.processes.values()):
            end(handle, first, grace)
        for folder in reversed(self.folders):
            remove(folder)


def read_estate(parent: int) -> Estate:
    """Everything told up to the end of the input or the death of the parent, whichever is first."""
    estate = Estate()
    poller = select.poll()
    poller.register(0, select.POLLIN | select.POLLHUP)
    with contextlib.suppress(ProcessLookupError):
        # A child the parent forked may hold the other end of the input open longer than the parent lives.
        poller.register(os.pidfd_open(parent), select.POLLIN)
    rest = b""
    while True:
        ready = {descriptor for descriptor, _ in poller.poll()}
        if 0 not in ready:
            return estate
        chunk = os.read(0, 65536)
        if not chunk:
            return estate
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            estate.take(line)


def end(handle: int, first: int, grace: float) -> None:
    """Asks the process to end with the signal `first`, and kills it when it has not after `grace` seconds."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, first)
        if not has_ended(handle, grace):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            has_ended(handle, grace)


def has_ended(handle: int, seconds: float) -> bool:
    return bool(select.select([handle], [], [], seconds)[0])


def remove(folder: str) -> None:
    """Removes the folder; a process that was just killed may still be closing files in it."""
    deadline = time.monotonic() + REMOVE_SECONDS
    shutil.rmtree(folder, ignore_errors=True)
    while os.path.lexists(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    read_estate(int(sys.argv[1])).settle(float(sys.argv[2]))
