"""Makes `.venv` from a lock file. Run by the launcher before anything is installed: standard library alone.

A lock of the kernel's lets one launcher work at a time. A copy of the lock file goes into the environment last, so an
interrupted one is never taken for complete.
"""

import asyncio
import fcntl
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.apt import apt_is_there, install, may_install
from ops.errors import ServiceError

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SPINNER = "|/-\\"


class Line:
    """One line on a terminal that changes while work goes on; elsewhere a line per step."""

    def __init__(self) -> None:
        self.detail = ""
        self._terminal = sys.stderr.isatty()

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Shows `text`, the `detail` of the moment and the seconds gone, as long as the block runs."""
        began, done = time.monotonic(), threading.Event()
        self.detail = ""
        painter = threading.Thread(target=self._paint, args=(text, began, done), daemon=True)
        if self._terminal:
            painter.start()
        else:
            _say(f"{text} …")
        try:
            yield
        finally:
            done.set()
            if self._terminal:
                painter.join()
        _say(f"{text}: {time.monotonic() - began:.1f} s")

    def _paint(self, text: str, began: float, done: threading.Event) -> None:
        turn = 0
        while not done.wait(0.1):
            turn += 1
            sign = SPINNER[turn % len(SPINNER)]
            line = f"{sign} {text} {self.detail} ({time.monotonic() - began:.0f} s)"
            sys.stderr.write(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}")
            sys.stderr.flush()
        sys.stderr.write("\r\033[K")


def make_environment(lock: Path) -> None:
    """Brings `.venv` to the state of this lock file; quick when it is there already. Raises ServiceError."""
    line = Line()
    with _alone():
        stamp = VENV / lock.name
        if _works() and stamp.exists() and stamp.read_bytes() == lock.read_bytes():
            return
        for old in VENV.glob("requirements*.lock"):
            old.unlink()
        if not _works():
            _require_ensurepip(line)
            with line.step("Making the Python environment"):
                _run([_versioned_python(), "-m", "venv", "--clear", str(VENV)])
        _install_packages(lock, line)
        shutil.copyfile(lock, stamp)


@contextmanager
def _alone() -> Iterator[None]:
    """Waits until no other launcher works on this checkout."""
    handle = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            _say("Another launcher prepares the environment: waiting for it …")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _works() -> bool:
    """Whether the environment has a Python that runs, and pip."""
    python = VENV / "bin" / "python"
    return python.exists() and _succeeds([str(python), "-m", "pip", "--version"])


def _require_ensurepip(line: Line) -> None:
    """Debian keeps what a new environment needs in a package of its own."""
    if _has_ensurepip():
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if apt_is_there() and may_install([package], os.environ.get("COMPTOIR_YES") == "1"):
        asyncio.run(install([package], line))
    if not _has_ensurepip():
        raise ServiceError(
            f"Python's module venv is not complete on this machine.\n"
            f"Debian, Ubuntu: sudo apt-get install {package}\n"
            f"or let Comptoir do it: ./comptoir --yes …"
        )


def _has_ensurepip() -> bool:
    importlib.invalidate_caches()
    return importlib.util.find_spec("ensurepip") is not None


def _versioned_python() -> str:
    """This Python by its version's name: `python3` may mean another one after an upgrade of the system."""
    return str(Path(sys.executable).resolve())


def _install_packages(lock: Path, line: Line) -> None:
    wanted = sum("==" in text for text in lock.read_text().splitlines())
    argv = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--require-hashes"]
    argv += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    found = 0
    with line.step("Installing Python packages"):
        for text in _follow([*argv, "--requirement", str(lock)]):
            words = text.split()
            if words[:1] == ["Collecting"]:
                found += 1
                line.detail = f"{found} of {wanted}: {words[1].partition('==')[0]}"
            elif words[:1] == ["Installing"]:
                line.detail = "unpacking"


def _follow(argv: Sequence[str]) -> Iterator[str]:
    """Lines of a command's output as they come. Raises ServiceError with the last ones when it fails."""
    last: deque[str] = deque(maxlen=12)
    with subprocess.Popen(
        argv,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for text in process.stdout:
            last.append(text.rstrip())
            yield text
    if process.returncode != 0:
        raise ServiceError("\n".join([f"{' '.join(argv[1:4])} failed:", *last]))


def _run(argv: Sequence[str]) -> None:
    for _ in _follow(argv):
        pass


def _succeeds(argv: Sequence[str]) -> bool:
    return subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        make_environment(ROOT / sys.argv[1])
    except ServiceError as error:
        _say(f"comptoir: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
