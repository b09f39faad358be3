"""The first command of the README: it shows a system, and Ctrl-C ends it."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
from pathlib import Path

import asyncpg
import httpx

from ops.services import Services
from tests.processes import Process, Spawner, is_empty, processes_with

LAST_LINE = "Ctrl-C stops everything and leaves nothing behind."


async def test_sync_5_the_demo_tells_that_the_tills_are_complete_and_ctrl_c_leaves_nothing_behind(
    spawn: Spawner, services: Services, folder: Path
) -> None:
    mark = secrets.token_hex(8)
    env = {**services.environment, "TMPDIR": str(folder), "COMPTOIR_TEST_MARK": mark}
    argv = (sys.executable, "-u", "-m", "ops", "demo", "--customers", "100")
    demo = await spawn(*argv, env=env, line=LAST_LINE, seconds=120)
    assert len([line for line in demo.lines if ": complete after " in line]) == 2
    place = await demo.wait_line("(virtual host ")
    name = place.rpartition(" ")[2].rstrip(")")
    await _paste(demo.lines, folder.parent / f"{folder.name}-curl")
    await _lose_a_till(demo, place=folder)
    assert await _exists(services, name) == (True, True)
    os.killpg(demo.pid, signal.SIGINT)
    await demo.wait_line("stopping …")
    assert await demo.wait(60) == 0
    assert processes_with(mark.encode()) == []
    assert is_empty(folder), list(folder.iterdir())
    assert await _exists(services, name) == (False, False)


CURL = """\
#!{python}
import argparse, httpx
asked = argparse.ArgumentParser()
asked.add_argument("-s", action="store_true")
asked.add_argument("-X")
asked.add_argument("-d")
asked.add_argument("-H", action="append", default=[])
asked.add_argument("url")
given = asked.parse_args()
headers = [tuple(one.split(": ", 1)) for one in given.H]
method = given.X or ("POST" if given.d else "GET")
print(httpx.request(method, given.url, headers=headers, content=given.d).text, end="")
"""
"""What the suggested lines need of curl, for a machine that has none."""


def _with_curl(folder: Path) -> dict[str, str]:
    if shutil.which("curl") is None:
        folder.mkdir()
        program = folder / "curl"
        program.write_text(CURL.format(python=sys.executable))
        program.chmod(0o755)
    return {**os.environ, "PATH": f"{os.environ['PATH']}:{folder}"}


async def _paste(lines: list[str], folder: Path) -> None:
    """Everything suggested runs as it is printed, pasted at once, and shows what it says."""
    begin = next(n for n, line in enumerate(lines) if line.startswith("Try "))
    said = lines[begin + 1 : lines.index(LAST_LINE)]
    end = next((n for n, line in enumerate(said) if line.startswith("Record ")), len(said))
    shell = await asyncio.create_subprocess_exec(
        "sh",
        "-eu",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=_with_curl(folder),
    )
    out, _ = await shell.communicate("\n".join(said[:end]).encode())
    answers = [json.loads(line) for line in out.decode().splitlines()]
    status, listed, search, chosen, edited, changed, seen, *cards, tills, french = answers
    assert status["complete"]
    assert listed["rows"] is not None
    assert search["state"] == "found"
    assert [(one["held"], one["usable"]) for one in search["rows"]] == [(False, False)]
    assert chosen["id"] == edited["id"] == changed["id"] == seen["id"]
    assert edited["record"]["phone"] == "+33 4 72 00 00 01"
    assert changed["record"]["email"] == seen["record"]["email"] == "new@example.org"
    given, shown, replaced, blocked, history = cards
    assert (given["code"], shown["state"]) == ("card.issued", "active")
    assert (replaced["card"]["number"], blocked["reason"]) == ("2900012346", "lost")
    assert [one["event"] for one in history["rows"]][:1] == ["blocked"]
    assert len(tills["rows"]) == 2
    assert french["banner"]["text"].startswith("Aucun résultat")


async def _lose_a_till(demo: Process, place: Path) -> None:
    """Kills the first till found: the demo says so in a line."""
    needle = str(place).encode()
    (pid, *_) = [one for one in processes_with(needle) if b"pos\0run" in _argv(one)]
    os.kill(pid, signal.SIGKILL)
    await demo.wait_line("is gone (killed by SIGKILL); its log: ")


def _argv(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def _exists(services: Services, name: str) -> tuple[bool, bool]:
    """Whether there is such a virtual host, and such a database."""
    auth = httpx.URL(services.amqp_url)
    async with httpx.AsyncClient(
        base_url=services.amqp_api, auth=(auth.username, auth.password), trust_env=False
    ) as api:
        vhosts = [one["name"] for one in (await api.get("/api/vhosts")).json()]
    connection = await asyncpg.connect(services.erp_dsn)
    try:
        found = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name)
    finally:
        await connection.close()
    return name in vhosts, found is not None
