"""RabbitMQ and PostgreSQL of `compose.yaml` in containers of our own, for machines with Docker alone."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ops.errors import ServiceError
from ops.guardian import Guardian
from ops.ports import Ports
from ops.readiness import BrokerAddress, until_broker_answers, until_database_answers

COMPOSE_FILE = Path(__file__).parent.parent / "compose.yaml"
PROBE_SECONDS = 20.0
COMMAND_SECONDS = 120.0
PULL_SECONDS = 1200.0
READY_SECONDS = 120.0


def docker_is_there() -> bool:
    """Whether the Docker engine answers and knows Compose."""
    if shutil.which("docker") is None:
        return False
    return all(_succeeds(["docker", *question]) for question in (("compose", "version"), ("info",)))


def _succeeds(argv: Sequence[str]) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, timeout=PROBE_SECONDS).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class Containers:
    """One Compose project with a name, ports and passwords of its own; removed at the end, volumes included."""

    def __init__(self, guardian: Guardian) -> None:
        self._guardian = guardian
        self.project = f"comptoir-{secrets.token_hex(4)}"
        self.password = secrets.token_hex(16)
        # Given back at once: Docker does not share a port that is held.
        with Ports() as ports:
            self.amqp_port, self.api_port, self.database_port = (ports.reserve() for _ in range(3))
        down = [*self._compose(), "down", "--volumes", "--timeout", "0"]
        guardian.at_end(down, self.environment)

    async def up(self, *services: str) -> None:
        """Starts these services of `compose.yaml`; images not here yet are fetched first."""
        await self.compose("up", "--detach", "--no-deps", *services, seconds=PULL_SECONDS)

    async def compose(self, *args: str, seconds: float = COMMAND_SECONDS) -> str:
        """Output of `docker compose` for this project. Raises ServiceError."""
        return await self._guardian.run(
            [*self._compose(), *args], seconds=seconds, env=self.environment
        )

    async def remove_volume(self, name: str) -> None:
        """Removes a volume of the project; its container must be gone."""
        argv = ["docker", "volume", "rm", f"{self.project}_{name}"]
        await self._guardian.run(argv, seconds=COMMAND_SECONDS)

    def container_pid(self, service: str) -> int:
        """The first process of the service's container, as the host numbers it."""
        container = self._ask([*self._compose(), "ps", "--quiet", service])
        pid = self._ask(["docker", "inspect", "--format", "{{.State.Pid}}", container])
        if not pid.isdigit() or pid == "0":
            raise ServiceError(f"the container of {service} is not running")
        return int(pid)

    def _ask(self, argv: Sequence[str]) -> str:
        answer = subprocess.run(
            argv, env=self.environment, capture_output=True, text=True, timeout=PROBE_SECONDS
        )
        return answer.stdout.strip()

    def _compose(self) -> list[str]:
        return ["docker", "compose", "--project-name", self.project, "--file", str(COMPOSE_FILE)]

    @property
    def environment(self) -> dict[str, str]:
        """The variables `compose.yaml` asks for, with what this project chose."""
        return {
            **os.environ,
            "COMPTOIR_BROKER_PASSWORD": self.password,
            "COMPTOIR_DATABASE_PASSWORD": self.password,
            "COMPTOIR_ERP_BROKER_PASSWORD": self.password,
            "COMPTOIR_BROKER_PORT": str(self.amqp_port),
            "COMPTOIR_BROKER_API_PORT": str(self.api_port),
            "COMPTOIR_DATABASE_PORT": str(self.database_port),
        }


class _Container:
    """What broker and database have in common: a service of the project."""

    def __init__(self, containers: Containers, service: str) -> None:
        self._containers = containers
        self._service = service

    @property
    def pid(self) -> int:
        """The service's first process; ServiceError when it is not running."""
        return self._containers.container_pid(self._service)

    @property
    def running(self) -> bool:
        """Whether the service's first process exists."""
        try:
            return self.pid > 0
        except ServiceError:
            return False

    async def kill(self) -> None:
        """SIGKILL to every process of the service, as a power cut would end it."""
        if self.running:
            await self._containers.compose("kill", self._service)

    async def stop(self) -> None:
        """An orderly end: connections are closed, data is written."""
        await self._containers.compose("stop", self._service)

    async def _up(self) -> None:
        await self._containers.up(self._service)


class ContainerBroker(_Container):
    """A private broker in a container."""

    def __init__(self, containers: Containers) -> None:
        super().__init__(containers, "rabbitmq")

    @property
    def address(self) -> BrokerAddress:
        """The administrator's address of virtual host `/`, and the management API."""
        amqp = f"amqp://admin:{self._containers.password}@127.0.0.1:{self._containers.amqp_port}/"
        return BrokerAddress(amqp, f"http://127.0.0.1:{self._containers.api_port}")

    async def start(self) -> None:
        """Starts the server on its ports with its data, and waits until it answers."""
        await self._up()
        await self.wait_ready()

    async def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Returns when AMQP and the management API answer; ServiceError otherwise."""
        await until_broker_answers(self.address, seconds)

    async def wipe(self) -> None:
        """Removes all data of the stopped server; `start` begins anew."""
        if self.running:
            raise ServiceError("the private RabbitMQ must be stopped before its data is removed")
        await self._containers.compose("rm", "--force", "--stop", "rabbitmq")
        await self._containers.remove_volume("rabbitmq")

    async def ctl(self, *args: str) -> str:
        """Output of rabbitmqctl with these arguments; ServiceError when it fails or takes too long."""
        return await self._containers.compose("exec", "-T", "rabbitmq", "rabbitmqctl", *args)


class ContainerDatabase(_Container):
    """A private database server in a container."""

    def __init__(self, containers: Containers) -> None:
        super().__init__(containers, "postgres")

    @property
    def dsn(self) -> str:
        """The administrator's address of the maintenance database."""
        port = self._containers.database_port
        return f"postgresql://erp:{self._containers.password}@127.0.0.1:{port}/postgres"

    async def start(self) -> None:
        """Starts the server on its port with its data, and waits until it answers."""
        await self._up()
        await self.wait_ready()

    async def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Returns when the server takes a connection; ServiceError otherwise."""
        await until_database_answers(self.dsn, seconds)
