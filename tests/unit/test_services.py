"""Where services come from, and what is promised about their end, without starting any."""

import signal
import socket
import sys
from pathlib import Path

import pytest

from ops.errors import ServiceError
from ops.guardian import Guardian, until, until_ended
from ops.ports import Ports
from ops.readiness import BrokerAddress
from ops.services import Source, advice, choose_source, given_broker, start_services
from tests.processes import Spawner, is_empty, is_gone

SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
KEEPER = """
import signal, sys
from pathlib import Path
from ops.guardian import Guardian
guardian = Guardian()
folder = guardian.own_folder()
child = guardian.spawn([sys.executable, "-c", "import signal; signal.pause()"], log=folder / "log")
print("keeps", child.pid, folder, flush=True)
signal.pause()
"""


@pytest.mark.parametrize(
    ("given", "program", "docker", "apt", "expected"),
    [
        (True, True, True, True, Source.GIVEN),
        (False, True, True, True, Source.PROGRAM),
        (False, False, True, True, Source.DOCKER),
        (False, False, False, True, Source.INSTALL),
        (False, False, False, False, Source.NOWHERE),
    ],
)
def test_services_come_from_the_first_place_that_has_them(
    given: bool, program: bool, docker: bool, apt: bool, expected: Source
) -> None:
    assert choose_source(given=given, program=program, docker=docker, apt=apt) is expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"COMPTOIR_AMQP_URL": ""}, None),
        (
            {"COMPTOIR_AMQP_URL": "amqp://a:b@rabbit.example:5673/"},
            BrokerAddress("amqp://a:b@rabbit.example:5673/", "http://rabbit.example:15672"),
        ),
        (
            {"COMPTOIR_AMQP_URL": "amqp://a:b@[::1]/", "COMPTOIR_AMQP_API": ""},
            BrokerAddress("amqp://a:b@[::1]/", "http://[::1]:15672"),
        ),
        (
            {"COMPTOIR_AMQP_URL": "amqp://a:b@h/", "COMPTOIR_AMQP_API": "http://h:99/"},
            BrokerAddress("amqp://a:b@h/", "http://h:99"),
        ),
    ],
)
def test_management_api_is_on_the_brokers_host_unless_given(
    environ: dict[str, str], expected: BrokerAddress | None
) -> None:
    assert given_broker(environ) == expected


def test_credentials_are_read_as_urls_write_them() -> None:
    address = BrokerAddress("amqp://an%40min:p%2Fw@127.0.0.1/", "http://127.0.0.1:15672")
    assert address.credentials == ("an@min", "p/w")
    assert address.endpoint == ("127.0.0.1", 5672)


def test_what_is_missing_is_said_in_three_lines() -> None:
    lines = advice((Source.NOWHERE, Source.PROGRAM)).splitlines()
    assert len(lines) == 3
    assert "RabbitMQ" in lines[0]
    assert "PostgreSQL" not in lines[0]


async def test_given_services_that_do_not_answer_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.services.GIVEN_SECONDS", 0.05)
    with Ports() as ports:
        port = ports.reserve()
        environ = {
            "COMPTOIR_AMQP_URL": f"amqp://a:secret@127.0.0.1:{port}/",
            "COMPTOIR_ERP_DSN": f"postgresql://a:secret@127.0.0.1:{port}/postgres",
        }
        with pytest.raises(ServiceError) as caught:
            async with start_services(folder, environ=environ):
                pass
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert is_empty(folder)


def test_a_reserved_port_is_free_for_a_server_and_for_nobody_else() -> None:
    with Ports() as ports, socket.socket() as server, socket.socket() as other:
        port = ports.reserve()
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        with socket.create_connection(("127.0.0.1", port)):
            pass


async def test_processes_and_folders_are_gone_at_the_end(folder: Path) -> None:
    with Guardian() as guardian:
        inside = guardian.own_folder(folder)
        child = guardian.spawn(SLEEPER, log=inside / "log")
        assert child.poll() is None
    assert child.returncode == -signal.SIGKILL
    assert is_empty(folder)


async def test_a_process_that_ignores_the_first_signal_is_killed(
    folder: Path, spawn: Spawner
) -> None:
    stubborn = await spawn(sys.executable, "-c", STUBBORN, line="up")
    with Guardian(grace=0.1) as guardian:
        guardian.adopt(stubborn.pid, signal.SIGTERM)
    assert await stubborn.wait() == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_processes_and_folders_do_not_outlive_their_parent(
    number: signal.Signals, spawn: Spawner
) -> None:
    parent = await spawn(sys.executable, "-c", KEEPER, line="keeps")
    _, pid, folder = parent.lines[0].split()
    parent.send_signal(number)
    await parent.wait()

    async def gone() -> bool:
        return is_empty(Path(folder)) and is_gone(int(pid))

    await until(gone, 10)


async def test_a_command_that_fails_shows_its_last_words() -> None:
    with Guardian() as guardian, pytest.raises(ServiceError, match="what is wrong"):
        await guardian.run(["/bin/sh", "-c", "echo what is wrong; exit 3"], seconds=10)


async def test_a_command_that_does_not_end_is_ended() -> None:
    with Guardian() as guardian, pytest.raises(ServiceError, match="no end"):
        await guardian.run(SLEEPER, seconds=0.1)


async def test_waiting_for_an_end_is_bounded(folder: Path) -> None:
    with Guardian() as guardian, pytest.raises(TimeoutError):
        await until_ended(guardian.spawn(SLEEPER, log=folder / "log"), 0.05)
