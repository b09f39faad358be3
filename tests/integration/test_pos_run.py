"""`comptoir pos run` when it cannot run, and whom a till's files are for."""

import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ops.process import NodeProcess, run_command
from pos_node.store.database import Database
from pos_node.store.loading_words import make_file
from pos_node.store.owner import claim


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Whoever started the till lets everybody read its new files."""
    before = os.umask(0)
    yield
    os.umask(before)


def enrolment(folder: Path, pos_id: str = "p1", centre: str = "C1") -> str:
    file = folder / f"{pos_id}.toml"
    file.write_text(
        f'pos_id = "{pos_id}"\ncentre = "{centre}"\namqp_url = "amqp://{pos_id}:x@127.0.0.1:1/x"\n'
    )
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


async def test_i10_a_till_does_not_start_on_the_folder_of_another(folder: Path) -> None:
    data = folder / "data"
    await serve_once(folder, data, enrolment(folder))
    file = data / "customers.db"
    before = file.read_bytes()
    argv = ["pos", "run", "--enrolment", enrolment(folder, "p2"), "--data", str(data)]
    code, out, err = await run_command(argv, {"COMPTOIR_POS_HTTP_PORT": "0"})
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert {"p1", "p2", str(data)} <= set(re.split(r"[ ,;]+", line))
    assert file.read_bytes() == before


async def test_a_till_enrolled_into_another_centre_keeps_its_folder(folder: Path) -> None:
    for centre in ("C1", "C2"):
        await serve_once(folder, folder / "data", enrolment(folder, centre=centre))


async def test_a_file_that_does_not_say_whose_it_is_belongs_to_the_till_that_opens_it(
    folder: Path,
) -> None:
    store = Database(folder / "till.db")
    await store.open()
    assert await claim(store, "p1") == "p1"
    assert await claim(store, "p2") == "p1"
    await store.close()


async def serve_once(folder: Path, data: Path, enrolment: str) -> None:
    argv = ["pos", "run", "--enrolment", enrolment, "--data", str(data)]
    till = NodeProcess("p1", argv, {"COMPTOIR_POS_HTTP_PORT": "0"}, folder / "p1.log")
    await till.start()
    await till.stop()
