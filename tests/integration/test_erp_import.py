"""Importing customers from files into PostgreSQL: good rows go in, bad ones are named (CUST-2, CUST-3, SYNC-3)."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.customers import Customer
from contracts.matching import words_of
from contracts.reference import Centre
from erp_node.customers import Actor, change_fields
from erp_node.imports import ImportReport, WrongFile, import_file
from erp_node.imports.load import BATCH
from erp_node.reference import put_all
from erp_node.store.customers import Held
from erp_node.store.pool import Pool, open_pool
from tests.databases import Database, Migrate
from tests.erp import NOON, Time, business, migrated, retail, store_customer, stored, words_held

HEADER = "kind,code,last_name,first_name,phone"


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.dsn, max_size=4)
    yield opened
    await opened.close()


@dataclass
class Importer:
    """Writes files and imports them."""

    pool: Pool
    folder: Path
    progress: list[int] = field(default_factory=list)

    @property
    def rejects(self) -> Path:
        return self.folder / "rejects.csv"

    async def bytes(self, content: bytes) -> ImportReport:
        path = self.folder / "customers.txt"
        path.write_bytes(content)
        return await import_file(
            self.pool,
            path,
            rejects_path=self.rejects,
            on_progress=self.progress.append,
            clock=Time(),
        )

    async def table(self, *lines: str, header: str = HEADER) -> ImportReport:
        return await self.bytes("\n".join((header, *lines)).encode() + b"\n")

    async def json(self, *objects: Any) -> ImportReport:
        return await self.bytes(b"".join(json.dumps(one).encode() + b"\n" for one in objects))

    def rejected(self) -> list[tuple[str, str, str]]:
        """Line, column and reason of every rejected row."""
        usual = csv.field_size_limit(1_000_000)
        with self.rejects.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        csv.field_size_limit(usual)
        assert header == ["line", "column", "reason", "row"]
        return [(line, column, reason) for line, column, reason, _ in rows]

    async def codes(self) -> list[str]:
        rows = await self.pool.fetch("SELECT record->>'code' AS code FROM customer ORDER BY 1")
        return [row["code"] for row in rows]

    async def one(self, code: str) -> tuple[UUID, Customer]:
        id = await self.pool.fetchval("SELECT id FROM customer WHERE record->>'code' = $1", code)
        return id, await stored(self.pool, id)


@pytest.fixture
def importer(pool: Pool, folder: Path) -> Importer:
    return Importer(pool, folder)


def report(
    created: int = 0, changed: int = 0, unchanged: int = 0, rejected: int = 0
) -> ImportReport:
    rows = created + changed + unchanged + rejected
    return ImportReport(rows, created, changed, unchanged, rejected)


async def everything(pool: Pool) -> list[str]:
    tables = ("customer", "customer_history", "feed_mark")
    return [
        str(row) for name in tables for row in await pool.fetch(f"SELECT * FROM {name} ORDER BY id")
    ]


def line(customer: Customer, **more: object) -> dict[str, object]:
    return {"record": json.loads(customer.model_dump_json(exclude_none=True)), **more}


async def test_json_lines_bring_whole_customers(importer: Importer, pool: Pool) -> None:
    id = uuid4()
    whole = retail(
        "A", town="Łódź", groups=["vip"], attributes={"colour": "red"},
        consents=[{"definition": "x", "state": "given"}],
        contacts=[{"id": str(uuid4()), "origin": "erp", "last_name": "Nowak"}],
    )  # fmt: skip
    done = await importer.json(
        line(
            whole, id=str(id), everywhere=False, centres=["C2", "C1"], editors=["C1"], active=False
        ),
        line(retail("B"), is_customer=False),
    )
    assert done == report(created=2)
    assert await stored(pool, id) == whole
    row = await pool.fetchrow("SELECT * FROM customer WHERE id = $1", id)
    assert row is not None
    assert (row["everywhere"], row["centres"], row["editors"]) == (False, ["C1", "C2"], ["C1"])
    assert (row["state"], row["is_customer"], row["version"]) == ("inactive", True, 1)
    assert await words_held(pool, id) == list(words_of(whole))
    other = await pool.fetchrow(
        "SELECT everywhere, state, is_customer FROM customer WHERE id <> $1", id
    )
    assert other is not None
    assert tuple(other) == (True, "active", False)
    making = await pool.fetchrow("SELECT changed_by, changed_where, at FROM customer_history")
    assert making is not None
    assert tuple(making) == ("import", "import", NOON)


async def test_json_lines_may_be_flat(importer: Importer) -> None:
    flat = {"kind": "retail", "code": "A", "last_name": "D", "first_name": "J", "everywhere": True}
    assert await importer.json(flat) == report(created=1)


async def test_a_table_brings_the_columns_it_has(importer: Importer) -> None:
    done = await importer.table(
        "retail,A,Dupont,Jean,0611,Lyon,69001,red,given,vip pro,j@d.fr,rue",
        "business,B,,,,,,,,,,",
        header="kind,code,last_name,first_name,phone,town,address.postal_code,attribute.colour,"
        "consent.news,groups,email,name",
    )
    assert done == report(created=1, rejected=1)
    assert importer.rejected() == [("3", "name", "this field is missing")]
    _, customer = await importer.one("A")
    assert customer.addresses[0].model_dump(exclude_none=True, exclude={"id"}) == {
        "type": "main", "town": "Lyon", "postal_code": "69001", "consents": []
    }  # fmt: skip
    assert (customer.phone, customer.groups, customer.attributes) == (
        "0611",
        ["vip", "pro"],
        {"colour": "red"},
    )
    assert [(one.definition, one.state) for one in customer.consents] == [("news", "given")]


@pytest.mark.parametrize("form", ["json", "table"])
async def test_importing_the_same_file_twice_changes_nothing(
    importer: Importer, pool: Pool, form: str
) -> None:
    async def load() -> ImportReport:
        if form == "json":
            return await importer.json(
                line(retail("A", town="Lyon"), centres=["C1"]),
                line(business("B", "SA"), active=False),
            )
        return await importer.table(
            "retail,A,Dupont,Jean,Lyon,red,given,C1",
            "retail,B,Durand,Jean,,,,",
            header="kind,code,last_name,first_name,town,attribute.colour,consent.news,centres",
        )

    assert await load() == report(created=2)
    before = await everything(pool)
    assert await load() == report(unchanged=2)
    assert await everything(pool) == before


async def test_sync_3_a_changed_row_leaves_history(importer: Importer, pool: Pool) -> None:
    await importer.table("retail,A,Dupont,Jean,1")
    assert await importer.table("retail,A,Durand,Jean,1") == report(changed=1)
    id, customer = await importer.one("A")
    assert customer == retail("A", "Durand", phone="1")
    assert await pool.fetchval("SELECT version FROM customer") == 2
    change = await pool.fetchrow(
        "SELECT * FROM customer_history WHERE customer_id = $1 AND path <> ''", id
    )
    assert change is not None
    assert (change["path"], change["old"], change["new"]) == ("last_name", '"Dupont"', '"Durand"')
    assert (change["version"], change["changed_where"]) == (2, "import")


async def test_a_table_leaves_other_fields_as_they_are(importer: Importer, pool: Pool) -> None:
    there = retail(
        "A", phone="1", email="a@b.fr", town="Lyon", street="rue", attributes={"size": "L", "colour": "red"},
        consents=[{"definition": "sms", "state": "refused"}],
    )  # fmt: skip
    id = await store_customer(pool, there, everywhere=False, centres=("C1",), editors=("C1",))
    done = await importer.table(
        "retail,a,Dupont,Jean,,Paris,,given",
        header="kind,code,last_name,first_name,phone,town,attribute.colour,consent.news",
    )
    assert done == report(changed=1)
    after = await stored(pool, id)
    assert (after.phone, after.email, after.attributes) == (None, "a@b.fr", {"size": "L"})
    assert after.addresses == [there.addresses[0].model_copy(update={"town": "Paris"})]
    assert [(one.definition, one.state) for one in after.consents] == [
        ("sms", "refused"),
        ("news", "given"),
    ]
    row = await pool.fetchrow("SELECT everywhere, centres, editors FROM customer")
    assert row is not None
    assert tuple(row) == (False, ["C1"], ["C1"])


async def test_a_whole_record_takes_the_place_of_the_other(importer: Importer, pool: Pool) -> None:
    id = await store_customer(pool, retail("A", phone="1"))
    assert await importer.json(line(retail("A", email="a@b.fr"))) == report(changed=1)
    assert await stored(pool, id) == retail("A", email="a@b.fr")


async def test_a_customer_is_known_by_its_id(importer: Importer, pool: Pool) -> None:
    id = await store_customer(pool, retail("A"))
    assert await importer.json(line(retail("B"), id=str(id))) == report(changed=1)
    assert (await stored(pool, id)).code == "B"


async def _rename(pool: Pool, id: UUID, code: str) -> None:
    def renamed(held: Held) -> Customer:
        return held.customer.model_copy(update={"code": code})

    await change_fields(pool, id, renamed, Actor("maria", NOON))


async def test_cust_3_a_code_that_became_free_is_somebody_new(
    importer: Importer, pool: Pool
) -> None:
    await importer.table("retail,M,Dupont,Jeanne,1")
    jeanne, _ = await importer.one("M")
    await _rename(pool, jeanne, "OLD-M")
    assert await importer.table("retail,m,Nowak,Jan,2", "retail,N,N,N,3") == report(created=2)
    renamed, there = await importer.one("OLD-M")
    assert (renamed, there.last_name, there.phone) == (jeanne, "Dupont", "1")
    jan, _ = await importer.one("m")
    before = await everything(pool)
    assert await importer.table("retail,m,Nowak,Jan,2", "retail,N,N,N,3") == report(unchanged=2)
    assert await everything(pool) == before
    await _rename(pool, jan, "OLDER-M")
    assert await importer.table("retail,M,Lis,Ewa,4") == report(created=1)
    assert await importer.codes() == ["M", "N", "OLD-M", "OLDER-M"]


async def test_cust_3_importing_a_file_again_does_not_undo_a_new_code(
    importer: Importer, pool: Pool
) -> None:
    await importer.table("retail,M,Dupont,Jeanne,1")
    id, _ = await importer.one("M")
    await _rename(pool, id, "OLD-M")
    assert await importer.json(line(retail("M"))) == report(created=1)
    assert (await stored(pool, id)).code == "OLD-M"


async def test_cust_3_two_imports_of_a_code_that_became_free_make_one_customer(
    importer: Importer, pool: Pool
) -> None:
    rows = [f"retail,M{n},Dupont,Jeanne,1" for n in range(20)]
    await importer.table(*rows)
    await pool.execute(
        "UPDATE customer SET record = record || jsonb_build_object('code', 'OLD-' || (record ->> 'code'))"
    )
    other = Importer(pool, importer.folder / "other")
    other.folder.mkdir()
    done = await asyncio.gather(importer.table(*rows), other.table(*reversed(rows)))
    assert sum(one.created for one in done) == 20
    assert sum(one.unchanged for one in done) == 20
    assert len(await importer.codes()) == 40


async def test_cust_3_codes_in_use_are_rejected(importer: Importer, pool: Pool) -> None:
    await store_customer(pool, retail("A"))
    done = await importer.json(
        line(retail("a"), id=str(uuid4())),
        line(retail("B")),
        line(retail("b", "Nowak")),
        line(retail("C"), id=str(uuid4())),
    )
    assert done == report(created=2, rejected=2)
    assert importer.rejected() == [
        ("1", "code", "code a is already used by another customer"),
        ("3", "code", "line 2 has the same code"),
    ]
    assert await importer.codes() == ["A", "B", "C"]


async def test_one_customer_twice_is_rejected(importer: Importer) -> None:
    id = str(uuid4())
    done = await importer.json(line(retail("A"), id=id), line(retail("B"), id=id))
    assert done == report(created=1, rejected=1)
    assert importer.rejected() == [("2", "id", "line 1 is about the same customer")]


@pytest.mark.parametrize("state", ["deleted", "anonymised"])
async def test_anon_4_an_import_does_not_bring_back_who_was_erased(
    importer: Importer, pool: Pool, state: str
) -> None:
    await importer.table("retail,A,Dupont,Jean,1")
    await pool.execute("UPDATE customer SET state = $1", state)
    before = await everything(pool)
    assert await importer.table("retail,A,Dupont,Jean,1") == report(rejected=1)
    assert await everything(pool) == before


async def test_bad_rows_are_named_and_good_ones_go_in(importer: Importer) -> None:
    done = await importer.table(
        "retail,A,Dupont,Jean,1",
        "alien,B,Dupont,Jean,1",
        "retail,,Dupont,Jean,1",
        "retail,D,Dupont,,1",
        f"retail,E,Dupont,Jean,{'1' * 61}",
        "retail,F,Dupont,Jean",
        "retail,G,Dupont,Jean,1,2",
        'retail,H,"Dup"ont,Jean,1',
        "retail,I,Dupont,Jean,1",
    )
    assert done == report(created=2, rejected=7)
    assert [(at, column) for at, column, _ in importer.rejected()] == [
        ("3", "kind"), ("4", "code"), ("5", "first_name"), ("6", "phone"), ("7", ""), ("8", ""), ("9", ""),
    ]  # fmt: skip
    reasons = [reason for _, _, reason in importer.rejected()]
    assert reasons[0] == "only these are possible: 'retail' or 'business'"
    assert reasons[1:3] == ["this field is missing"] * 2
    assert reasons[3] == "at most 60 characters are allowed"
    assert reasons[4] == "there are 4 cells, 5 are expected"
    assert await importer.codes() == ["A", "I"]


async def test_cust_2_cust_3_rows_with_what_nobody_sees_are_rejected(importer: Importer) -> None:
    rows = ("retail,AB,Dupont,Jeanne,1", "retail,A\u200bB,D,J,1", "retail,C,\u200b,J,1")
    assert await importer.table(*rows) == report(created=1, rejected=2)
    assert importer.rejected() == [
        ("3", "code", "the code contains signs that cannot be seen"),
        ("4", "last_name", "this field is missing"),
    ]


async def test_the_rejected_row_stands_in_the_rejects_file(importer: Importer) -> None:
    await importer.table('retail,A,"Du""pont, dit\nle Grand",Jean,' + "1" * 61)
    with importer.rejects.open(encoding="utf-8", newline="") as file:
        _, row = csv.reader(file)
    assert row[3] == 'retail,A,"Du""pont, dit\nle Grand",Jean,' + "1" * 61


async def test_addr_1_a_row_with_two_main_addresses_is_rejected(importer: Importer) -> None:
    mains = [{"id": str(uuid4()), "town": town} for town in ("Lyon", "Paris")]
    await importer.json({"kind": "business", "code": "A", "name": "A", "addresses": mains})
    ((_, column, reason),) = importer.rejected()
    assert column == "addresses.1.type"
    assert "one main address" in reason


async def test_reasons_are_the_texts_of_the_api(importer: Importer) -> None:
    born = {"birth_date": "31/01/1980", "reverse_charge": "perhaps"}
    twice = {"consents": [{"definition": "news", "state": "given"}] * 2}
    address = {"addresses": [{"id": str(uuid4()), "twon": "Lyon"}]}
    await importer.json(
        *({"kind": "retail", "code": "A", **more} for more in (born, twice, address)),
        {**line(retail("B")), "id": 7, "active": None, "shoe": 1},
    )
    assert importer.rejected() == [
        (
            "1", "birth_date, reverse_charge",
            "birth_date: a date is expected, as 2026-01-31;"
            " reverse_charge: yes or no (true, false) is expected",
        ),
        ("2", "consents", "two of these have the same definition"),
        ("3", "addresses.0.twon", "there is no such field"),
        (
            "4", "id, shoe",
            "id: an identifier (UUID) is expected; shoe: there is no such field",
        ),
    ]  # fmt: skip


async def test_several_faults_of_a_row_are_all_named(importer: Importer) -> None:
    await importer.json(
        {"record": {"kind": "retail", "code": "A", "email": "nobody", "country_code": "Fr"}}
    )
    ((_, column, reason),) = importer.rejected()
    assert column == "email, country_code"
    form = "this does not have the expected form, for instance"
    assert reason == (f"email: {form} anna@example.com; country_code: {form} FR")


async def test_columns_of_parts_are_named_as_in_the_file(importer: Importer) -> None:
    done = await importer.table(
        "retail,A,D,J,France,maybe", "retail,B,D,J,FR,given",
        header="kind,code,last_name,first_name,address.country,consent.news",
    )  # fmt: skip
    assert done == report(created=1, rejected=1)
    assert importer.rejected()[0][1] == "consent.news, address.country"


async def test_bad_json_lines_are_named(importer: Importer) -> None:
    good = json.dumps(line(retail("A"))).encode()
    done = await importer.bytes(
        b"\n".join([
            good,
            b'{"record": {',
            b"",
            b"[1]",
            good.replace(b'"A"', b'"B"').replace(b"Dupont", b"Dup\xe9"),
            json.dumps(line(retail("C"), colour="red")).encode(),
            json.dumps({"kind": "retail", "code": "D", "last_name": "D", "first_name": "J", "shoe": 1}).encode(),
            good.replace(b'"A"', b'"E"').replace(b"Dupont", b"Du\\u0000t"),
            b'{"record": 7}',
            good.replace(b'"A"', b'"F"'),
        ])
    )  # fmt: skip
    assert done == report(created=2, rejected=7)
    assert [(at, column) for at, column, _ in importer.rejected()] == [
        ("2", ""), ("4", ""), ("5", ""), ("6", "colour"), ("7", "shoe"), ("8", "last_name"), ("9", ""),
    ]  # fmt: skip
    assert importer.rejected()[2][2] == "this is not valid UTF-8 text"


async def test_one_line_in_another_encoding_is_named_with_its_column(importer: Importer) -> None:
    content = (
        f"{HEADER}\nretail,A,Dupont,Zoé,1\n".encode()
        + b"retail,B,Lef\xe8vre,Jean,1\nretail,C,D,J,1\n"
    )
    assert await importer.bytes(content) == report(created=2, rejected=1)
    assert importer.rejected() == [("3", "last_name", "this is not valid UTF-8 text")]


async def test_marks_line_ends_semicolons_and_quotes(importer: Importer) -> None:
    content = (
        '\ufeff"kind";"code";last_name;first_name;phone\r\n'
        'retail;A;"Dupont; dit ""le Grand""";Jean;"1\r\n2"\r\n'
        "\r\n"
        "retail;B;Dupont;Jean;\r\n"
    )
    assert await importer.bytes(content.encode()) == report(created=2)
    _, customer = await importer.one("A")
    assert (customer.last_name, customer.phone) == ('Dupont; dit "le Grand"', "1\n2")


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
async def test_a_table_whose_cells_are_all_quoted_is_read_whatever_stands_between(
    importer: Importer, sign: str
) -> None:
    rows = (HEADER.split(","), ["retail", "A", "Dupont, Lyon; sud", "Jean", "1"])
    text = "\n".join(sign.join(f'"{cell}"' for cell in row) for row in rows)
    assert await importer.bytes(text.encode()) == report(created=1)
    assert (await importer.one("A"))[1].last_name == "Dupont, Lyon; sud"


async def test_a_quote_that_is_never_closed_costs_one_row(importer: Importer) -> None:
    rows = [f"retail,B{n},Dupont,Jean,1" for n in range(40)]
    done = await importer.table('retail,A,"Dupont,Jean,1', *rows)
    assert done == report(created=40, rejected=1)
    assert importer.rejected() == [("2", "", "a quote is not closed")]


WITH_TEXT = "kind,code,name,description"
GHOST = "business,GHOST,Nobody,"
AFTER = "business,B,Acme,"


async def test_cust_11_a_description_may_have_many_lines(importer: Importer) -> None:
    text = "\n".join([*(f"{n}" for n in range(25)), GHOST, 'said ""yes""', "", GHOST])
    done = await importer.table(f'business,A,Acme,"{text}"', AFTER, header=WITH_TEXT)
    assert done == report(created=2)
    assert (await importer.one("A"))[1].description == text.replace('""', '"')
    assert await importer.codes() == ["A", "B"]


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        (["x" * 8_001, GHOST], "at most 8000 characters are allowed"),
        (["x" * 140_000, GHOST], "a cell is longer than 131072 signs"),
        (["x", *["x" * 300_000, GHOST] * 2], "the row is longer than 524288 bytes"),
        (["x", GHOST, "x" * 600_000, GHOST], "the line is longer than 524288 bytes"),
        (["x" * 600_000, GHOST], "the line is longer than 524288 bytes"),
        (["x", GHOST, 'he said "yes" to'], "this is not CSV: ',' expected after '\"'"),
    ],
)
async def test_lines_of_a_cell_that_cannot_be_taken_are_no_rows(
    importer: Importer, cell: list[str], why: str
) -> None:
    text = "\n".join(cell)
    done = await importer.table(f'business,A,Acme,"{text}"', AFTER, header=WITH_TEXT)
    assert done == report(created=1, rejected=1)
    assert await importer.codes() == ["B"]
    ((at, _, reason),) = importer.rejected()
    assert (at, reason) == ("2", f"{why}; lines 2 to {1 + len(cell)} are left out")


async def test_a_quote_that_is_never_closed_costs_one_row_however_much_follows(
    importer: Importer,
) -> None:
    rows = [f"business,B{n},Acme,{'x' * 4_000}" for n in range(200)]
    done = await importer.table('business,A,Acme,"x', *rows, header=WITH_TEXT)
    assert done == report(created=200, rejected=1)
    assert importer.rejected() == [("2", "", "a quote is not closed")]
    assert importer.progress[-1] == (importer.folder / "customers.txt").stat().st_size


async def test_a_line_without_end_costs_one_row(importer: Importer) -> None:
    done = await importer.table(f"retail,A,{'x' * 600_000},Jean,1", "retail,B,Dupont,Jean,1")
    assert done == report(created=1, rejected=1)
    assert importer.rejected()[0][0] == "2"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\n \n", "empty lines"),
        (
            b"kind,code,shoe_size\n",
            "line 1: there is no column shoe_size; there are kind, code, academic_title, ",
        ),
        (b"kind,code,addresses\n", "there is no column addresses"),
        (b"kind,code,\n", "there is no column without a name"),
        (b"kind,last_name\n", "column code is missing"),
        (b"code,name\nA,B\n", "column kind is missing"),
        (b"kind,code,town,address.town\n", "column address.town is there twice"),
        (b'[{"kind": "retail"}]', "one object per line"),
        ("kind,code".encode("utf-16"), "UTF-16"),
        (b"\x89PNG\r\n\x1a\n\x00", "not UTF-8"),
    ],
)
async def test_a_file_that_cannot_be_imported_is_refused_at_once(
    importer: Importer, content: bytes, why: str
) -> None:
    with pytest.raises(WrongFile, match=why):
        await importer.bytes(content)
    assert not importer.rejects.exists()


async def test_a_header_alone_is_no_row(importer: Importer) -> None:
    assert await importer.table() == report()


async def test_rejects_of_an_earlier_import_are_taken_away(importer: Importer) -> None:
    await importer.table("alien,A,Dupont,Jean,1")
    assert importer.rejects.exists()
    await importer.table("retail,A,Dupont,Jean,1")
    assert not importer.rejects.exists()


async def test_the_rejects_never_replace_the_file(importer: Importer, pool: Pool) -> None:
    path = importer.folder / "customers.csv"
    path.write_text(f"{HEADER}\n")
    with pytest.raises(WrongFile):
        await import_file(pool, path, rejects_path=path)
    assert path.read_text() == f"{HEADER}\n"


async def test_a_row_the_database_refuses_does_not_keep_others_out(
    importer: Importer, pool: Pool
) -> None:
    await pool.execute("ALTER TABLE customer ADD CHECK (record ->> 'code' <> 'POISON')")
    done = await importer.table(
        "retail,A,Dupont,Jean,1", "retail,POISON,Dupont,Jean,1", "retail,B,Dupont,Jean,1"
    )
    assert done == report(created=2, rejected=1)
    ((at, _, reason),) = importer.rejected()
    assert at == "3"
    assert "cannot be stored" in reason


async def test_many_rows_come_in_batches_with_progress(importer: Importer, pool: Pool) -> None:
    count = 2 * BATCH + 500
    done = await importer.table(*(f"retail,C{n},Dupont,Jean,1" for n in range(count)))
    assert done == report(created=count)
    size = (importer.folder / "customers.txt").stat().st_size
    assert len(importer.progress) == 3
    assert importer.progress == sorted(importer.progress)
    assert importer.progress[-1] == size
    again = await importer.table(
        *(f"retail,C{n},Dupont,Jean,1" for n in range(count)), "retail,C7,D,J,1"
    )
    assert again == report(unchanged=count, rejected=1)
    assert importer.rejected()[0][2] == "line 9 has the same code"
    assert (
        await pool.fetchval("SELECT reltuples FROM pg_class WHERE oid = 'customer_words'::regclass")
        == count
    )


async def test_sync_1_rows_for_a_centre_that_is_not_there_are_rejected_once_centres_are_known(
    importer: Importer, pool: Pool
) -> None:
    async def load() -> ImportReport:
        return await importer.json(
            line(retail("A"), centres=["lyon", "lion"]),
            line(retail("B"), centres=["lyon"], editors=["Lyon"]),
            line(retail("C"), centres=["lyon"]),
            line(retail("D")),
        )

    await put_all(pool, [Centre(code="lyon")])
    assert await load() == report(created=2, rejected=2)
    assert importer.rejected() == [
        ("1", "centres", "there is no centre lion"),
        ("2", "editors", "there is no centre Lyon"),
    ]
    await pool.execute("UPDATE reference SET state = 'deleted'")
    assert await load() == report(created=2, unchanged=2)
