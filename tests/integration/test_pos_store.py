"""The till's file: who writes first, what a crash leaves, what is wrong with it."""

import asyncio
import errno
import shutil
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from contracts.envelope import dump
from contracts.search import Criteria
from pos_node.app import DATABASE_FILE, open_node
from pos_node.drafts import CustomerDraft
from pos_node.lists import list_customers
from pos_node.settings import Enrolment, PosSettings
from pos_node.store import database as database_module
from pos_node.store import migrations, repair, replacement
from pos_node.store.cursors import follow_scopes, read_cursors, read_left_scopes
from pos_node.store.customers import show_customer
from pos_node.store.database import Database, Priority, StoreError
from pos_node.store.errors import Closed, Damaged, DiskFull, LockedElsewhere, TooNew, Unwritable
from pos_node.store.inline import InlineDatabase
from pos_node.store.journal import Standing, read_standing
from pos_node.store.migrations import Migration, known_migrations, migrate
from pos_node.store.opening import open_store
from pos_node.store.repair import OWN_TABLES, rebuild
from pos_node.store.transactions import Writer
from tests.pos_pages import customer, customer_id
from tests.pos_parts import retail
from tests.pos_till import ANNE


@pytest_asyncio.fixture
async def store(folder: Path) -> AsyncIterator[Database]:
    database = Database(folder / "till.db")
    await database.open()
    yield database
    await database.close()


def put(connection: sqlite3.Connection, name: str, value: str = "") -> None:
    connection.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (name, value))


def names(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM list_view ORDER BY value")
    return [name for (name,) in found]


def put_in_order(connection: sqlite3.Connection, name: str) -> None:
    (count,) = connection.execute("SELECT count(*) FROM list_view").fetchone()
    connection.execute("INSERT INTO list_view (name, value) VALUES (?, ?)", (name, f"{count:04d}"))


def pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


async def test_the_cashier_goes_before_everybody_who_waits(store: Database) -> None:
    busy, go_on = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        busy.set()
        go_on.wait()

    holding = asyncio.create_task(store.write(hold, priority=Priority.FEED))
    await asyncio.to_thread(busy.wait)
    order = (Priority.FEED, Priority.JOURNAL, Priority.FEED, Priority.CASHIER, Priority.URGENT)
    waiting = [
        asyncio.create_task(store.write(put_in_order, f"{place}", priority=one))
        for place, one in enumerate(order)
    ]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(holding, *waiting)
    assert await store.read(names) == ["3", "4", "1", "0", "2"]


async def test_a_write_that_fails_changes_nothing_and_the_next_goes_on(store: Database) -> None:
    def half(connection: sqlite3.Connection) -> None:
        put_in_order(connection, "half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.write(half, priority=Priority.CASHIER)
    await store.write(put_in_order, "whole", priority=Priority.CASHIER)
    assert await store.read(names) == ["whole"]


async def test_a_write_cancelled_before_its_turn_does_not_run(store: Database) -> None:
    busy, go_on = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        busy.set()
        go_on.wait()

    holding = asyncio.create_task(store.write(hold, priority=Priority.CASHIER))
    await asyncio.to_thread(busy.wait)
    cancelled = asyncio.create_task(store.write(put_in_order, "x", priority=Priority.CASHIER))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    go_on.set()
    await holding
    assert await store.read(names) == []


async def test_a_read_sees_one_moment_while_others_write(store: Database) -> None:
    await store.write(put_in_order, "before", priority=Priority.CASHIER)
    begun, go_on = threading.Event(), threading.Event()

    def look_twice(connection: sqlite3.Connection) -> tuple[list[str], list[str]]:
        first = names(connection)
        begun.set()
        go_on.wait()
        return first, names(connection)

    looking = asyncio.create_task(store.read(look_twice))
    await asyncio.to_thread(begun.wait)
    await store.write(put_in_order, "after", priority=Priority.CASHIER)
    assert await store.read(names) == ["before", "after"], "another reader is not held up"
    go_on.set()
    assert await looking == (["before"], ["before"])


async def test_only_the_feed_may_lose_its_last_writes_with_the_power(store: Database) -> None:
    full, normal = 2, 1
    for priority in Priority:
        waited = await store.write(pragma, "synchronous", priority=priority)
        assert waited == (normal if priority is Priority.FEED else full)


async def test_i7_deleted_content_is_overwritten(store: Database) -> None:
    await store.write(put, "secret", "Zanzibarskaya" * 40, priority=Priority.CASHIER)
    await store.write(
        lambda c: c.execute("DELETE FROM meta WHERE name = 'secret'"), priority=Priority.CASHIER
    )
    await store.close()
    assert b"Zanzibarskaya" not in store.path.read_bytes()
    await store.open()


async def test_readers_cannot_write(store: Database) -> None:
    with pytest.raises(StoreError, match="cannot be read or written"):
        await store.read(put, "x", "y")


async def test_a_second_till_on_the_same_file_is_refused(store: Database) -> None:
    with pytest.raises(LockedElsewhere, match="Another till is running on this file"):
        await Database(store.path).open()


async def test_a_closed_database_says_so(store: Database) -> None:
    await store.close()
    with pytest.raises(Closed):
        await store.read(names)
    await store.open()
    assert await store.read(names) == []


async def test_a_folder_that_is_not_there_is_one_clear_error(folder: Path) -> None:
    with pytest.raises(Unwritable, match="No such file"):
        await Database(folder / "nowhere" / "till.db").open()


def test_migrations_are_applied_once_and_in_order(folder: Path) -> None:
    path = folder / "till.db"
    connection = sqlite3.connect(path, isolation_level=None)
    first = Migration(1, "1.sql", "CREATE TABLE a (x);")
    second = Migration(2, "2.sql", "ALTER TABLE a ADD COLUMN y; INSERT INTO a VALUES (1, 2);")
    assert migrate(connection, path, (first,)) == 1
    assert migrate(connection, path, (first, second)) == 1
    assert migrate(connection, path, (first, second)) == 0
    assert connection.execute("SELECT * FROM a").fetchall() == [(1, 2)]
    connection.close()


def test_a_migration_that_fails_changes_nothing(folder: Path) -> None:
    path = folder / "till.db"
    connection = sqlite3.connect(path, isolation_level=None)
    broken = Migration(1, "1.sql", "CREATE TABLE a (x); CREATE TABLE a (x);")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, path, (broken,))
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    assert pragma(connection, "user_version") == 0
    connection.close()


async def test_a_file_of_a_newer_version_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = known_migrations()
    newer = Migration(known[-1].number + 1, "new.sql", "SELECT 1;")
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "known_migrations", lambda: (*known, newer))
        InlineDatabase(folder / "till.db").close()
    with pytest.raises(TooNew, match="newer version"):
        await Database(folder / "till.db").open()


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [one.number for one in known_migrations()] == list(range(1, len(known_migrations()) + 1))


async def test_another_file_takes_the_place_of_this_one(store: Database, folder: Path) -> None:
    await store.write(put_in_order, "old", priority=Priority.CASHIER)
    prepared = folder / "prepared.db"
    fresh = InlineDatabase(prepared)
    await fresh.write(put_in_order, "fresh", priority=Priority.FEED)
    fresh.close()

    def carry(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
        for name in names(old):
            put_in_order(new, name)

    reads = asyncio.gather(*(store.read(names) for _ in range(20)))
    await store.replace(prepared, carry)
    later = await asyncio.gather(*(store.read(names) for _ in range(20)))
    assert {tuple(one) for one in await reads} <= {("old",), ("fresh", "old")}
    assert {tuple(one) for one in later} == {("fresh", "old")}
    await store.write(put_in_order, "then", priority=Priority.CASHIER)
    assert await store.read(names) == ["fresh", "old", "then"]
    assert [one.name for one in folder.glob("prepared*")] == []


async def test_a_replacement_that_fails_leaves_the_file_as_it_is(
    store: Database, folder: Path
) -> None:
    await store.write(put_in_order, "old", priority=Priority.CASHIER)
    InlineDatabase(folder / "prepared.db").close()

    def fail(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.replace(folder / "prepared.db", fail)
    await store.write(put_in_order, "more", priority=Priority.CASHIER)
    assert await store.read(names) == ["old", "more"]


@dataclass
class Exchange:
    """A file that takes the place of another, held where it is wanted; `over` is what came of it."""

    store: Database
    prepared: Path
    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    async def prepare(self) -> None:
        fresh = InlineDatabase(self.prepared)
        await fresh.write(put_in_order, "fresh", priority=Priority.FEED)
        fresh.close()

    def hold(self, *_: object) -> None:
        self.reached.set()
        self.go_on.wait(20)

    def carry(self, old: sqlite3.Connection, new: sqlite3.Connection) -> None:
        for name in names(old):
            put_in_order(new, name)


@pytest.mark.parametrize("where", ["a reader", "the writer", "carry", "rename", "reopening"])
async def test_i1_an_exchange_is_done_to_its_end_however_it_is_cancelled(
    store: Database, folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    await store.write(put_in_order, "old", priority=Priority.CASHIER)
    one = Exchange(store, folder / "prepared.db")
    await one.prepare()
    busy = asyncio.create_task(_hold_where(one, where, monkeypatch))
    await asyncio.sleep(0)
    if where in ("a reader", "the writer"):
        await asyncio.to_thread(one.reached.wait, 20)
    replacing = asyncio.create_task(store.replace(one.prepared, one.carry))
    await asyncio.sleep(0)
    await asyncio.to_thread(one.reached.wait, 20)
    for _ in range(3):
        replacing.cancel()
        await asyncio.sleep(0)
    assert not replacing.done(), (
        "who asked is told when it is over, so that nobody removes the file meanwhile"
    )
    reads = [asyncio.create_task(store.read(names)) for _ in range(8)]
    await asyncio.sleep(0)
    one.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await replacing
    await busy
    assert {tuple(found) for found in await asyncio.gather(*reads)} <= {("old",), ("fresh", "old")}
    assert await store.read(names) == ["fresh", "old"]
    for number in range(50):
        await store.write(put_in_order, f"{number}", priority=Priority.CASHIER)
    expected = ["fresh", "old", *map(str, range(50))]
    assert await store.read(names) == expected
    await store.close()
    assert not [one.name for one in folder.glob("*-wal")]
    await store.open()
    assert await store.read(names) == expected
    found = await store.read(lambda c: c.execute("PRAGMA integrity_check").fetchone())
    assert found == ("ok",)


async def _hold_where(one: Exchange, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    match where:
        case "a reader":
            await one.store.read(one.hold)
        case "the writer":
            await one.store.write(one.hold, priority=Priority.CASHIER)
        case "carry":
            carry = one.carry

            def slowly(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
                one.hold()
                carry(old, new)

            monkeypatch.setattr(one, "carry", slowly)
        case "rename" | "reopening":
            module, name = {
                "rename": (replacement, "put_in_place"),
                "reopening": (database_module, "open_writer"),
            }[where]
            real = getattr(module, name)

            def held(*arguments: object) -> object:
                one.hold()
                return real(*arguments)

            monkeypatch.setattr(module, name, held)


async def test_a_till_closed_during_an_exchange_ends_with_the_new_file(
    store: Database, folder: Path
) -> None:
    one = Exchange(store, folder / "prepared.db")
    await one.prepare()
    reading = asyncio.create_task(store.read(one.hold))
    await asyncio.to_thread(one.reached.wait, 20)
    replacing = asyncio.create_task(store.replace(one.prepared, one.carry))
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    one.go_on.set()
    async with asyncio.timeout(20):
        await asyncio.gather(reading, replacing, closing)
    await store.open()
    assert await store.read(names) == ["fresh"]


async def test_i1_a_log_that_cannot_be_emptied_leaves_the_file_as_it_is(
    store: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise what it holds would be read into the file that comes after."""
    await store.write(put_in_order, "old", priority=Priority.CASHIER)
    monkeypatch.setattr("pos_node.store.connection.BUSY_MS", 50)
    await store.close()
    await store.open()
    one = Exchange(store, folder / "prepared.db")
    await one.prepare()
    backup = sqlite3.connect(store.path, isolation_level=None)
    backup.execute("BEGIN")
    assert names(backup) == ["old"]
    await store.write(put_in_order, "more", priority=Priority.CASHIER)
    with pytest.raises(LockedElsewhere):
        await store.replace(one.prepared, one.carry)
    backup.close()
    assert await store.read(names) == ["old", "more"]
    await store.replace(one.prepared, lambda old, new: None)
    assert await store.read(names) == ["fresh", "old", "more"], (
        "it was all in the prepared file already"
    )


async def test_a_file_that_cannot_be_opened_for_a_moment_is_opened_by_the_next_write(
    store: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Exchange(store, folder / "prepared.db")
    await one.prepare()

    def fail(path: Path) -> Writer:
        raise Unwritable(path)

    with monkeypatch.context() as patched:
        patched.setattr(database_module, "open_writer", fail)
        await store.replace(one.prepared, one.carry)
        with pytest.raises(Unwritable):
            await store.write(put_in_order, "x", priority=Priority.CASHIER)
        with pytest.raises(Unwritable):
            await store.replace(one.prepared, one.carry)
        assert await store.read(names) == ["fresh"], "readers go on"
    await store.write(put_in_order, "then", priority=Priority.CASHIER)
    assert await store.read(names) == ["fresh", "then"]


async def test_what_went_wrong_with_a_read_is_told_though_sqlite_rolled_back_itself(
    store: Database,
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")
        raise ValueError("what went wrong")

    with pytest.raises(ValueError, match="what went wrong"):
        await store.read(fail)
    assert await store.read(names) == []


async def test_sync_2_scopes_that_are_left_are_remembered(store: Database) -> None:
    await store.write(follow_scopes, ["a", "b"], priority=Priority.FEED)
    await store.write(follow_scopes, ["b", "c"], priority=Priority.FEED)
    assert [one.scope for one in await store.read(read_cursors)] == ["b", "c"]
    assert await store.read(read_left_scopes) == ("a",)
    await store.write(follow_scopes, ["a"], priority=Priority.FEED)
    assert await store.read(read_left_scopes) == ("b", "c")


# A damaged file ------------------------------------------------------------------------------


def _fold(connection: sqlite3.Connection, customer_id_: UUID, record: str | None) -> str | None:
    """As the journal's: the customer made here."""
    row = connection.execute(
        "SELECT body FROM journal WHERE customer_id = ?", (customer_id_.bytes,)
    ).fetchone()
    return row[0].decode() if row else None


def _enter(connection: sqlite3.Connection, number: int) -> None:
    one = customer(number)
    show_customer(connection, customer_id(number), one)
    connection.execute(
        "INSERT INTO journal (epoch, seq, id, type, customer_id, body, at)"
        " VALUES ('j', ?, ?, 'customer.edited', ?, ?, '')",
        (number, str(number), customer_id(number).bytes, dump(one)),
    )


async def _fill(path: Path, entries: int) -> None:
    database = Database(path)
    await database.open()
    for number in range(1, entries + 1):
        await database.write(_enter, number, priority=Priority.CASHIER)
    await database.write(put_in_order, "kept", priority=Priority.CASHIER)
    await database.close()


def _spoil(path: Path, table: str) -> None:
    """Overwrites the pages of one table."""
    connection = sqlite3.connect(path)
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    (root,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)
    ).fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xa5" * size)


async def test_damage_is_noticed_when_the_file_is_opened(folder: Path) -> None:
    path = folder / "till.db"
    for table in OWN_TABLES:
        await _fill(path, 3)
        _spoil(path, table)
        with pytest.raises(Damaged, match="comes again from the ERP"):
            await Database(path).open()
        path.unlink()


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 1000])
async def test_what_is_no_database_is_begun_anew(folder: Path, content: bytes) -> None:
    path = folder / "till.db"
    path.write_bytes(content)
    database = await open_store(path, stamp="now", fold=_fold)
    assert await database.read(names) == []
    await database.close()
    assert (folder / "till.db.damaged-now").exists() == bool(content)


async def test_a_damaged_mirror_is_begun_anew_and_the_journal_saved(folder: Path) -> None:
    path = folder / "till.db"
    await _fill(path, 300)
    _spoil(path, "customer")
    database = await open_store(path, stamp="now", fold=_fold)
    assert await database.read(names) == ["kept"]
    count = await database.read(lambda c: c.execute("SELECT count(*) FROM journal").fetchone())
    assert count == (300,)
    shown = await database.read(list_customers, Criteria(phrase="name300"))
    assert [row.code for row in shown.rows] == ["C300"], "customers made here are listed again"
    await database.close()
    assert (folder / "till.db.damaged-now").exists()


async def test_i1_a_till_whose_file_is_damaged_starts_with_its_unsent_changes(folder: Path) -> None:
    who = Enrolment(pos_id="p1", centre="C1", amqp_url="amqp://p1:x@127.0.0.1:1/x")
    settings = PosSettings(enrolment=folder / "p1.toml", data=folder)
    path = folder / DATABASE_FILE

    async def start(change: CustomerDraft | None) -> Standing:
        async with AsyncExitStack() as stack:
            node = await open_node(settings, who, stack)
            if change is not None:
                await node.till.customers.add(change, ANNE)
            return await node.till.store.read(read_standing)

    before = await start(CustomerDraft.model_validate(retail().model_dump(exclude_unset=True)))
    assert before.waiting == 1
    _spoil(path, "customer")
    after = await start(None)
    assert (after.epoch, after.last_seq, after.waiting) == (before.epoch, 1, 1)
    assert list(folder.glob(f"{DATABASE_FILE}.damaged-*"))


@pytest.mark.parametrize("wrong", ["a table", "its beginning", "its version"])
async def test_a_file_that_is_refused_is_left_closed(folder: Path, wrong: str) -> None:
    """Closed later it would take the log of the file that comes after with it."""
    path = folder / "till.db"
    await _fill(path, 3)
    match wrong:
        case "a table":
            _spoil(path, "journal")
        case "its beginning":
            path.write_bytes(b"not a database at all" * 1000)
        case _:
            newer = sqlite3.connect(path)
            newer.execute("PRAGMA user_version = 999")
            newer.close()
    with pytest.raises((Damaged, TooNew)) as refused:
        await Database(path).open()
    opened = [_target(one) for one in Path("/proc/self/fd").iterdir()]
    assert not [one for one in opened if one.startswith(str(path))], refused.value


async def test_i1_a_rebuild_that_fails_half_way_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, then the till is killed at each step; the next start does it again."""
    path = folder / "till.db"
    await _fill(path, 300)
    _spoil(path, "customer")

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for step in ("flush", "_put_in_place", "_set_aside"):
        with monkeypatch.context() as patched:
            patched.setattr(repair, step, no_room)
            with pytest.raises(DiskFull):
                await open_store(path, stamp=step, fold=_fold)
    assert (folder / "till.db.rebuilt").exists()
    database = await open_store(path, stamp="now", fold=_fold)
    count = await database.read(lambda c: c.execute("SELECT count(*) FROM journal").fetchone())
    assert count == (300,)
    assert await database.read(names) == ["kept"]
    await database.close()
    left = {
        one.name for one in folder.iterdir() if not one.name.endswith((".lock", "-wal", "-shm"))
    }
    assert left == {"till.db", "till.db.damaged-now"}


def _target(handle: Path) -> str:
    """What an open file is; nothing once it is closed."""
    with suppress(FileNotFoundError):
        return str(handle.readlink())
    return ""


async def test_a_journal_that_is_only_partly_readable_is_told(folder: Path) -> None:
    path = folder / "till.db"
    await _fill(path, 300)
    _spoil(path, "journal")
    salvage = rebuild(path, "now", _fold)
    assert not salvage.whole
    database = Database(path)
    await database.open()
    assert await database.read(names) == ["kept"]
    await database.close()


async def test_a_truncated_file_is_noticed_or_read(folder: Path) -> None:
    """Wherever it was cut, the till comes up."""
    whole = folder / "whole.db"
    await _fill(whole, 50)
    size = whole.stat().st_size
    for part in (0.1, 0.4, 0.7, 0.95):
        path = folder / f"cut{part}.db"
        shutil.copy(whole, path)
        with path.open("r+b") as file:
            file.truncate(int(size * part))
        database = await open_store(path, stamp="now", fold=_fold)
        await database.write(put_in_order, "works", priority=Priority.CASHIER)
        await database.close()


# Killed --------------------------------------------------------------------------------------

_WRITER = """
import asyncio, sys
from pathlib import Path
from pos_node.store.database import Database, Priority
from tests.integration.test_pos_store import put_in_order

async def main():
    database = Database(Path(sys.argv[1]))
    await database.open()
    number = 0
    while True:
        number += 1
        await database.write(put_in_order, f"{number}", priority=Priority.CASHIER)
        print(number, flush=True)

asyncio.run(main())
"""


async def test_i1_a_killed_till_keeps_every_write_it_was_told_of(folder: Path) -> None:
    path = folder / "till.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    told = 0
    while told < 30:
        told = int(await process.stdout.readline())
    process.kill()
    rest = (await process.stdout.read()).split()
    await process.wait()
    told = max([told, *map(int, rest)])
    database = Database(path)
    await database.open()
    kept = await database.read(names)
    await database.close()
    assert kept[:told] == [str(number) for number in range(1, told + 1)]
