"""Importing cards from files into PostgreSQL: good rows go in, bad ones are named (CARD-2, CARD-4, CARD-6, CARD-12)."""

import asyncio
import csv
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console
from typer.testing import CliRunner

from erp_node.__main__ import app
from erp_node.__main__ import import_cards as import_cards_command
from erp_node.imports import ImportReport, WrongFile
from erp_node.imports.card_rows import CARD_COLUMNS
from erp_node.imports.cards import import_cards
from erp_node.imports.load import BATCH
from erp_node.settings import ErpSettings
from erp_node.setup import import_with_progress
from erp_node.store.pool import Pool, open_pool
from runtime.settings import load
from tests.databases import Database, Migrate
from tests.erp import enrol, migrated, retail, store_customer

ROOT = Path(__file__).parent.parent.parent
LATE = datetime(2100, 1, 1, tzinfo=UTC).astimezone().strftime("%H:%M:%S")
HEADER = "number,form,type,state,reason,points,reusable,value,customer"


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.dsn, max_size=4)
    for kind, code, record in (
        ("card_type", "gold", '"form": "physical", "predefined": true, "required_fields": ["phone"]'),
        ("card_type", "mail", '"form": "virtual"'),
        ("choice", "lost", '"list": "block_reason"'),
    ):  # fmt: skip
        await opened.execute(
            "INSERT INTO reference (key, kind, record) VALUES ($1, $2, $3)",
            f"{kind}/{code}", kind, f'{{"kind": "{kind}", "code": "{code}", {record}}}',
        )  # fmt: skip
    yield opened
    await opened.close()


@dataclass
class Importer:
    """Writes files and imports them."""

    pool: Pool
    folder: Path
    progress: list[int] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "cards.txt"

    @property
    def rejects(self) -> Path:
        return self.folder / "rejects.csv"

    async def again(self) -> ImportReport:
        return await import_cards(
            self.pool, self.file, rejects_path=self.rejects, on_progress=self.progress.append
        )

    async def table(self, *lines: str, header: str = HEADER) -> ImportReport:
        self.file.write_text("\n".join((header, *lines)) + "\n")
        return await self.again()

    async def json(self, *objects: Any) -> ImportReport:
        self.file.write_text("".join(json.dumps(one) + "\n" for one in objects))
        return await self.again()

    def rejected(self) -> list[tuple[str, str, str]]:
        """Line, column and reason of every rejected row."""
        with self.rejects.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert header == ["line", "column", "reason", "row"]
        return [(line, column, reason) for line, column, reason, _ in rows]

    async def cards(self) -> list[tuple[Any, ...]]:
        rows = await self.pool.fetch(
            "SELECT number, form, type, state, reason, points, reusable, value::text, customer_id, version"
            " FROM card ORDER BY number_key"
        )
        return [tuple(row) for row in rows]

    async def everything(self) -> list[str]:
        tables = ("card", "card_event", "feed_mark")
        return [
            str(row)
            for name in tables
            for row in await self.pool.fetch(f"SELECT * FROM {name} ORDER BY id")
        ]


@pytest.fixture
def importer(pool: Pool, folder: Path) -> Importer:
    return Importer(pool, folder)


@pytest.fixture
async def ada(pool: Pool) -> UUID:
    return await store_customer(pool, retail("A-1", "Ada"))


@pytest.fixture
async def bob(pool: Pool) -> UUID:
    return await store_customer(pool, retail("B-1", "Bob", phone="0478"))


def report(
    created: int = 0, changed: int = 0, unchanged: int = 0, rejected: int = 0
) -> ImportReport:
    rows = created + changed + unchanged + rejected
    return ImportReport(rows, created, changed, unchanged, rejected)


ROWS = (
    "C1,,gold,,,120,,,",
    "c2,virtual,mail,inactive,,,,,",
    "V1,voucher,,received,,,true,5.00,",
    "C3,physical,,,,,,,B-1",
    "C4,,,blocked,lost,,,,B-1",
)


async def test_card_6_a_table_predefines_cards_with_their_history(
    importer: Importer, pool: Pool, bob: UUID
) -> None:
    assert await importer.table(*ROWS) == report(created=5)
    assert await importer.cards() == [
        ("C1", "physical", "gold", "active", None, 120, False, None, None, 1),
        ("c2", "virtual", "mail", "inactive", None, 0, False, None, None, 1),
        ("C3", "physical", None, "active", None, 0, False, None, bob, 2),
        ("C4", "physical", None, "blocked", "lost", 0, False, None, bob, 2),
        ("V1", "voucher", None, "received", None, 0, True, "5.00", None, 1),
    ]
    events = await pool.fetch(
        "SELECT number_key, event, customer_id, changed_by, changed_where FROM card_event ORDER BY id"
    )
    by = ("import", "import")
    assert [tuple(row) for row in events] == [
        ("C1", "made", None, *by),
        ("C2", "made", None, *by),
        ("V1", "made", None, *by),
        ("C3", "made", None, *by),
        ("C3", "assigned", bob, *by),
        ("C4", "made", None, *by),
        ("C4", "blocked", bob, *by),
    ]
    assert not importer.rejects.exists()


async def test_json_lines_bring_cards(importer: Importer, bob: UUID) -> None:
    done = await importer.json(
        {"number": "C1", "type": "gold", "points": 7, "customer": "b-1"},
        {"number": "V1", "form": "voucher", "reusable": True, "value": 2.5, "points": None},
        {"number": "C2", "colour": "red"},
        ["C3"],
    )
    assert done == report(created=2, rejected=2)
    assert [(row[0], row[5], row[7], row[8]) for row in await importer.cards()] == [
        ("C1", 7, None, bob),
        ("V1", 0, "2.50", None),
    ]
    assert importer.rejected() == [
        ("3", "colour", "there is no such field"),
        ("4", "", "an object with fields is expected"),
    ]


async def test_importing_the_same_file_twice_changes_nothing(importer: Importer, bob: UUID) -> None:
    await importer.table(*ROWS)
    before = await importer.everything()
    assert await importer.again() == report(unchanged=5)
    assert await importer.everything() == before


async def test_card_4_a_row_changes_what_it_names_of_a_card_that_is_there(
    importer: Importer, pool: Pool, ada: UUID
) -> None:
    await importer.table("C1,,,,,5,,,", "C2,,,,,,,,", "V1,voucher,,confirmed,,,true,3.00,")
    assert await importer.table("C1;9;;", header="number;points;state;customer") == report(
        changed=1
    )
    assert await importer.table(
        "C1,,,inactive,,,,,", "C2,,,blocked,lost,,,,", "V1,,,active,,,,0,A-1"
    ) == report(changed=3)
    assert [(row[0], *row[3:]) for row in await importer.cards()] == [
        ("C1", "inactive", None, 9, False, None, None, 3),
        ("C2", "blocked", "lost", 0, False, None, None, 2),
        ("V1", "active", None, 0, True, "0.00", ada, 3),
    ]
    details = await pool.fetch(
        "SELECT detail::text FROM card_event WHERE number_key = 'C1' AND event = 'changed' ORDER BY id"
    )
    assert [json.loads(row[0]) for row in details] == [
        {"points": [5, 9]},
        {"state": ["active", "inactive"]},
    ]


BAD = (
    ("C-1,,,,,,,,", "number", "this does not have the expected form, for instance 2900012345"),
    (",,,,,,,,", "number", "this field is missing"),
    ("N11,plastic,,,,,,,", "form", "only these are possible: 'physical', 'virtual' or 'voucher'"),
    ("N12,,silver,,,,,,", "type", "there is no such type of card: silver"),
    ("N13,,mail,,,,,,", "type", "cards of the type mail have another form"),
    ("N14,,,confirmed,,,,,", "state", "only a voucher can have this"),
    ("N15,,,,,,,1,", "value", "only a voucher can have this"),
    ("N16,,,,,,,1.234,", "value", "this value is not possible here"),
    ("N17,,,,,many,,,", "points", "a number is expected"),
    ("N18,,,,,-1,,,", "points", "the number is too low: the limit is 0"),
    ("N19,,,,,,perhaps,,", "reusable", "yes or no (true, false) is expected"),
    ("N20,,,blocked,,,,,", "reason", "this field is missing"),
    ("N21,,,blocked,eaten,,,,", "reason", "there is no such reason for blocking: eaten. There are: lost"),
    ("N22,,,,lost,,,,", "reason", "this value is not possible here"),
    ("N23,,,,,,,,NOBODY", "customer", "there is no such customer"),
    ("N24,,gold,,,,,,A-1", "customer", "the loyalty card requires this field of the customer: Phone"),
    ("N25,,,inactive,,,,,D-1", "number", "the card N25 is not active"),
    ("C1,,,,,,,,", "number", "line 2 has the same number"),
    ("N26,,,,,,,,B-1", "customer", "line 2 has the same customer"),
    ("N27,,", "", "there are 3 cells, 9 are expected"),
    ("OLD,voucher,,,,,,,", "form", "there is a card OLD already, of another form or type"),
    ("PLAIN,,gold,,,,,,", "type", "there is a card PLAIN already, of another form or type"),
    ("USED,,,,,,,,E-1", "number", "the card is already in use"),
    ("GONE,,,active,,,,,", "state", "the card GONE is blocked"),
    ("HELD,,,,,,,,F-1", "customer", f"another till is giving this card just now, until {LATE}"),
)  # fmt: skip


async def test_bad_rows_are_named_and_good_ones_go_in(
    importer: Importer, pool: Pool, ada: UUID, bob: UUID
) -> None:
    third = await store_customer(pool, retail("C-1", "Cleo"))
    for code in ("D-1", "E-1", "F-1"):
        await store_customer(pool, retail(code))
    await enrol(pool, "p1")
    names = ("OLD", "PLAIN", "HELD")
    await importer.table(
        "USED,,,,,,,,C-1", "GONE,,,blocked,lost,,,,", *(f"{name},,,,,,,," for name in names)
    )
    await pool.execute(
        "UPDATE card_lock SET pos_id = 'p1', token = 1, until = '2100-01-01' WHERE number_key = 'HELD'"
    )
    done = await importer.table("C1,,,,,,,,B-1", *(row for row, _, _ in BAD), "C8,,,,,,,,")
    assert done == report(created=2, rejected=len(BAD))
    assert importer.rejected() == [
        (str(place), column, reason) for place, (_, column, reason) in enumerate(BAD, 3)
    ]
    there = [(row[0], row[8]) for row in await importer.cards()]
    assert there == [
        ("C1", bob), ("C8", None), ("GONE", None), ("HELD", None), ("OLD", None), ("PLAIN", None), ("USED", third),
    ]  # fmt: skip


async def test_card_2_a_customer_with_a_card_that_works_gets_no_other_one(
    importer: Importer, ada: UUID
) -> None:
    await importer.table("C1,,,,,,,,A-1")
    assert await importer.table("C2,,,blocked,lost,,,,A-1", "C3,,,,,,,,A-1") == report(
        created=1, rejected=1
    )
    assert importer.rejected() == [("3", "customer", "the customer already has a loyalty card: C1")]
    assert [(row[0], row[3], row[8]) for row in await importer.cards()] == [
        ("C1", "active", ada),
        ("C2", "blocked", ada),
    ]


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("number,colour", "line 1: there is no column colour; there are number, form, type, "),
        ("form,type", "line 1: column number is missing"),
        ("number;points;number", "line 1: column number is there twice"),
    ],
)
async def test_a_file_with_other_columns_is_refused_at_once(
    importer: Importer, header: str, why: str
) -> None:
    with pytest.raises(WrongFile) as refused:
        await importer.table("C1,x", header=header)
    assert str(refused.value).startswith(why)


async def test_a_row_the_database_refuses_does_not_keep_others_out(
    importer: Importer, pool: Pool
) -> None:
    await pool.execute("ALTER TABLE card ADD CHECK (number <> 'C2')")
    assert await importer.table("C1,,,,,,,,", "C2,,,,,,,,", "C3,,,,,,,,") == report(
        created=2, rejected=1
    )
    ((line, column, reason),) = importer.rejected()
    assert (line, column) == ("3", "")
    assert reason.startswith("cannot be stored: new row for relation")


async def test_i5_two_imports_at_once_make_each_card_once(importer: Importer, pool: Pool) -> None:
    numbers = [f"C{place},,,,,,,," for place in range(300)]
    importer.file.write_text("\n".join((HEADER, *numbers)) + "\n")
    both = await asyncio.gather(
        *(
            import_cards(pool, importer.file, rejects_path=importer.folder / name)
            for name in ("one.csv", "other.csv")
        )
    )
    assert sum(one.created for one in both) == 300
    assert sum(one.unchanged for one in both) == 300
    assert await pool.fetchval("SELECT count(*) FROM card_event") == 300


async def test_many_rows_come_in_batches_with_progress(importer: Importer, pool: Pool) -> None:
    count = 2 * BATCH + 500
    numbers = [f"{2_900_000_000 + place},gold" for place in range(count)]
    done = await importer.table(*numbers, header="number,type")
    assert done == report(created=count)
    assert len(importer.progress) == 3
    assert importer.progress == sorted(importer.progress)
    assert importer.progress[-1] == importer.file.stat().st_size
    assert await importer.again() == report(unchanged=count)
    cards_marked = "SELECT count(*) FROM feed_mark WHERE kind = 'card'"
    assert await pool.fetchval(cards_marked) == 0  # nobody's: no till is told


@pytest.mark.idle
async def test_card_6_cards_come_by_the_thousand_each_second(importer: Importer) -> None:
    count = 20_000
    for what in ("new", "known"):
        begun = time.monotonic()
        done = await importer.table(*(f"{n},gold" for n in range(count)), header="number,type")
        took = time.monotonic() - begun
        print(f"{count / took:.0f} {what} cards per second")
        assert done == report(**{"created" if what == "new" else "unchanged": count})
        assert took < 8  # 100,000 in 40 s


async def test_the_command_shows_progress_and_names_the_rejects(
    importer: Importer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer.file.write_text("number\nC1\nC-2\n")
    shown = StringIO()
    settings = load(ErpSettings, dsn=database.dsn, amqp_url="amqp://nobody@127.0.0.1:1/x")
    console = Console(file=shown, force_terminal=True)
    done = await import_with_progress(
        settings, importer.file, importer.rejects, console, import_cards
    )
    assert done == report(created=1, rejected=1)
    assert "importing cards.txt" in shown.getvalue()
    assert len(importer.rejected()) == 1


def test_the_command_ends_with_1_when_every_row_was_rejected(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPTOIR_ERP_DSN", database.dsn)
    monkeypatch.setenv("COMPTOIR_AMQP_URL", "amqp://nobody@127.0.0.1:1/x")
    file = folder / "cards.csv"
    file.write_text("number,points\nC-1,1\n")
    ended = CliRunner().invoke(app, ["import-cards", str(file)])
    assert ended.exit_code == 1
    assert "1 rows: 0 created, 0 changed, 0 unchanged, 1 rejected" in ended.stdout
    assert f"rejected rows: {file}.rejects.csv" in ended.stdout
    file.write_text("number,points\nC1,1\n")
    ended = CliRunner().invoke(app, ["import-cards", str(file)])
    assert (ended.exit_code, ended.stdout) == (
        0, "1 rows: 1 created, 0 changed, 0 unchanged, 0 rejected\n",
    )  # fmt: skip


def test_the_columns_of_cards_are_all_explained() -> None:
    document = (ROOT / "docs/operations.md").read_text("utf-8")
    command = import_cards_command.__doc__ or ""
    for name in CARD_COLUMNS:
        assert re.search(rf"^\| (`\w+`, )?`{name}`", document, re.MULTILINE), name
        assert re.search(rf"\b{name}\b", command), name


async def test_the_example_of_the_documents_can_be_imported(importer: Importer, pool: Pool) -> None:
    await store_customer(pool, retail("DUP-1", phone="0478"))
    (example,) = re.findall(
        r"^```csv\n(number;.*?)```", (ROOT / "docs/operations.md").read_text("utf-8"), re.M | re.S
    )
    header, *rows = example.splitlines()
    assert await importer.table(*rows, header=header) == report(created=len(rows))


async def test_card_13_a_card_blocked_by_a_row_makes_room_for_a_later_one_however_far_away(
    importer: Importer, pool: Pool
) -> None:
    for n in range(40):
        who = await store_customer(pool, retail(f"R-{n}", phone="0478"))
        await pool.execute(
            "INSERT INTO card (number, type, customer_id) VALUES ($1, 'gold', $2)", f"OLD{n}", who
        )
    done = await importer.table(
        *(f"OLD{n},,,blocked,lost,,,," for n in range(40)),
        *(f"FILL{n},physical,gold,,,,,," for n in range(BATCH - 40)),
        *(f"NEW{n},physical,gold,,,,,,R-{n}" for n in range(40)),
    )
    assert done.rejected == 0
    served = await pool.fetchval(
        "SELECT count(*) FROM card WHERE state = 'active' AND customer_id IS NOT NULL"
    )
    assert served == 40
