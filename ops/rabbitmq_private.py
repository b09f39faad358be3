"""A RabbitMQ node of our own: own folder, ports, name and cookie, nothing shared with a node of the system."""

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import SIGTERM

from ops.errors import ServiceError
from ops.guardian import Guardian, last_lines, until, until_ended
from ops.ports import Ports
from ops.readiness import BrokerAddress, broker_answers

START_SECONDS = 120.0
STOP_SECONDS = 60.0
CTL_SECONDS = 60.0
SCRIPT_PLACES = ("/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin", "/usr/local/lib/rabbitmq/sbin")
PLUGINS_KEPT = frozenset(
    {
        "rabbitmq_prelaunch",
        "rabbitmq_management",
        "rabbitmq_management_agent",
        "rabbitmq_web_dispatch",
    }
)

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
default_user = admin
default_pass = {password}
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 67108864
log.file = rabbit.log
log.file.level = info
"""


@dataclass(frozen=True)
class RabbitProgram:
    """The programs of an installed RabbitMQ; `home` holds `sbin`, `escript` and `plugins`."""

    home: Path
    epmd: Path

    @property
    def version(self) -> str:
        """As the folder name tells it, such as 3.10.8; empty when it does not."""
        return self.home.name.partition("-")[2]


def find_rabbitmq() -> RabbitProgram | None:
    """The installed RabbitMQ, None when there is none that can be run privately."""
    if shutil.which("erl") is None:
        return None
    on_path = shutil.which("rabbitmq-server")
    places = [Path(place) / "rabbitmq-server" for place in SCRIPT_PLACES]
    for script in (*places, *([Path(on_path)] if on_path else [])):
        home = script.resolve().parent.parent
        # Debian's program on the PATH is a wrapper that changes to the system's user and folder.
        if script.exists() and (home / "sbin" / "rabbitmqctl").exists() and (epmd := _find_epmd()):
            return RabbitProgram(home, epmd)
    return None


def _find_epmd() -> Path | None:
    on_path = shutil.which("epmd")
    found = [Path(on_path)] if on_path else sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))
    return found[-1] if found else None


class RabbitProcess:
    """A private broker made of processes; it stays usable across `kill`, `stop`, `start` and `wipe`."""

    def __init__(
        self, program: RabbitProgram, folder: Path, ports: Ports, guardian: Guardian
    ) -> None:
        self._program = program
        self._folder = folder
        self._guardian = guardian
        self._amqp, self._management, self._distribution, self._epmd_port = (
            ports.reserve() for _ in range(4)
        )
        self._password = secrets.token_hex(16)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._lay_out()

    @property
    def address(self) -> BrokerAddress:
        """The administrator's address of virtual host `/`, and the management API."""
        amqp = f"amqp://admin:{self._password}@127.0.0.1:{self._amqp}/"
        return BrokerAddress(amqp, f"http://127.0.0.1:{self._management}")

    @property
    def running(self) -> bool:
        """Whether the server process exists; it may not answer yet."""
        return self._server is not None and self._server.poll() is None

    @property
    def pid(self) -> int:
        """The process of the Erlang VM; ServiceError when it is not running."""
        if self._server is None or not self.running:
            raise ServiceError("the private RabbitMQ is not running")
        return self._server.pid

    async def start(self) -> None:
        """Starts the server on its ports with its data, and waits until it answers."""
        if not self.running:
            await self._start_epmd()
            server = self._folder / "home" / "sbin" / "rabbitmq-server"
            self._server = self._guardian.spawn([server], log=self._log, env=self._environment())
        await self.wait_ready()

    async def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Returns when AMQP greets and the management API knows the virtual host; ServiceError otherwise."""
        try:
            await until(self._answers, seconds)
        except TimeoutError:
            raise ServiceError(
                f"RabbitMQ gave no answer in {seconds:.0f} s:\n{self._log_end()}"
            ) from None

    async def kill(self) -> None:
        """SIGKILL to the Erlang VM, as a power cut would end it.

        A quorum queue declared less than three minutes before (RabbitMQ 4: a second) comes back without
        a leader; the running ERP makes those of the journal anew by itself: docs/decisions/0008.
        """
        if self._server is not None:
            self._server.kill()
            await until_ended(self._server, STOP_SECONDS)

    async def stop(self) -> None:
        """An orderly end: connections are closed, data is written."""
        if self._server is not None:
            self._server.send_signal(SIGTERM)
            try:
                await until_ended(self._server, STOP_SECONDS)
            except TimeoutError:
                await self.kill()

    async def wipe(self) -> None:
        """Removes all data of the stopped server, users and permissions included; `start` begins anew."""
        if self.running:
            raise ServiceError("the private RabbitMQ must be stopped before its data is removed")
        await asyncio.to_thread(shutil.rmtree, self._folder / "data")
        (self._folder / "data").mkdir()

    async def ctl(self, *args: str) -> str:
        """Output of rabbitmqctl with these arguments; ServiceError when it fails or takes over a minute."""
        ctl = self._folder / "home" / "sbin" / "rabbitmqctl"
        return await self._guardian.run([ctl, *args], seconds=CTL_SECONDS, env=self._environment())

    @property
    def _log(self) -> Path:
        return self._folder / "log" / "server.out"

    def _log_end(self) -> str:
        logs = [self._log, self._folder / "log" / "rabbit.log"]
        return "\n".join(
            last_lines(log.read_text(errors="replace")) for log in logs if log.exists()
        )

    def _lay_out(self) -> None:
        """Folder `home` looks like the installed one, with only the plugins that are used.

        Erlang searches every plugin's folder for every module at the start: without the forty unused ones it starts
        in two thirds of the time.
        """
        for name in ("home/plugins", "data", "log", "user"):
            (self._folder / name).mkdir(parents=True)
        for name in ("sbin", "escript"):
            (self._folder / "home" / name).symlink_to(self._program.home / name)
        for plugin in (self._program.home / "plugins").iterdir():
            name = plugin.name.partition("-")[0].removesuffix(".ez")
            if name in PLUGINS_KEPT or not name.startswith("rabbitmq_"):
                (self._folder / "home" / "plugins" / plugin.name).symlink_to(plugin)
        cookie = self._folder / "user" / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        (self._folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        (self._folder / "environment.conf").touch()
        (self._folder / "rabbitmq.conf").write_text(
            CONFIGURATION.format(
                amqp=self._amqp, management=self._management, password=self._password
            )
        )

    def _environment(self) -> dict[str, str]:
        # A long name with an address works without a name for this machine in any table.
        loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
        schedulers = min(os.cpu_count() or 1, 4)
        return {
            "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self._folder / "user"),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP": "/dev/null",
            "RABBITMQ_NODENAME": f"comptoir{self._amqp}@127.0.0.1",
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "environment.conf"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self._folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            "RABBITMQ_PLUGINS_DIR": str(self._folder / "home" / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            # The script then becomes the VM instead of watching over it: its process is the one to kill.
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-noinput {loopback} -start_epmd false +S {schedulers}",
            "RABBITMQ_CTL_ERL_ARGS": f"{loopback} -start_epmd false",
            "RABBITMQ_CTL_DIST_PORT_MIN": "0",
            "RABBITMQ_CTL_DIST_PORT_MAX": "0",
        }

    async def _start_epmd(self) -> None:
        """Erlang's name server, in the foreground: started by the VM it would outlive everything."""
        if self._epmd is None or self._epmd.poll() is not None:
            argv = [str(self._program.epmd), "-port", str(self._epmd_port), "-address", "127.0.0.1"]
            self._epmd = self._guardian.spawn(argv, log=self._folder / "log" / "epmd.out")
        await until(partial(_listens, self._epmd_port), START_SECONDS)

    async def _answers(self) -> bool:
        if not self.running:
            raise ServiceError(f"RabbitMQ ended while starting:\n{self._log_end()}")
        return await broker_answers(self.address)


async def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(probe, ("127.0.0.1", port))
        except OSError:
            return False
    return True
