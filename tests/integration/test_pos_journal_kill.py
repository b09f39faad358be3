"""What a cashier was told is saved stays saved, with its journal entry, when the till is killed."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from uuid import UUID

from contracts.registry import decode
from tests.processes import Spawner


async def test_a_killed_till_keeps_each_change_with_its_entry(spawn: Spawner, folder: Path) -> None:
    till = await spawn(sys.executable, "-m", "tests.pos_adder", folder)
    await till.wait_line("added 40 ", 60)
    await till.kill()
    told = {UUID(line.split()[2]).bytes for line in till.lines if line.startswith("added")}
    with closing(sqlite3.connect(folder / "till.db")) as file:
        entries = file.execute("SELECT seq, customer_id, body FROM journal ORDER BY seq").fetchall()
        stored = {one for (one,) in file.execute("SELECT id FROM customer")}
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert [seq for seq, _, _ in entries] == list(range(1, len(entries) + 1))
    assert len(told) >= 40
    assert told <= stored
    assert {one for _, one, _ in entries} == stored
    for seq, customer_id, body in entries:
        headers = decode(body).headers
        assert (headers.seq, headers.key) == (seq, str(UUID(bytes=customer_id)))
