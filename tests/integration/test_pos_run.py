"""`comptoir pos run` when it cannot run, and whom a till's files are for."""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ops.process import NodeProcess, run_command
from pos_node.store.database import Database
from pos_node.store.loading_words import make_file


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Whoever started the till lets everybody read its new files."""
    before = os.umask(0)
    yield
    os.umask(before)


def enrolment(folder: Path) -> str:
    file = folder / "p1.toml"
    file.write_text('pos_id = "p1"\ncentre = "C1"\namqp_url = "amqp://p1:x@127.0.0.1:1/x"\n')
    return str(file)


async def refused(folder: Path, data: Path, *more: str) -> str:
    """What it says on one line when it ends with 1."""
    argv = ["pos", "run", "--enrolment", enrolment(folder), "--data", str(data), *more]
    environment = {"COMPTOIR_POS_LOG_LEVEL": "ERROR"}
    code, out, err = await run_command(argv, environment)
    assert (code, out) == (1, ""), err
    (line,) = err.splitlines()
    return line


async def test_a_port_in_use_is_one_line(folder: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        line = await refused(folder, folder / "data", "--http-port", port)
    assert "COMPTOIR_POS_HTTP_HOST and _PORT" in line
    assert f"127.0.0.1:{port}: Address already in use" in line


async def test_a_data_folder_that_is_a_file_is_one_line(folder: Path) -> None:
    file = folder / "data"
    file.write_text("")
    assert f"COMPTOIR_POS_DATA: {file} is not a folder" in await refused(folder, file)


async def test_a_data_folder_that_cannot_be_made_is_one_line(folder: Path) -> None:
    assert "COMPTOIR_POS_DATA: /proc/till: " in await refused(folder, Path("/proc/till"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_tills_files_are_for_its_own_user_alone(folder: Path, open_umask: None) -> None:
    data = folder / "data"
    argv = ["pos", "run", "--enrolment", enrolment(folder), "--data", str(data)]
    till = NodeProcess("p1", argv, {"COMPTOIR_POS_HTTP_PORT": "0"}, folder / "p1.log")
    await till.start()
    try:
        found = {file.name: mode(file) for file in data.glob("customers.db*")}
    finally:
        await till.stop()
    assert mode(data) == 0o700
    assert found == dict.fromkeys(
        ("customers.db", "customers.db-wal", "customers.db-shm", "customers.db.lock"), 0o600
    )


def test_the_files_of_a_first_load_are_for_the_tills_user_alone(
    folder: Path, open_umask: None
) -> None:
    make_file(folder / "loading.db").close()
    assert mode(folder / "loading.db") == 0o600


async def test_a_file_that_others_could_read_is_closed_to_them(folder: Path) -> None:
    path = folder / "till.db"
    first = Database(path)
    await first.open()
    await first.close()
    path.chmod(0o644)
    again = Database(path)
    await again.open()
    assert {mode(path), mode(folder / "till.db-wal")} == {0o600}
    await again.close()
