"""`comptoir erp load-reference`: what goes in, and what is refused with line and field (RIGHTS and SETTINGS)."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.reference import Centre, Operator
from erp_node.reference import list_of, put_all
from erp_node.reference_file import WrongLine, load_reference, read_lines
from erp_node.store.pool import Pool, open_pool
from ops.process import run_command
from tests.databases import Database, Migrate
from tests.erp import migrated
from web.passwords import hash_password, is_hash

LYON = {"kind": "centre", "code": "lyon", "country": "FR"}
ANNA = {"kind": "operator", "code": "anna", "name": "Anna", "password_hash": "", "centres": []}


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> Any:
    opened = await open_pool(database.dsn, max_size=2)
    yield opened
    await opened.close()


def lines(*rows: dict[str, Any]) -> list[str]:
    return [json.dumps(row) for row in rows]


def setting(level: str, name: str, value: object, code: str | None = None) -> dict[str, object]:
    code = code or f"{level}/{name}"
    return {"kind": "setting", "code": code, "level": level, "name": name, "value": value}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({**LYON, "contry": "FR"}, "contry", "centre has no such field, only code, labels"),
    ({**LYON, "country": "fr"}, "country", "two capital letters"),
    ({**LYON, "code": "lyon est"}, "code", "only letters"),
    ({**ANNA, "code": "an na"}, "code", "only letters"),
    ({**ANNA, "password_hash": "secret"}, "password_hash", "no argon2id hash"),
    ({**ANNA, "password_hash": "$2b$12$abc"}, "password_hash", "no argon2id hash"),
    ({**ANNA, "rights": ["fly"]}, "rights.0", "Input should be"),
    ({"kind": "shop", "code": "x"}, "line", "does not match any of the expected tags"),
    (setting("all", "serch_online", True), "serch_online", "there is no such setting"),
    (setting("all", "search_deadline_s", 90), "search_deadline_s", "less than or equal to 60"),
    (setting("all", "language", "en", code="language"), "code", "must be all/language"),
    (setting("shop.x", "language", "en"), "level", "is not all, centre.C or pos.P"),
]


@pytest.mark.parametrize(("row", "field", "reason"), WRONG)
def test_what_cannot_be_right_is_refused_with_its_line_and_field(
    row: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(WrongLine) as said:
        list(read_lines([*lines(LYON | {"code": "krakow"}), "", *lines(row)]))
    assert str(said.value).startswith(f"line 3: {field}: ")
    assert reason in str(said.value)
    assert "secret" not in str(said.value)


def test_a_line_that_is_no_json_and_one_that_is_there_twice_are_named() -> None:
    with pytest.raises(WrongLine, match=r"^line 1: line: Invalid JSON"):
        list(read_lines(["kind: centre"]))
    with pytest.raises(WrongLine, match=r"^line 3: code: centre/lyon stands in line 1 already$"):
        list(read_lines([*lines(LYON), "", *lines(LYON)]))


def test_a_hash_of_ours_is_one_and_its_beginning_is_none() -> None:
    whole = hash_password("a good password")
    assert is_hash(whole)
    assert not is_hash(whole.rpartition("$")[0])
    assert not is_hash(whole.replace("argon2id", "argon2i"))


async def test_operators_and_settings_are_of_centres_that_the_file_or_the_erp_defines(
    pool: Pool,
) -> None:
    await put_all(pool, [Centre(code="krakow")])
    anna = {**ANNA, "centres": ["krakow", "lyon"]}
    with pytest.raises(WrongLine, match=r"^line 1: centres: there is no centre lyon$"):
        await load_reference(pool, lines(anna))
    with pytest.raises(WrongLine, match=r"^line 2: level: there is no centre paris$"):
        await load_reference(pool, lines(LYON, setting("centre.paris", "language", "fr")))
    assert [one.code for one in await list_of(pool, "centre")] == ["krakow"]
    assert await load_reference(pool, lines(anna, LYON)) == 2
    (stored,) = await list_of(pool, "operator")
    assert isinstance(stored, Operator)
    assert stored.centres == ["krakow", "lyon"]


async def test_a_wrong_line_is_one_line_of_the_command(database: Database, folder: Path) -> None:
    file = folder / "stores.jsonl"
    file.write_text("\n".join(lines(LYON, {**ANNA, "centers": ["lyon"]})))
    environment = {
        "COMPTOIR_ERP_DSN": database.dsn,
        "COMPTOIR_AMQP_URL": "amqp://erp:x@127.0.0.1:1/x",
    }
    code, out, err = await run_command(["erp", "load-reference", str(file)], environment)
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("comptoir erp: line 2: centers: operator has no such field, only code, ")
