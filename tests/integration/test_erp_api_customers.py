"""Customers over the ERP's API, on PostgreSQL."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from erp_node.operators import RIGHTS
from erp_node.store import listing
from tests.databases import Database, Migrate
from tests.integration.erp_api import Api, erp_api, migrate_erp

Json = dict[str, Any]


@pytest.fixture
def migrate() -> Migrate:
    return migrate_erp


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    async with erp_api(database.dsn) as opened:
        yield opened


def _record(code: str = "DUP-1", **fields: object) -> Json:
    names = {"kind": "retail", "code": code, "first_name": "Jeanne", "last_name": "Dupont"}
    return {**names, **fields}


async def _make(api: Api, code: str = "DUP-1", **fields: object) -> Json:
    made: Json = await api.send(
        "POST", "/customers", {"record": _record(code, **fields)}, status=201
    )
    return made


async def test_a_customer_is_made_and_read_with_version_and_availability(api: Api) -> None:
    new = {"record": _record(phone="+33 1"), "centres": ["lyon", "gdansk"], "editors": ["lyon"]}
    answer = await api.http.post("/customers", json=new)
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Location"] == f"/api/v1/customers/{made['id']}"
    read = await api.get(f"/customers/{made['id']}")
    assert read == made
    assert (read["version"], read["state"], read["is_customer"]) == (1, "active", True)
    assert read["availability"] == {
        "everywhere": False,
        "centres": ["gdansk", "lyon"],
        "editors": ["lyon"],
    }
    assert read["record"]["phone"] == "+33 1"
    assert read["name"] == "Dupont Jeanne"


async def test_without_centres_a_customer_is_available_everywhere(api: Api) -> None:
    assert (await _make(api))["availability"]["everywhere"] is True


async def test_cust_2_a_missing_field_is_named_and_nothing_is_saved(api: Api) -> None:
    record = {"kind": "business", "code": "B-1"}
    problem = await api.send("POST", "/customers", {"record": record}, status=422)
    assert problem["code"] == "customer.field_required"
    assert [one["name"] for one in problem["fields"]] == ["name"]
    assert await api.pool.fetchval("SELECT count(*) FROM customer") == 0


async def test_cust_2_cust_3_what_nobody_sees_is_refused_with_its_field(api: Api) -> None:
    await _make(api, "AB")
    path = f"/customers/{(await _make(api, 'C'))['id']}"
    unseen = {"code": "a\u200bb"}, {"last_name": "\u200b\u2060"}, {"code": "\u00ad"}
    for fields in unseen:
        [name] = fields
        made = await api.send("POST", "/customers", {"record": _record(**fields)}, status=422)
        assert [one["name"] for one in made["fields"]] == [name]
        edited = await api.send("PATCH", path, fields, status=422)
        assert [one["name"] for one in edited["fields"]] == [name]
        assert edited["code"] == made["code"]


async def test_cust_3_a_customer_stored_with_a_code_of_signs_nobody_sees_is_read_and_edited(
    api: Api,
) -> None:
    path = f"/customers/{(await _make(api))['id']}"
    await api.pool.execute(
        "UPDATE customer SET record = record || jsonb_build_object('code', 'A' || chr(8203))"
    )
    assert (await api.get(path))["record"]["code"] == "A\u200b"
    assert (await api.send("PATCH", path, {"phone": "1"}))["record"]["phone"] == "1"
    assert (await api.send("PATCH", path, {"code": "A"}))["record"]["code"] == "A"


async def test_wrong_fields_are_named_with_their_path(api: Api) -> None:
    record = _record(addresses=[{"id": str(uuid4()), "country": "France"}], email="nobody")
    problem = await api.send("POST", "/customers", {"record": record}, status=422)
    assert {one["name"] for one in problem["fields"]} == {
        "record.addresses.0.country",
        "record.email",
    }


async def test_cust_2_a_mistyped_field_is_refused_by_its_path_at_any_depth(api: Api) -> None:
    address = {"id": str(uuid4()), "twon": "Lyon", "consents": [{"definition": "x", "stat": "y"}]}
    wrong = _record(emial="a@b.fr", addresses=[address])
    problem = await api.send("POST", "/customers", {"record": wrong}, status=422)
    assert {one["name"]: one["code"] for one in problem["fields"]} == {
        "record.emial": "request.field_unknown",
        "record.addresses.0.twon": "request.field_unknown",
        "record.addresses.0.consents.0.state": "request.field_missing",
        "record.addresses.0.consents.0.stat": "request.field_unknown",
    }
    assert await api.pool.fetchval("SELECT count(*) FROM customer") == 0
    path = f"/customers/{(await _make(api))['id']}"
    patch = {"addresses": [{"id": str(uuid4()), "twon": "Lyon"}]}
    problem = await api.send("PATCH", path, patch, status=422)
    assert [one["name"] for one in problem["fields"]] == ["addresses.0.twon"]
    assert (await api.get(path))["version"] == 1


async def test_addr_1_a_second_main_address_is_refused_by_name(api: Api) -> None:
    mains = [{"id": str(UUID(int=n)), "town": "Lyon", "type": "main"} for n in (1, 2)]
    new = {"record": _record("X-1", addresses=mains)}
    problem = await api.send("POST", "/customers", new, status=422)
    assert problem["code"] == "address.second_main"
    assert [one["name"] for one in problem["fields"]] == ["addresses.1.type"]
    path = f"/customers/{(await _make(api, addresses=mains[:1]))['id']}"
    problem = await api.send("PATCH", path, {"addresses": mains}, status=422)
    assert problem["code"] == "address.second_main"
    await api.pool.execute(
        "UPDATE customer SET record = record || $1::jsonb", json.dumps({"addresses": mains})
    )
    stored = await api.send("PATCH", path, {"phone": "+33 1"})
    assert len(stored["record"]["addresses"]) == 2, "what is stored so can be read and edited"


async def test_cust_3_a_code_in_use_is_refused_whatever_its_case(api: Api) -> None:
    await _make(api, "DUP-1")
    again = {"record": _record("dup-1")}
    problem = await api.send("POST", "/customers", again, status=409, Accept_Language="fr")
    assert problem["code"] == "customer.code_taken"
    assert problem["text"] == "Le code dup-1 est déjà utilisé par un autre client"
    assert problem["fields"][0]["name"] == "code"


async def test_cust_5_another_customer_with_the_tax_number_is_pointed_out(api: Api) -> None:
    first = await _make(api, "A-1", tax_number="FR 12 345 678 901")
    assert first["warnings"] == []
    second = await _make(api, "A-2", tax_number="fr12345678901")
    assert [one["code"] for one in second["warnings"]] == ["customer.duplicate_tax_number"]
    assert "Dupont Jeanne" in second["warnings"][0]["text"]


async def test_named_fields_change_and_the_others_stay(api: Api) -> None:
    made = await _make(api, phone="+33 1", email="a@b.fr", attributes={"a": "1", "b": "2"})
    patch = {"phone": "+33 2", "email": " ", "attributes": {"a": None, "c": "3"}}
    edited = await api.send("PATCH", f"/customers/{made['id']}", patch, If_Match='"1"')
    assert edited["version"] == 2
    assert edited["record"]["phone"] == "+33 2"
    assert edited["record"]["email"] is None
    assert edited["record"]["attributes"] == {"b": "2", "c": "3"}
    assert edited["record"]["last_name"] == "Dupont"


async def test_an_edit_that_changes_nothing_makes_no_version(api: Api) -> None:
    made = await _make(api, phone="+33 1")
    edited = await api.send("PATCH", f"/customers/{made['id']}", {"phone": "+33 1"})
    assert edited["version"] == 1


async def test_an_edit_of_what_changed_meanwhile_is_refused(api: Api) -> None:
    made = await _make(api)
    path = f"/customers/{made['id']}"
    await api.send("PATCH", path, {"phone": "+33 1"}, If_Match="1")
    problem = await api.send("PATCH", path, {"phone": "+33 2"}, If_Match="1", status=412)
    assert problem["code"] == "customer.changed_meanwhile"
    await api.send("PATCH", path, {"phone": "+33 2"}, If_Match='W/"2"')
    assert (await api.get(path))["record"]["phone"] == "+33 2"
    wrong = await api.send("PATCH", path, {"phone": "+33 3"}, If_Match="abc", status=412)
    assert wrong["code"] == "request.wrong_etag"


async def test_cust_13_edits_at_once_without_if_match_are_all_made(api: Api) -> None:
    path = f"/customers/{(await _make(api))['id']}"
    names = [f"a{number}" for number in range(12)]
    await asyncio.gather(*(api.send("PATCH", path, {"attributes": {name: "x"}}) for name in names))
    read = await api.get(path)
    assert sorted(read["record"]["attributes"]) == sorted(names)
    assert read["version"] == 1 + len(names)


async def test_an_edit_may_not_take_a_required_field_away_nor_name_an_unknown_one(api: Api) -> None:
    path = f"/customers/{(await _make(api))['id']}"
    problem = await api.send("PATCH", path, {"last_name": None}, status=422)
    assert (problem["code"], problem["fields"][0]["name"]) == (
        "customer.field_required",
        "last_name",
    )
    problem = await api.send("PATCH", path, {"code": ""}, status=422)
    assert problem["fields"][0] == {
        "name": "code",
        "code": "request.field_missing",
        "text": "This field is missing",
        "params": {},
    }
    problem = await api.send("PATCH", path, {"lastname": "X"}, status=422)
    assert problem["fields"][0]["code"] == "request.field_unknown"
    assert (await api.get(path))["version"] == 1


async def test_sync_4_availability_is_decided_per_centre(api: Api) -> None:
    path = f"/customers/{(await _make(api))['id']}"
    wanted = {"everywhere": False, "centres": ["lyon"], "editors": []}
    changed = await api.send("PUT", f"{path}/availability", wanted)
    assert changed["availability"] == wanted
    assert changed["version"] == 2
    stale = await api.send("PUT", f"{path}/availability", wanted, If_Match="1", status=412)
    assert stale["code"] == "customer.changed_meanwhile"


async def test_sync_1_sync_4_a_customer_is_deactivated_and_loses_the_option(api: Api) -> None:
    path = f"/customers/{(await _make(api))['id']}"
    off = await api.send("PUT", f"{path}/state", {"active": False})
    assert (off["state"], off["version"]) == ("inactive", 2)
    both = await api.send("PUT", f"{path}/state", {"active": True, "is_customer": False})
    assert (both["state"], both["is_customer"]) == ("active", False)
    assert (await api.send("PUT", f"{path}/state", {}))["version"] == both["version"]


async def test_sync_3_history_says_who_what_where_and_when(api: Api) -> None:
    path = f"/customers/{(await _make(api, phone='+33 1'))['id']}"
    await api.send("PATCH", path, {"phone": "+33 2"})
    await api.pool.execute("""UPDATE customer SET record = record || '{"phone": "+33 3"}'""")
    rows = (await api.get(f"{path}/history"))["rows"]
    shown = [(r["path"], r["old"], r["new"], r["changed_by"], r["changed_where"]) for r in rows]
    assert shown[0][:3] == ("phone", "+33 2", "+33 3")
    assert shown[0][4] == "sql"
    assert shown[1] == ("phone", "+33 1", "+33 2", "anna", "erp")
    assert shown[2][0] == ""
    assert [r["version"] for r in rows] == [3, 2, 1]
    assert rows[1]["at"] == "2026-03-01T12:00:00Z"
    newest = await api.get(f"{path}/history", limit=1)
    older = await api.get(f"{path}/history", before=newest["next"])
    assert [*newest["rows"], *older["rows"]] == rows
    assert older["next"] is None


async def test_search_13_lists_are_searched_as_at_a_till_a_page_at_a_time(api: Api) -> None:
    lyon = [{"id": str(uuid4()), "country": "FR", "town": "Lyon"}]
    for number in range(5):
        await _make(api, f"L-{number}", addresses=lyon, groups=["gold"])
    await _make(api, "P-1", addresses=[{"id": str(uuid4()), "country": "PL", "town": "Gdańsk"}])
    found = await api.get("/customers", phrase="dup lyo")
    assert {one["code"] for one in found["rows"]} == {f"L-{n}" for n in range(5)}
    assert found["next"] is None
    codes: list[str] = []
    page = await api.get("/customers", phrase="dupont", limit=2)
    codes += [one["code"] for one in page["rows"]]
    while page["next"] is not None:
        page = await api.get("/customers", phrase="dupont", limit=2, after=page["next"])
        codes += [one["code"] for one in page["rows"]]
    assert codes == [*(f"L-{n}" for n in range(5)), "P-1"]
    filtered = await api.get("/customers", country="PL")
    assert [one["code"] for one in filtered["rows"]] == ["P-1"]
    assert len((await api.get("/customers", groups="gold"))["rows"]) == 5
    assert (await api.get("/customers", phrase="lyon", column="name"))["rows"] == []
    await api.pool.execute("UPDATE customer SET state = 'inactive' WHERE code_key = 'l-3'")
    await api.pool.execute("UPDATE customer SET state = 'deleted' WHERE code_key = 'l-4'")
    inactive = await api.get("/customers", state="inactive")
    assert [one["code"] for one in inactive["rows"]] == ["L-3"]
    both = await api.get("/customers", phrase="lyon")
    assert [one["code"] for one in both["rows"]] == ["L-0", "L-1", "L-2", "L-3"]
    problem = await api.get("/customers", limit=0, phrase="x" * 201, colour="red", status=422)
    assert {one["name"] for one in problem["fields"]} == {"limit", "phrase", "colour"}


async def test_a_list_goes_on_where_codes_are_far_apart(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "NEAR", 2)
    for number in range(7):
        town = "Nantes" if number in (1, 5, 6) else "Paris"
        address = {"id": str(uuid4()), "town": town}
        await _make(api, f"C-{number}", addresses=[address])
    first = await api.get("/customers", phrase="nantes", limit=2)
    assert [one["code"] for one in first["rows"]] == ["C-1", "C-5"]
    second = await api.get("/customers", phrase="nantes", limit=2, after=first["next"])
    assert ([one["code"] for one in second["rows"]], second["next"]) == (["C-6"], None)
    assert len((await api.get("/customers", phrase="paris"))["rows"]) == 4


async def test_a_record_that_sql_broke_is_listed_and_says_what_is_wrong(api: Api) -> None:
    made = await _make(api)
    await _make(api, "DUP-2")
    await api.pool.execute(
        """UPDATE customer SET record = record - 'kind' WHERE code_key = 'dup-1'"""
    )
    assert len((await api.get("/customers"))["rows"]) == 2
    problem = await api.get(f"/customers/{made['id']}", status=409)
    assert (problem["code"], problem["fields"][0]["name"]) == ("customer.unreadable", "kind")


BROKEN = (
    "record - 'kind'",
    """record || '{"kind": "stranger"}' """,
    """record || '{"birth_date": "soon", "tax_number": 7, "last_name": [1]}' """,
)


@pytest.mark.parametrize("broken", BROKEN)
async def test_sync_4_a_customer_whose_record_sql_broke_can_still_be_withdrawn(
    api: Api, broken: str
) -> None:
    made = await _make(api)
    await api.pool.execute(f"UPDATE customer SET record = {broken}")
    path = f"/customers/{made['id']}"
    off = await api.send("PUT", f"{path}/state", {"active": False, "is_customer": False})
    assert (off["state"], off["is_customer"], off["record"]) == ("inactive", False, None)
    assert [one["code"] for one in off["warnings"]] == ["customer.unreadable"]
    wanted = {"everywhere": False, "centres": ["lyon"]}
    moved = await api.send("PUT", f"{path}/availability", wanted)
    assert moved["availability"]["centres"] == ["lyon"]
    assert len((await api.get("/customers"))["rows"]) == 1
    rows = (await api.get(f"{path}/history"))["rows"]
    assert {"state", "is_customer", "centres"} <= {row["path"] for row in rows}


async def test_state_and_option_change_together_or_not_at_all(api: Api) -> None:
    made = await _make(api)
    both = {"active": False, "is_customer": False}
    saved = await api.send("PUT", f"/customers/{made['id']}/state", both)
    assert saved["version"] == made["version"] + 1
    await api.send(
        "PUT", f"/customers/{made['id']}/state", {"active": True, "is_customer": True},
        status=412, If_Match='"1"',
    )  # fmt: skip
    held = await api.get(f"/customers/{made['id']}")
    assert (held["state"], held["is_customer"]) == ("inactive", False)


async def test_an_unknown_customer_and_a_wrong_id_are_told_apart(api: Api) -> None:
    unknown = await api.get(f"/customers/{uuid4()}", status=404)
    assert unknown["code"] == "customer.unknown"
    wrong = await api.get("/customers/7", status=422)
    assert wrong["fields"][0]["code"] == "request.no_id"
    for path, body in (("", {"phone": "1"}), ("/state", {"active": False})):
        method = "PUT" if path else "PATCH"
        problem = await api.send(method, f"/customers/{uuid4()}{path}", body, status=404)
        assert problem["code"] == "customer.unknown"


async def test_what_is_erased_stays_so(api: Api) -> None:
    path = f"/customers/{(await _make(api))['id']}"
    await api.pool.execute("UPDATE customer SET state = 'anonymised'")
    problem = await api.send("PATCH", path, {"phone": "+33 1"}, status=410)
    assert problem["code"] == "customer.anonymised"
    problem = await api.send("PUT", f"{path}/state", {"active": True}, status=410)
    assert problem["code"] == "customer.anonymised"


ROUTES = (
    ("GET", "/customers", None, "erp.read"),
    ("GET", "/customers/{id}", None, "erp.read"),
    ("GET", "/customers/{id}/history", None, "erp.read"),
    ("POST", "/customers", {"record": _record("X-1")}, "erp.customers"),
    ("PATCH", "/customers/{id}", {"phone": "1"}, "erp.customers"),
    ("PUT", "/customers/{id}/availability", {"everywhere": True}, "erp.customers"),
    ("PUT", "/customers/{id}/state", {"active": False}, "erp.customers"),
    ("GET", "/customers/{id}/cards", None, "erp.read"),
    ("POST", "/customers/{id}/cards", {"number": "C1"}, "erp.customers"),
    ("GET", "/cards", None, "erp.read"),
    ("POST", "/cards", {"cards": [{"number": "C1"}]}, "erp.customers"),
    ("GET", "/cards/C1", None, "erp.read"),
    ("PATCH", "/cards/C1", {"points": 1}, "erp.customers"),
    ("DELETE", "/cards/C1/customer", None, "erp.customers"),
    ("POST", "/cards/C1/block", {"reason": "lost"}, "erp.customers"),
    ("POST", "/cards/C1/unblock", None, "erp.customers"),
    ("GET", "/cards/C1/history", None, "erp.read"),
    ("GET", "/card-letters", None, "erp.read"),
    ("POST", "/card-letters/{id}/send-again", None, "erp.customers"),
    ("GET", "/settings/all", None, "erp.read"),
    ("PUT", "/settings/all", {"search_online": True}, "erp.settings"),
    ("GET", "/reference/centre", None, "erp.read"),
    ("GET", "/reference/centre/x", None, "erp.read"),
    ("PUT", "/reference/centre/x", {"kind": "centre", "code": "x"}, "erp.settings"),
    ("DELETE", "/reference/centre/x", None, "erp.settings"),
    ("PUT", "/reference/operator/x", {"name": "X", "password": "password"}, "erp.settings"),
    ("GET", "/tills", None, "erp.read"),
    ("GET", "/tills/a", None, "erp.read"),
    ("GET", "/tills/a/settings", None, "erp.read"),
    ("POST", "/tills", {"pos_id": "a", "centre": "b"}, "erp.tills"),
    ("DELETE", "/tills/a", None, "erp.tills"),
    ("GET", "/status", None, "erp.read"),
    ("GET", "/scopes/all/digest", None, "erp.read"),
    ("GET", "/dead", None, "erp.dead"),
    ("GET", "/dead/a", None, "erp.dead"),
    ("DELETE", "/dead/a", None, "erp.dead"),
    ("POST", "/dead/a/reinject", None, "erp.dead"),
)


async def test_each_route_needs_its_right(api: Api) -> None:
    customer = (await _make(api))["id"]
    for method, path, body, right in ROUTES:
        await api.log_in(RIGHTS - {right})
        problem = await api.send(method, path.format(id=customer), body, status=403)
        assert (problem["code"], problem["params"]) == ("right.missing", {"right": right}), path
    del api.http.headers["Authorization"]
    for method, path, body, _ in ROUTES:
        problem = await api.send(method, path.format(id=customer), body, status=401)
        assert problem["code"] == "session.required", path


async def test_no_route_is_left_out_of_the_table_of_rights(api: Api) -> None:
    document = (await api.http.get("http://erp/openapi.json")).json()
    there = {
        (method.upper(), re.sub("{.*?}", "[^/]+", path.removeprefix("/api/v1")))
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith("/api/v1") and path != "/api/v1/session"
    }
    listed = [(method, path) for method, path, *_ in ROUTES]
    untested = [
        (method, pattern)
        for method, pattern in there
        if not any(one == method and re.fullmatch(pattern, path) for one, path in listed)
    ]
    assert not untested
