"""The triggers that tell, from outside, what a till commits."""

from pathlib import Path

import pytest

from chaos.witness import install, look_into, read_witness
from pos_node.store.inline import InlineDatabase
from pos_node.store.transactions import Priority
from simulation.checkers.history import History, Stored

BODY = b'{"type":"customer.edited","data":{"customer_id":"c","phone":"tk7x"}}'
ROW = "INSERT INTO reference VALUES ('centre/lyon', 'all', ?, 'active', '{}')"
ENTRY = "INSERT INTO journal VALUES ('e', ?, ?, 'customer.edited', x'00', ?, '', NULL)"


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / "customers.db"
    InlineDatabase(path).close()
    install(path)
    install(path)
    return path


async def test_i3_every_version_that_is_committed_is_told(file: Path) -> None:
    database = InlineDatabase(file)
    await database.write(lambda one: one.execute(ROW, (1,)), priority=Priority.FEED)
    await database.write(
        lambda one: one.execute("UPDATE reference SET version = 4"), priority=Priority.FEED
    )
    database.close()
    history = History()
    assert read_witness(file, "p1", history) == 2
    assert history.stored == [
        Stored("p1", 0, "reference", "centre/lyon", version, "active") for version in (1, 4)
    ]


async def test_i1_every_number_an_entry_had_is_told(file: Path) -> None:
    database = InlineDatabase(file)
    await database.write(lambda one: one.execute(ENTRY, (1, "n", BODY)), priority=Priority.CASHIER)
    await database.write(
        lambda one: one.execute("UPDATE journal SET epoch = 'f', seq = 3"),
        priority=Priority.JOURNAL,
    )
    await database.write(lambda one: one.execute("DELETE FROM journal"), priority=Priority.JOURNAL)
    database.close()
    history = History()
    read_witness(file, "p1", history)
    assert history.made["n"].numbers == [("e", 1), ("f", 3)]
    assert history.made["n"].tokens == ("tk7x",)


async def test_what_is_rolled_back_was_never_there(file: Path) -> None:
    with look_into(file) as connection:
        connection.execute("BEGIN")
        connection.execute(ROW, (1,))
        connection.execute("ROLLBACK")
    history = History()
    assert read_witness(file, "p1", history) == 0
