"""A PostgreSQL server of our own: own folder, port and administrator, nothing shared with a server of the system."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT, SIGSTOP

from ops.errors import ServiceError
from ops.guardian import Guardian, last_lines, until, until_ended
from ops.ports import Ports
from ops.readiness import database_answers

START_SECONDS = 120.0
STOP_SECONDS = 60.0

# fsync and everything else that costs time stays as in production: what is measured here must hold there. The sizes
# are those docs/operations.md asks for.
CONFIGURATION = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
fsync = on
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
timezone = 'UTC'
"""


@dataclass(frozen=True)
class PostgresProgram:
    """The folder with `initdb` and `postgres`."""

    bin: Path

    @property
    def version(self) -> str:
        """The major version as Debian's folder name tells it; empty when it does not."""
        return self.bin.parent.name if self.bin.parent.name.isdigit() else ""


def find_postgres() -> PostgresProgram | None:
    """The newest installed PostgreSQL, None when there is none."""
    found = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if _is_complete(folder)]
    found.sort(key=lambda folder: int(folder.parent.name) if folder.parent.name.isdigit() else 0)
    if not found and (on_path := shutil.which("postgres")):
        found = [folder for folder in [Path(on_path).resolve().parent] if _is_complete(folder)]
    return PostgresProgram(found[-1]) if found else None


def _is_complete(folder: Path) -> bool:
    return (folder / "initdb").exists() and (folder / "postgres").exists()


def server_account() -> str | None:
    """The user PostgreSQL runs as: another one for root, whom it refuses; None means the present one."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class PostgresProcess:
    """A private database server; it stays usable across `kill`, `stop` and `start`."""

    def __init__(
        self,
        program: PostgresProgram,
        guardian: Guardian,
        ports: Ports,
        inside: Path,
        configuration: str = "",
    ) -> None:
        """`inside` is where its folder goes, as long as the server's user may enter it. `configuration`: lines
        that stand after those every private server has."""
        self._program = program
        self._configuration = configuration
        self._guardian = guardian
        self._account = server_account()
        self._folder = guardian.own_folder(inside if self._account is None else _first_open(inside))
        self._port = ports.reserve()
        self._password = secrets.token_hex(16)
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """The administrator's address of the maintenance database."""
        return f"postgresql://admin:{self._password}@127.0.0.1:{self._port}/postgres"

    @property
    def running(self) -> bool:
        """Whether the server process exists; it may not answer yet."""
        return self._server is not None and self._server.poll() is None

    @property
    def pid(self) -> int:
        """The server's first process; ServiceError when it is not running."""
        if self._server is None or not self.running:
            raise ServiceError("the private PostgreSQL is not running")
        return self._server.pid

    async def start(self) -> None:
        """Starts the server on its port with its data (made at the first start), waits until it answers."""
        if not self._data.exists():
            await self._make_data()
        if not self.running:
            self._server = self._guardian.spawn(
                [self._program.bin / "postgres", "-D", self._data],
                log=self._log,
                env=_environment(),
                cwd=self._folder,
                account=self._account,
                end=SIGQUIT,
            )
        await self.wait_ready()

    async def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Returns when the server takes a connection; ServiceError otherwise."""
        try:
            await until(self._answers, seconds)
        except TimeoutError:
            raise ServiceError(
                f"PostgreSQL gave no answer in {seconds:.0f} s:\n{self._log_end()}"
            ) from None

    async def kill(self) -> None:
        """SIGKILL to every process of the server, as a power cut would end it."""
        if self._server is None or not self.running:
            return
        # Stopped first, so that it starts no process while its processes are being listed.
        self._server.send_signal(SIGSTOP)
        children = list(_children(self._server.pid))
        self._server.kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, SIGKILL)
        await until_ended(self._server, STOP_SECONDS)

        async def gone() -> bool:
            return all(_state(child) in ("", "Z") for child in children)

        await until(gone, STOP_SECONDS)

    async def stop(self) -> None:
        """An orderly end: connections are closed, data is written."""
        if self._server is not None and self.running:
            self._server.send_signal(SIGINT)
            try:
                await until_ended(self._server, STOP_SECONDS)
            except TimeoutError:
                await self.kill()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "postgres.log"

    def _log_end(self) -> str:
        return last_lines(self._log.read_text(errors="replace"))

    async def _make_data(self) -> None:
        password = self._folder / "password"
        password.write_text(self._password)
        if self._account is not None:
            entry = pwd.getpwnam(self._account)
            for path in (self._folder, password):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        options = "--username=admin --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync"
        await self._guardian.run(
            [
                self._program.bin / "initdb",
                "-D",
                self._data,
                f"--pwfile={password}",
                *options.split(),
            ],
            seconds=START_SECONDS,
            env=_environment(),
            cwd=self._folder,
            account=self._account,
        )
        password.unlink()
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION.format(port=self._port) + self._configuration)

    async def _answers(self) -> bool:
        if not self.running:
            raise ServiceError(f"PostgreSQL ended while starting:\n{self._log_end()}")
        return await database_answers(self.dsn)


def _children(parent: int) -> Iterable[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _stat(int(entry.name))[1:2] == [str(parent)]:
            yield int(entry.name)


def _state(pid: int) -> str:
    return (_stat(pid) or [""])[0]


def _stat(pid: int) -> list[str]:
    """State, parent and so on from the kernel's table; the name before them may contain blanks. Empty when gone."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _first_open(folder: Path) -> Path:
    """This folder or the first of the system's places for temporary files that every user may enter."""
    places = (folder, Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))
    return next((place for place in places if _open_to_all(place)), folder)


def _open_to_all(folder: Path) -> bool:
    return folder.is_dir() and all(
        step.stat().st_mode & 0o001 for step in (folder, *folder.resolve().parents)
    )


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
