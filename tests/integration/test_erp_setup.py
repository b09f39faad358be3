"""What the ERP's commands leave behind, and what they say when something is in their way."""

import secrets
import socket
import tomllib
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from rich.console import Console
from structlog.testing import capture_logs

from contracts.topology import user_of
from erp_node.app import NodeFailed, run_node
from erp_node.settings import ErpSettings
from erp_node.setup import CannotDo, enrol, import_with_progress, mendable
from messaging.admin import Admin
from messaging.amqp import AmqpBroker
from ops.process import run_command
from runtime.settings import load
from tests.databases import Database, Migrate
from tests.erp import migrated
from tests.vhosts import Vhost


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
def settings(vhost: Vhost, database: Database, monkeypatch: pytest.MonkeyPatch) -> ErpSettings:
    monkeypatch.setenv("COMPTOIR_ERP_DSN", database.dsn)
    monkeypatch.setenv("COMPTOIR_AMQP_URL", vhost.admin_url)
    monkeypatch.setenv("COMPTOIR_AMQP_ADMIN_URL", vhost.api)
    return load(ErpSettings)


@pytest.fixture
async def pos_id(vhost: Vhost) -> AsyncIterator[str]:
    """Users belong to the whole broker, so every test has its own."""
    name = f"t{secrets.token_hex(5)}"
    yield name
    async with Admin(vhost.api, vhost.name) as admin:
        if user_of(name) in {one.name for one in await admin.users()}:
            await admin.delete_user(user_of(name))


async def test_an_enrolment_file_is_its_owners_alone_and_lets_the_till_connect(
    settings: ErpSettings, pos_id: str, folder: Path
) -> None:
    path = folder / "till.toml"
    for _ in range(2):
        await enrol(settings, pos_id, "C1", "full", path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(folder.iterdir()) == [path]
    written = tomllib.loads(path.read_text())
    assert (written["pos_id"], written["centre"], written["mode"]) == (pos_id, "C1", "full")
    await (await AmqpBroker(written["amqp_url"]).connect("till")).close()


async def test_a_file_that_cannot_be_written_is_named_and_the_till_keeps_its_password(
    settings: ErpSettings, pos_id: str, folder: Path
) -> None:
    path = folder / "till.toml"
    await enrol(settings, pos_id, "C1", "full", path)
    before = tomllib.loads(path.read_text())["amqp_url"]
    (folder / "taken").mkdir()
    for wrong in (folder / "nowhere" / "till.toml", folder / "taken"):
        with pytest.raises(CannotDo) as said:
            await enrol(settings, pos_id, "C1", "full", wrong)
        assert str(said.value).startswith(f"{wrong}: ")
    await (await AmqpBroker(before).connect("till")).close()


async def test_an_enrolment_that_fails_leaves_the_file_that_was_there(
    settings: ErpSettings, pos_id: str, folder: Path
) -> None:
    path = folder / "till.toml"
    path.write_text("as it was")
    with pytest.raises(CannotDo, match="centre"):
        await enrol(settings, pos_id, "no centre", "full", path)
    assert path.read_text() == "as it was"
    assert list(folder.iterdir()) == [path]


async def test_a_rejects_file_that_cannot_be_written_is_named(
    settings: ErpSettings, folder: Path
) -> None:
    source, rejects = folder / "in.csv", folder / "nowhere" / "out.csv"
    source.write_text("code,kind,name\n,business,\n")
    with pytest.raises(CannotDo) as said:
        await import_with_progress(settings, source, rejects, Console(quiet=True))
    assert str(said.value).startswith(f"{rejects}: ")


@pytest.mark.parametrize(
    "content", ["code,kind,name\n", "\ufeffcode,kind,name\r\nA,business,B\r\n"]
)
async def test_the_progress_of_an_import_ends_with_the_whole_file(
    settings: ErpSettings, folder: Path, content: str
) -> None:
    source, shown = folder / "in.csv", StringIO()
    source.write_text(content, "utf-8", newline="")
    console = Console(file=shown, force_terminal=True, width=100, color_system=None)
    await import_with_progress(settings, source, folder / "out.csv", console)
    size = source.stat().st_size
    assert shown.getvalue().rpartition("importing")[2].count(f"{size}/{size} bytes") == 1


async def test_a_database_that_cannot_be_reached_is_said_to_be_the_dsns_fault(
    settings: ErpSettings, folder: Path
) -> None:
    away = settings.model_copy(update={"dsn": "postgresql://erp@127.0.0.1:1/erp"})
    with pytest.raises(CannotDo, match="COMPTOIR_ERP_DSN"):
        await enrol(away, "p1", "C1", "full", folder / "till.toml")


async def test_what_lies_in_the_data_is_told_without_the_data() -> None:
    wrong = asyncpg.DataError('invalid date: "Dupont"\nDETAIL: Dupont, Lyon')
    with pytest.raises(CannotDo) as said:
        async with mendable():
            raise wrong
    assert "DataError" in str(said.value)
    assert "Dupont" not in str(said.value)


async def test_a_node_that_fails_says_where_and_nobodys_data(
    settings: ErpSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise asyncpg.DataError('invalid date: "Dupont"')

    monkeypatch.setattr("erp_node.app.keep_tidy", broken)
    quiet = settings.model_copy(update={"http_port": 0})
    with capture_logs() as lines, pytest.raises(NodeFailed) as failed:
        await run_node(quiet, lambda url: None)
    (end,) = (line for line in lines if line.get("action") == "failed")
    assert end["error"].startswith("DataError at test_erp_setup.py:")
    assert "Dupont" not in f"{lines} {failed.value}"
    assert failed.value.__suppress_context__


async def test_an_address_that_is_taken_is_one_clear_line(settings: ErpSettings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotDo, match=f"127.0.0.1:{port}: "):
            await run_node(settings.model_copy(update={"http_port": port}), lambda url: None)


async def test_an_import_that_rejects_every_row_ends_with_1(
    settings: ErpSettings, folder: Path
) -> None:
    file = folder / "customers.csv"
    file.write_text("kind,code,last_name\nalien,A,Dupont\n")
    code, out, _ = await run_command(["erp", "import", str(file)], {})
    assert code == 1
    assert "1 rows: 0 created, 0 changed, 0 unchanged, 1 rejected" in out
    file.write_text("kind,code,name\nalien,A,Dupont\nbusiness,B,Dupont\n")
    code, out, _ = await run_command(["erp", "import", str(file)], {})
    assert (code, out.splitlines()[0]) == (
        0,
        "2 rows: 1 created, 0 changed, 0 unchanged, 1 rejected",
    )


async def test_a_user_without_a_password_is_refused_in_one_line(settings: ErpSettings) -> None:
    code, _, err = await run_command(["erp", "add-user", "anna", "--password", ""], {})
    assert code == 1
    assert "the password must have" in err
    assert "Traceback" not in err


async def test_enrolling_tells_that_a_centre_is_not_defined_as_long_as_none_is(
    settings: ErpSettings, pos_id: str, folder: Path
) -> None:
    argv = ["erp", "enrol-till", pos_id, "--centre", "C1", "--output", str(folder / "t.toml")]
    _, before, _ = await run_command(argv, {})
    assert "no centre is defined yet, C1 neither" in before
    file = folder / "stores.jsonl"
    file.write_text('{"kind": "centre", "code": "C1"}')
    await run_command(["erp", "load-reference", str(file)], {})
    code, after, _ = await run_command(argv, {})
    assert (code, len(after.splitlines())) == (0, 1)
    code, _, err = await run_command([*argv, "--centre", "C2"], {})
    assert (code, "there is no centre C2" in err) == (1, True)


async def test_a_till_retired_twice_is_said_to_be_retired_already(
    settings: ErpSettings, pos_id: str, folder: Path
) -> None:
    await enrol(settings, pos_id, "C1", "full", folder / "till.toml")
    said = [(await run_command(["erp", "retire-till", pos_id], {}))[:2] for _ in range(2)]
    assert said == [(0, f"{pos_id} retired\n"), (0, f"{pos_id} was retired already\n")]


async def test_a_wrong_administrators_password_is_said_to_be_that_settings_fault(
    settings: ErpSettings, pos_id: str, folder: Path
) -> None:
    wrong = settings.amqp_admin_url.replace("@", "x@", 1) if settings.amqp_admin_url else ""
    mistaken = settings.model_copy(update={"amqp_admin_url": wrong})
    with pytest.raises(CannotDo, match=r"^COMPTOIR_AMQP_ADMIN_URL: .*: 401 ") as said:
        await enrol(mistaken, pos_id, "C1", "full", folder / "till.toml")
    assert str(urlsplit(wrong).password) not in str(said.value)
