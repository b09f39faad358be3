"""A centre that there is not is refused wherever one is named; one in use stays. On PostgreSQL."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from erp_node.tills import WrongTill, enrol_till
from messaging.admin import Admin
from messaging.channel import Channel
from tests.databases import Database, Migrate
from tests.erp import enrol
from tests.integration.erp_api import Api, erp_api, migrate_erp

RECORD = {"kind": "retail", "code": "DUP-1", "first_name": "Jeanne", "last_name": "Dupont"}


@pytest.fixture
def migrate() -> Migrate:
    return migrate_erp


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    """The ERP knows lyon and krakow; paris was taken away; lyon-1 is enrolled, old-1 retired."""
    async with erp_api(database.dsn) as opened:
        for code in ("lyon", "krakow", "paris"):
            await opened.send("PUT", f"/reference/centre/{code}", {"kind": "centre", "code": code})
        await opened.send("DELETE", "/reference/centre/paris", status=204)
        await enrol(opened.pool, "lyon-1", "lyon")
        await enrol(opened.pool, "old-1", "lyon")
        await opened.pool.execute("UPDATE till SET active = false WHERE pos_id = 'old-1'")
        yield opened


async def _refused(api: Api, method: str, path: str, body: object, **headers: str) -> Any:
    problem = await api.send(method, path, body, status=422, **headers)
    (fault,) = problem["fields"]
    assert (fault["code"], fault["text"]) == (problem["code"], problem["text"])
    return problem["code"], fault["name"], problem["params"].get("centre"), problem["text"]


@pytest.mark.parametrize(
    ("placing", "field", "centre"),
    [
        ({"centres": ["lyon", "lion"]}, "centres.1", "lion"),
        ({"centres": ["paris"]}, "centres.0", "paris"),
        ({"centres": ["lyon"], "editors": ["Lyon"]}, "editors.0", "Lyon"),
    ],
)
async def test_sync_1_a_customer_for_a_centre_that_is_not_there_is_refused(
    api: Api, placing: dict[str, list[str]], field: str, centre: str
) -> None:
    expected = ("request.centre_unknown", field, centre)
    found = await _refused(api, "POST", "/customers", {"record": RECORD, **placing})
    assert found[:3] == expected
    assert found[3] == f"There is no centre {centre}"
    assert await api.pool.fetchval("SELECT count(*) FROM customer") == 0
    made = await api.send("POST", "/customers", {"record": RECORD, "centres": ["lyon"]}, status=201)
    path = f"/customers/{made['id']}/availability"
    french = await _refused(
        api, "PUT", path, {"everywhere": False, **placing}, Accept_Language="fr"
    )
    assert french == (*expected, f"Le centre {centre} n’existe pas")
    assert (await api.get(f"/customers/{made['id']}"))["availability"]["centres"] == ["lyon"]


async def test_rights_a_setting_or_an_operator_of_a_centre_that_is_not_there_is_refused(
    api: Api,
) -> None:
    unknown = "request.centre_unknown"
    switch = {"language": "fr"}
    found = await _refused(api, "PUT", "/settings/centre.lion", switch)
    assert found[:3] == (unknown, "level", "lion")
    row = {
        "kind": "setting", "code": "centre.lion/language", "level": "centre.lion",
        "name": "language", "value": "fr",
    }  # fmt: skip
    found = await _refused(api, "PUT", "/reference/setting/centre.lion/language", row)
    assert found[:3] == (unknown, "level", "lion")
    marie = {"name": "Marie", "password": "secret word", "centres": ["lyon", "lion"]}
    found = await _refused(api, "PUT", "/reference/operator/marie", marie)
    assert found[:3] == (unknown, "centres.1", "lion")
    assert (await api.get("/reference/setting"))["rows"] == []
    assert (await api.get("/reference/operator"))["rows"] == []
    await api.send("PUT", "/settings/centre.lyon", switch)
    await api.send("PUT", "/settings/centre.lion", {"language": None})


@pytest.mark.parametrize("till", ["lyon-2", "old-1"])
async def test_a_switch_of_a_till_that_is_not_enrolled_is_refused(api: Api, till: str) -> None:
    path, switch = f"/settings/pos.{till}", {"language": "fr"}
    code, field, _, text = await _refused(api, "PUT", path, switch)
    assert (code, field) == ("setting.unknown_till", "level")
    assert text == f"No till {till} is enrolled"
    await api.send("PUT", path, {"language": None})
    await api.send("PUT", "/settings/pos.lyon-1", switch)


class _NoBroker(Admin):
    """Must not be reached."""

    def __init__(self) -> None:
        pass


async def test_a_till_in_a_centre_that_is_not_there_is_not_enrolled(api: Api) -> None:
    channel: Channel = None  # type: ignore[assignment]
    with pytest.raises(WrongTill, match="centre: there is no centre lion") as wrong:
        await enrol_till(api.pool, _NoBroker(), channel, "lion-1", "lion")
    assert (wrong.value.code, wrong.value.field) == ("request.centre_unknown", "centre")
    assert wrong.value.params == {"centre": "lion"}
    assert await api.pool.fetchval("SELECT count(*) FROM till WHERE pos_id = 'lion-1'") == 0


async def test_while_no_centre_is_known_any_may_be_named(database: Database) -> None:
    async with erp_api(database.dsn) as api:
        new = {"record": RECORD, "centres": ["lion"], "editors": ["lion"]}
        await api.send("POST", "/customers", new, status=201)
        await api.send("PUT", "/settings/centre.lion", {"language": "fr"})
        marie = {"name": "Marie", "password": "secret word", "centres": ["lion"]}
        await api.send("PUT", "/reference/operator/marie", marie)


async def test_a_centre_with_tills_or_customers_stays_and_says_how_many(api: Api) -> None:
    for number, centres in enumerate((["lyon"], ["lyon", "krakow"], [], ["lyon"])):
        new = {"record": {**RECORD, "code": f"D-{number}"}, "centres": centres}
        await api.send("POST", "/customers", new, status=201)
    await api.pool.execute("UPDATE customer SET state = 'inactive' WHERE code_key = 'd-0'")
    await api.pool.execute("UPDATE customer SET state = 'deleted' WHERE code_key = 'd-3'")
    problem = await api.send("DELETE", "/reference/centre/lyon", status=409)
    assert problem["code"] == "reference.centre_in_use"
    assert problem["params"] == {"tills": "1", "customers": "2"}
    assert "enrolled in it: 1. Customers available there: 2." in problem["text"]
    problem = await api.send("DELETE", "/reference/centre/krakow", status=409)
    assert problem["params"] == {"tills": "0", "customers": "1"}
    assert {one["code"] for one in (await api.get("/reference/centre"))["rows"]} == {
        "lyon",
        "krakow",
    }
    await api.pool.execute("UPDATE till SET active = false")
    await api.pool.execute("UPDATE customer SET centres = '{krakow}'")
    await api.send("DELETE", "/reference/centre/lyon", status=204)
    await api.send("DELETE", "/reference/centre/lyon", status=404)
