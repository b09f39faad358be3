"""Installs what is missing with Debian's package tool."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ops.errors import ServiceError
from ops.guardian import last_lines

if TYPE_CHECKING:  # the launcher uses this module before anything is installed
    from ops.progress import Progress

INSTALL_SECONDS = 1800.0


def apt_is_there() -> bool:
    """Whether packages can be installed at all: apt, and the right to use it."""
    return shutil.which("apt-get") is not None and (
        os.geteuid() == 0 or shutil.which("sudo") is not None
    )


def may_install(packages: Sequence[str], consent: bool) -> bool:
    """Root may without asking, others when `consent` was given before or is now, at the terminal."""
    return os.geteuid() == 0 or consent or _ask(packages)


def _ask(packages: Sequence[str]) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"Install {' and '.join(packages)} with apt (uses sudo)? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes", "o", "oui")


async def install(packages: Sequence[str], progress: "Progress") -> None:
    """Installs Debian packages without starting their services. Raises ServiceError with apt's last lines."""
    if os.geteuid() != 0 and sys.stdin.isatty():
        # The password is asked for here, where nothing else writes to the terminal.
        await asyncio.to_thread(subprocess.run, ["sudo", "-v"], check=False)
    script = Path(__file__).with_name("install.sh")
    argv = [*_elevation(), "/bin/sh", str(script), *packages]
    with progress.step(f"Installing {' and '.join(packages)}"):
        code, output = await asyncio.to_thread(_run, argv)
    if code != 0:
        raise ServiceError(f"apt could not install {' '.join(packages)}:\n{last_lines(output)}")


def _elevation() -> list[str]:
    if os.geteuid() == 0:
        return []
    return ["sudo", "-n"]


def _run(argv: Sequence[str]) -> tuple[int, str]:
    # In our own session: sudo knows the terminal again, and Ctrl-C lets apt end in good order.
    with tempfile.TemporaryFile() as output:
        code = subprocess.run(
            argv, stdout=output, stderr=subprocess.STDOUT, timeout=INSTALL_SECONDS, check=False
        ).returncode
        output.seek(0)
        return code, output.read().decode(errors="replace")
