"""Settings, reference data and operators over the ERP's API, on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from contracts.reference import Operator
from contracts.settings import Settings
from erp_node import reference
from tests.databases import Database, Migrate
from tests.integration.erp_api import CHEAP, Api, erp_api, migrate_erp


@pytest.fixture
def migrate() -> Migrate:
    return migrate_erp


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    async with erp_api(database.dsn) as opened:
        yield opened


async def test_search_1_a_switch_is_set_at_a_level_and_holds_at_its_tills(api: Api) -> None:
    await api.pool.execute(
        "INSERT INTO till (pos_id, centre, partition, password_hash) VALUES ('lyon-1', 'lyon', 0, '')"
    )
    assert (await api.get("/tills/lyon-1/settings"))["search_online"] is True
    await api.send("PUT", "/settings/centre.lyon", {"search_online": False})
    shown = await api.send("PUT", "/settings/all", {"language": "fr", "search_deadline_s": 5})
    assert shown == {"level": "all", "values": {"language": "fr", "search_deadline_s": 5}}
    there = await api.get("/tills/lyon-1/settings")
    assert (there["search_online"], there["language"], there["search_deadline_s"]) == (
        False,
        "fr",
        5,
    )
    cleared = await api.send("PUT", "/settings/centre.lyon", {"search_online": None})
    assert cleared["values"] == {}
    assert (await api.get("/tills/lyon-1/settings"))["search_online"] is True
    assert (await api.get("/tills/nowhere/settings", status=404))["code"] == "till.unknown"


@pytest.mark.parametrize(
    ("level", "values", "code", "field"),
    [
        ("all", {"search_onlin": True}, "setting.unknown", "search_onlin"),
        ("all", {"search_onlin": None}, "setting.unknown", "search_onlin"),
        ("all", {"search_deadline_s": -1}, "setting.wrong", "search_deadline_s"),
        ("all", {"language": "pl"}, "setting.wrong", "language"),
        ("centre", {"language": "fr"}, "setting.wrong_level", "level"),
        ("pos.LYON", {"language": "fr"}, "setting.wrong_level", "level"),
    ],
)
async def test_a_wrong_setting_is_named_and_nothing_is_set(
    api: Api, level: str, values: dict[str, object], code: str, field: str
) -> None:
    body = {"lowest_price_retail": True, **values}
    problem = await api.send("PUT", f"/settings/{level}", body, status=422)
    assert (problem["code"], problem["fields"][0]["name"]) == (code, field)
    assert problem["text"] != code
    assert await reference.list_of(api.pool, "setting") == []


@pytest.mark.parametrize(
    ("name", "value", "choices"),
    [
        ("search_deadline_s", 61, "0 < … ≤ 60"),
        ("lockout_attempts", 0, "1 ≤ … ≤ 100"),
        ("language", "pl", "en, fr"),
        ("search_online", "perhaps", "true, false"),
        ("code_series", "a b", "[A-Za-z0-9_-]{0,20}"),
    ],
)
async def test_a_wrong_setting_says_what_is_possible(
    api: Api, name: str, value: object, choices: str
) -> None:
    problem = await api.send("PUT", "/settings/all", {name: value}, status=422)
    assert problem["params"] == {"field": name, "choices": choices}
    assert problem["text"] == f"Setting {name} cannot have this value. Possible: {choices}"


def test_every_setting_says_what_is_possible() -> None:
    assert all(reference._choices(name) for name in Settings.model_fields)


async def test_a_list_entry_is_put_read_and_taken_away(api: Api) -> None:
    record = {
        "kind": "choice",
        "code": "title/mr",
        "list": "title",
        "labels": {"en": "Mr", "fr": "M."},
        "position": 1,
    }
    assert await api.send("PUT", "/reference/choice/title/mr", record) == record
    assert await api.get("/reference/choice/title/mr") == record
    assert await api.get("/reference/choice") == {"rows": [record]}
    await api.send("DELETE", "/reference/choice/title/mr", status=204)
    problem = await api.send("DELETE", "/reference/choice/title/mr", status=404)
    assert problem["code"] == "reference.unknown"
    assert await api.get("/reference/choice") == {"rows": []}


async def test_a_record_must_be_what_its_address_says(api: Api) -> None:
    record = {"kind": "centre", "code": "lyon"}
    problem = await api.send("PUT", "/reference/centre/paris", record, status=422)
    assert problem["fields"][0]["name"] == "code"
    problem = await api.send("PUT", "/reference/centre/lyon", {"kind": "shop"}, status=422)
    assert [(one["name"], one["code"]) for one in problem["fields"]] == [
        ("kind", "request.no_choice")
    ]
    unknown = await api.get("/reference/shop", status=404)
    assert unknown["code"] == "reference.unknown_kind"
    unknown = await api.send("PUT", "/reference/shop/lyon", {}, status=404)
    assert (unknown["code"], unknown["fields"][0]["name"]) == ("reference.unknown_kind", "kind")
    problem = await api.send("PUT", "/reference/operator/a/b", {"name": "A"}, status=422)
    assert problem["fields"][0]["name"] == "code"


async def test_kind_and_code_of_a_record_come_from_its_address(api: Api) -> None:
    for body in ({}, {"code": "paris"}, {"kind": "centre"}):
        put = await api.send("PUT", "/reference/centre/paris", body)
        assert (put["kind"], put["code"]) == ("centre", "paris")
    problem = await api.send("PUT", "/reference/card_type/gold", {}, status=422)
    assert [(one["name"], one["code"]) for one in problem["fields"]] == [
        ("form", "request.field_missing")
    ]
    answer = await api.http.put("/reference/centre/paris", content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (415, "request.no_json_type")
    assert (await api.send("PUT", "/reference/centre/paris", [], status=422))["fields"][0][
        "code"
    ] == "request.no_object"


async def test_a_mistyped_field_of_a_record_is_refused_by_name(api: Api) -> None:
    body = {"labels": {"en": "Paris"}, "contry": "FR"}
    problem = await api.send("PUT", "/reference/centre/paris", body, status=422)
    assert [(one["name"], one["code"]) for one in problem["fields"]] == [
        ("contry", "request.field_unknown")
    ]
    assert await reference.list_of(api.pool, "centre") == []


async def test_card_3_a_card_requires_fields_that_customers_have(api: Api) -> None:
    wanted = {"form": "physical", "required_fields": ["phone", "shoe_size"]}
    problem = await api.send("PUT", "/reference/card_type/gold", wanted, status=422)
    assert [(one["name"], one["code"]) for one in problem["fields"]] == [
        ("required_fields.1", "request.no_choice")
    ]


async def test_rights_an_operator_gets_a_password_that_is_never_shown(api: Api) -> None:
    wanted = {
        "name": "Marie",
        "centres": ["lyon"],
        "rights": ["customer.edit"],
        "password": "secret word",
    }
    put = await api.send("PUT", "/reference/operator/marie", wanted)
    assert put == {
        "kind": "operator",
        "code": "marie",
        "name": "Marie",
        "centres": ["lyon"],
        "rights": ["customer.edit"],
        "active": True,
    }
    assert await api.get("/reference/operator") == {"rows": [put]}
    stored = await reference.find(api.pool, "operator/marie")
    assert isinstance(stored, Operator)
    assert (await CHEAP.check(stored.password_hash, "secret word")).right


async def test_an_operators_password_has_eight_signs_at_least(api: Api) -> None:
    path = "/reference/operator/marie"
    problem = await api.send("PUT", path, {"name": "Marie", "password": "1234567"}, status=422)
    (field,) = problem["fields"]
    assert (field["name"], field["code"]) == ("password", "request.too_short")
    assert field["params"] == {"limit": "8"}
    await api.send("PUT", path, {"name": "Marie", "password": "12345678"})


async def test_rights_an_operator_keeps_the_password_when_other_things_change(api: Api) -> None:
    path = "/reference/operator/marie"
    problem = await api.send("PUT", path, {"name": "Marie"}, status=422)
    assert [(one["name"], one["code"]) for one in problem["fields"]] == [
        ("password", "request.field_missing")
    ]
    await api.send("PUT", path, {"name": "Marie", "password": "secret word"})
    await api.send("PUT", path, {"name": "Marie D.", "active": False})
    stored = await reference.find(api.pool, "operator/marie")
    assert isinstance(stored, Operator)
    assert (stored.name, stored.active) == ("Marie D.", False)
    assert (await CHEAP.check(stored.password_hash, "secret word")).right


async def test_an_unknown_right_of_an_operator_is_refused(api: Api) -> None:
    wanted = {"name": "Marie", "password": "secret word", "rights": ["everything"]}
    problem = await api.send("PUT", "/reference/operator/marie", wanted, status=422)
    assert problem["fields"][0]["name"] == "rights.0"


REFUSES = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON reference
FOR EACH ROW WHEN (NEW.state = 'deleted') EXECUTE FUNCTION refuse();"""


async def test_switches_are_set_and_taken_away_together_or_not_at_all(api: Api) -> None:
    await api.send("PUT", "/settings/all", {"language": "fr"})
    await api.pool.execute(REFUSES)
    both = {"search_online": False, "language": None}
    await api.send("PUT", "/settings/all", both, status=503)
    assert (await api.get("/settings/all"))["values"] == {"language": "fr"}


async def test_rights_an_operator_changed_meanwhile_keeps_the_newer_password(api: Api) -> None:
    wanted = {"name": "Ola", "centres": ["lyon"]}
    await api.send("PUT", "/reference/operator/ola", {**wanted, "password": "first word"})
    async with api.pool.acquire() as other:
        async with other.transaction():
            await other.execute(
                """UPDATE reference SET record = record || '{"password_hash": "newer"}'"""
                " WHERE key = 'operator/ola'"
            )
            editing = asyncio.create_task(
                api.send("PUT", "/reference/operator/ola", {**wanted, "name": "Ola K."})
            )
            await _someone_waits(api)
        await editing
    stored = await reference.find(api.pool, "operator/ola")
    assert isinstance(stored, Operator)
    assert (stored.name, stored.password_hash) == ("Ola K.", "newer")


async def _someone_waits(api: Api) -> None:
    """Until a statement waits for a lock."""
    waiting = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )
    async with asyncio.timeout(20):
        while not await api.pool.fetchval(waiting):
            pass
