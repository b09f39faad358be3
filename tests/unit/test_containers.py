"""What Docker is told, by a program that only writes it down."""

import os
from pathlib import Path

import pytest

from ops.containers import COMPOSE_FILE, ContainerBroker, Containers, docker_is_there
from ops.errors import ServiceError
from ops.guardian import Guardian

FAKE_DOCKER = """\
#!/bin/sh
echo "$@" >>"$DOCKER_TOLD"
case "$*" in
    *" ps "*) echo c0ffee ;;
    inspect*) echo "$DOCKER_PID" ;;
esac
"""


@pytest.fixture
def told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with what a stand-in for docker was told."""
    program = folder / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(FAKE_DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_TOLD", str(folder / "told"))
    monkeypatch.setenv("DOCKER_PID", "0")
    return folder / "told"


def test_docker_is_there_when_its_engine_and_compose_answer(told: Path) -> None:
    assert docker_is_there()
    assert told.read_text().splitlines() == ["compose version", "info"]


def test_docker_without_an_engine_is_not_there(told: Path) -> None:
    (told.parent / "bin" / "docker").write_text("#!/bin/sh\nexit 1\n")
    assert not docker_is_there()


async def test_containers_are_taken_down_with_their_data_at_the_end(told: Path) -> None:
    with Guardian() as guardian:
        containers = Containers(guardian)
        await containers.up("rabbitmq")
    project = f"compose --project-name {containers.project} --file {COMPOSE_FILE}"
    assert _lines(told) == [
        f"{project} up --detach --no-deps rabbitmq",
        f"{project} down --volumes --timeout 0",
    ]


async def test_a_broker_in_a_container_is_killed_and_wiped(
    told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Guardian() as guardian:
        containers = Containers(guardian)
        broker = ContainerBroker(containers)
        with pytest.raises(ServiceError):
            _ = broker.pid
        monkeypatch.setenv("DOCKER_PID", "4711")
        assert broker.pid == 4711
        with pytest.raises(ServiceError):
            await broker.wipe()
        await broker.kill()
        monkeypatch.setenv("DOCKER_PID", "0")
        await broker.wipe()
        said = _lines(told)
    assert any(line.endswith(" kill rabbitmq") for line in said)
    assert any(line.endswith(" rm --force --stop rabbitmq") for line in said)
    assert said[-1] == f"volume rm {containers.project}_rabbitmq"


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()
