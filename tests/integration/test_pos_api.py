"""The till's HTTP API: log-in, view, notices, status, settings, lists, and what it refuses."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from contracts.journal import LostValue, Verdict
from contracts.reference import AttributeDefinition, Choice, ConsentDefinition
from contracts.topology import TillAddress
from pos_node.api.app import make_api
from pos_node.enrolment import Enrolled
from pos_node.pulling import Loading
from pos_node.store.database import Priority
from pos_node.store.notices import add_notice
from tests.pos_parts import NOON, put_reference, retail, welcome
from tests.pos_till import PASSWORD, TestTill, open_till

ID = UUID(int=5)


@pytest.fixture
async def till(folder: Path) -> AsyncIterator[TestTill]:
    async with open_till(folder) as opened:
        yield opened


@pytest.fixture
async def anne(till: TestTill) -> AsyncIterator[httpx.AsyncClient]:
    async with till.client() as client:
        yield client


@pytest.fixture
async def nobody(till: TestTill) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(till.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://till/api/v1") as http:
        yield http


async def log_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/session", json={"name": name, "password": password})


async def test_a_right_password_opens_a_session_with_rights(nobody: httpx.AsyncClient) -> None:
    answer = await log_in(nobody, "anne")
    assert (answer.status_code, answer.json()["rights"]) == (
        201,
        ["card.assign", "card.block", "customer.edit"],
    )


@pytest.mark.parametrize(
    ("name", "password"), [("anne", "wrong"), ("nobody", PASSWORD), ("zoe", PASSWORD)]
)
async def test_wrong_passwords_unknown_names_and_former_operators_are_refused_alike(
    nobody: httpx.AsyncClient, name: str, password: str
) -> None:
    answer = await log_in(nobody, name, password)
    assert (answer.status_code, answer.json()["code"]) == (401, "session.wrong_password")


@pytest.mark.parametrize("name", ["anne", "nobody"])
async def test_too_many_wrong_passwords_lock_for_a_while(
    till: TestTill, nobody: httpx.AsyncClient, name: str
) -> None:
    await till.settings(lockout_attempts=3, lockout_minutes=2)
    for _ in range(3):
        assert (await log_in(nobody, name, "wrong")).status_code == 401
    locked = await log_in(nobody, name)
    assert (locked.status_code, locked.json()["code"]) == (429, "session.locked")
    assert (await log_in(nobody, "ben")).status_code == 201
    till.clock.move(timedelta(minutes=2))
    expected = 201 if name == "anne" else 401
    assert (await log_in(nobody, name)).status_code == expected


async def test_a_right_password_forgets_the_wrong_ones(
    till: TestTill, nobody: httpx.AsyncClient
) -> None:
    await till.settings(lockout_attempts=3)
    for _ in range(4):
        for _ in range(2):
            await log_in(nobody, "anne", "wrong")
        assert (await log_in(nobody, "anne")).status_code == 201


@pytest.mark.parametrize(
    "path", ["/customers", "/view", "/notices", "/settings", "/lists/title", f"/customers/{ID}"]
)
async def test_without_log_in_nothing_is_shown(nobody: httpx.AsyncClient, path: str) -> None:
    answer = await nobody.get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "session.required")


async def test_a_right_taken_away_in_the_erp_is_gone_at_once(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    gone = "UPDATE reference SET state = 'withdrawn' WHERE key = 'operator/anne'"
    await till.store.write(lambda c: c.execute(gone).rowcount, priority=Priority.FEED)
    assert (await anne.get("/customers")).status_code == 401


async def test_logging_out_ends_the_session(anne: httpx.AsyncClient) -> None:
    assert (await anne.delete("/session")).status_code == 204
    assert (await anne.get("/customers")).status_code == 401


async def test_list_1_the_choice_and_order_of_columns_are_kept(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    colour = AttributeDefinition(code="colour", labels={"en": "Colour"})
    await till.store.write(put_reference, colour, priority=Priority.FEED)
    before = (await anne.get("/view")).json()
    assert before["columns"][:2] == ["kind", "name"]
    assert {"name": "attribute.colour", "label": "Colour"} in before["possible_columns"]
    wanted = {"columns": ["phone", "attribute.colour", "name"], "default_column": "phone"}
    assert (await anne.put("/view", json=wanted)).status_code == 200
    after = (await anne.get("/view")).json()
    assert (after["columns"], after["default_column"]) == (wanted["columns"], "phone")


@pytest.mark.parametrize(
    ("view", "field"),
    [
        ({"columns": ["name", "shoe_size"]}, "columns.1"),
        ({"columns": ["name", "name"]}, "columns.1"),
        ({"columns": ["name"], "default_column": "filters"}, "default_column"),
        ({"columns": []}, "columns"),
        ({"columns": ["name"], "colour": 1}, "colour"),
    ],
)
async def test_list_1_a_column_that_does_not_exist_is_refused_by_name(
    anne: httpx.AsyncClient, view: dict[str, Any], field: str
) -> None:
    answer = await anne.put("/view", json=view)
    assert answer.status_code == 422
    assert [one["name"] for one in answer.json()["fields"]] == [field]
    assert (await anne.get("/view")).json()["columns"][0] == "kind"


async def test_cust_4_a_renamed_code_is_told_until_it_is_seen(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    verdict = Verdict(
        epoch="e",
        seq=1,
        customer_id=ID,
        outcome="renamed",
        code="customer.renamed",
        params={"asked": "A-1", "code": "P1-A-1"},
    )
    await till.tell("verdict-1", verdict)
    await till.tell("verdict-1", verdict)
    [notice] = (await anne.get("/notices")).json()
    assert notice["text"].endswith("is now P1-A-1.")
    assert (notice["customer_id"], notice["seen"]) == (str(ID), False)
    assert (await anne.get("/status")).json()["unseen_notices"] == 1
    assert (await anne.post(f"/notices/{notice['id']}/seen")).status_code == 204
    assert (await anne.get("/notices")).json() == []
    assert len((await anne.get("/notices", params={"unseen_only": False})).json()) == 1


async def test_cust_4_notices_that_were_seen_go_after_a_while_and_others_stay(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    verdict = Verdict(
        epoch="e",
        seq=1,
        outcome="renamed",
        code="customer.renamed",
        params={"asked": "A-1", "code": "P1-A-1"},
    )

    async def tell(key: str, days: int) -> None:
        at = NOON + timedelta(days=days)
        await till.store.write(add_notice, key, verdict, at, priority=Priority.FEED)

    async def days() -> set[int]:
        found = (await anne.get("/notices", params={"unseen_only": False})).json()
        return {(datetime.fromisoformat(one["at"]) - NOON).days for one in found}

    for number, day in enumerate((0, 1, 60)):
        await tell(f"verdict-{number}", day)
    for one in (await anne.get("/notices")).json():
        if one["at"] != (NOON + timedelta(days=1)).isoformat().replace("+00:00", "Z"):
            await anne.post(f"/notices/{one['id']}/seen")
    await tell("verdict-3", 90)
    assert await days() == {0, 1, 60, 90}
    await tell("verdict-4", 92)
    assert await days() == {1, 60, 90, 92}, "the oldest was seen; of the next nobody knows yet"


async def test_cust_13_a_lost_value_is_shown_beside_the_one_that_stands(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.tell(
        "verdict-2",
        Verdict(
            epoch="e",
            seq=2,
            customer_id=ID,
            outcome="conflict",
            code="customer.conflict",
            params={"name": "Dupont"},
            lost=[LostValue(path="phone", stands="1", lost="2")],
        ),
    )
    [notice] = (await anne.get("/notices")).json()
    assert notice["lost"] == [{"path": "phone", "stands": "1", "lost": "2"}]


async def test_a_notice_that_does_not_exist(anne: httpx.AsyncClient) -> None:
    answer = await anne.post("/notices/77/seen")
    assert (answer.status_code, answer.json()["code"]) == (404, "notice.unknown")
    assert (await anne.post(f"/notices/{2**70}/seen")).status_code == 422


async def test_sync_7_the_status_needs_no_log_in_and_tells_what_waits(
    till: TestTill, nobody: httpx.AsyncClient
) -> None:
    status = (await nobody.get("/status")).json()
    assert (status["online"], status["complete"], status["scopes"]) == (False, False, [])
    async with till.client() as anne:
        made = {"kind": "retail", "code": "A", "first_name": "J", "last_name": "D"}
        await anne.post("/customers", json=made)
    till.go_online()
    await till.reach(all=5)
    till.clock.move(timedelta(seconds=90))
    status = (await nobody.get("/status")).json()
    assert (status["pos_id"], status["centre"], status["online"]) == ("p1", "C1", True)
    assert status["link"]["up"] is True
    assert (status["journal"]["waiting"], status["journal"]["oldest_age_s"]) == (1, 90)
    assert status["scopes"] == [
        {"scope": "all", "cursor": 5, "head": 5, "behind": 0, "complete": True}
    ]


async def test_sync_7_a_till_moved_elsewhere_is_neither_online_nor_complete(
    till: TestTill,
) -> None:
    enrolled = Enrolled(TillAddress("p1", "C1"), till.clock.now)
    parts = replace(till.parts, moved=enrolled.moved)
    transport = httpx.ASGITransport(make_api(parts, "0"))
    till.go_online()
    await till.reach(all=5)
    there = TillAddress("p1", "krakow", full=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://till/api/v1") as http:
        before = (await http.get("/status")).json()
        till.clock.move(timedelta(seconds=90))
        moved = welcome().model_copy(update={"centre": "krakow", "full": False})
        enrolled.hear(moved.model_copy(update={"scopes": list(there.scopes)}))
        status = (await http.get("/status", headers={"Accept-Language": "fr"})).json()
        same = welcome().model_copy(update={"scopes": list(TillAddress("p1", "C1").scopes)})
        enrolled.hear(same)
        after = (await http.get("/status")).json()
    assert (before["online"], before["complete"], before["enrolment"]) == (True, True, None)
    assert (status["online"], status["complete"]) == (False, False)
    assert status["since"] > before["since"]
    assert status["enrolment"]["code"] == "till.moved"
    assert status["enrolment"]["params"] == {"centre": "krakow", "mode": "local_only"}
    assert "L’ERP a déplacé cette caisse" in status["enrolment"]["text"]
    after["journal"], before["journal"] = None, None
    assert after == before


async def test_sync_5_a_till_that_loads_shows_its_progress(till: TestTill) -> None:
    parts = replace(till.parts, loading=lambda: Loading(rows_done=40, rows_to_do=60))
    transport = httpx.ASGITransport(make_api(parts, "0"))
    async with httpx.AsyncClient(transport=transport, base_url="http://till/api/v1") as http:
        status = (await http.get("/status")).json()
    assert status["loading"] == {"rows_done": 40, "rows_to_do": 60}
    assert status["complete"] is False


async def test_settings_are_those_that_hold_at_this_till(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.settings(search_online=False)
    assert (await anne.get("/settings")).json()["search_online"] is False


async def test_lists_are_labelled_and_in_order(till: TestTill, anne: httpx.AsyncClient) -> None:
    await till.store.write(
        put_reference,
        Choice(code="mr", list="title", position=2, labels={"en": "Mr", "fr": "M."}),
        Choice(code="mrs", list="title", position=1, labels={"en": "Mrs"}),
        Choice(code="son", list="relationship"),
        ConsentDefinition(code="news", labels={"en": "News"}, texts={"en": "We may write."}),
        AttributeDefinition(code="colour", values=["red"], customer_kind="retail"),
        priority=Priority.FEED,
    )
    titles = (await anne.get("/lists/title")).json()
    assert [(one["code"], one["label"]) for one in titles] == [("mrs", "Mrs"), ("mr", "Mr")]
    [consent] = (await anne.get("/lists/consent")).json()
    assert consent["text"] == "We may write."
    [attribute] = (await anne.get("/lists/attribute")).json()
    assert (attribute["values"], attribute["customer_kind"]) == (["red"], "retail")
    unknown = await anne.get("/lists/operator")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "list.unknown")


async def test_list_1_a_column_that_is_there_twice_is_told_so(anne: httpx.AsyncClient) -> None:
    answer = await anne.put("/view", json={"columns": ["name", "town", "name"]})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "view.column_twice")
    assert [(one["name"], one["text"]) for one in problem["fields"]] == [
        ("columns.2", "The column name is there twice")
    ]


async def test_a_client_that_asks_for_no_language_gets_the_tills(
    till: TestTill, nobody: httpx.AsyncClient
) -> None:
    await till.settings(language="fr")
    french = await nobody.get("/customers")
    assert french.headers["Content-Language"] == "fr"
    other = await nobody.get("/customers", headers={"Accept-Language": "de, pl;q=0.5"})
    assert other.headers["Content-Language"] == "fr"
    english = await nobody.get("/customers", headers={"Accept-Language": "en"})
    assert english.headers["Content-Language"] == "en"


@pytest.mark.parametrize(
    ("method", "path", "given", "field"),
    [
        ("GET", "/customers/not-a-uuid", {}, "customer_id"),
        ("GET", "/searches/not-a-uuid", {}, "search_id"),
        ("GET", "/customers", {"params": {"phrase": "x" * 201}}, "phrase"),
        ("GET", "/customers", {"params": {"column": "shoe_size"}}, "column"),
        ("GET", "/customers", {"params": {"limit": 0}}, "limit"),
        ("GET", "/customers", {"params": {"limit": 9_999}}, "limit"),
        ("GET", "/customers", {"params": {"after": 2**70}}, "after"),
        ("GET", "/customers", {"params": {"after": ""}}, "after"),
        ("GET", "/customers", {"params": {"after": "NyBkdXBvbnQ"}}, "after"),
        ("GET", "/customers", {"params": {"after": "é"}}, "after"),
        ("GET", "/customers", {"params": {"after": "x" * 2_000}}, "after"),
        ("GET", "/customers", {"params": {"country": "france"}}, "country"),
        ("GET", "/customers", {"params": {"attributes": "colour"}}, "attributes.0"),
        ("GET", "/customers", {"params": {"kinds": "retail"}}, "kinds"),
        ("POST", "/customers", {"json": {"kind": "retail", "phon": "1"}}, "phon"),
        ("POST", "/customers", {"json": {"code": "x" * 61}}, "code"),
        ("POST", "/customers", {"json": {"addresses": [{"country": "fr"}]}}, "addresses.0.country"),
        ("POST", "/customers", {"json": {"addresses": [{"twon": "Lyon"}]}}, "addresses.0.twon"),
        ("POST", "/customers", {"json": {"birth_date": "yesterday"}}, "birth_date"),
        ("POST", "/customers", {"json": [1]}, "body"),
        ("POST", "/searches", {"json": {"phrase": 7}}, "phrase"),
        ("POST", "/searches", {"json": {"column": "shoe_size", "phrase": "x"}}, "column"),
        ("PATCH", f"/customers/{ID}", {"json": {"email": "nobody"}}, "email"),
    ],
)
async def test_bad_input_is_refused_with_the_field(
    anne: httpx.AsyncClient, method: str, path: str, given: dict[str, Any], field: str
) -> None:
    answer = await anne.request(method, path, **given)
    assert answer.status_code == 422, answer.text
    assert [one["name"] for one in answer.json()["fields"]] == [field]
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{not json", 400, "request.not_json"),
        (b'{"code": "\xff"}', 400, "request.not_utf8"),
        (b'{"code": "\\u0000"}', 400, "request.nul"),
        (b'{"code": "' + b"x" * (1 << 20) + b'"}', 413, "request.too_large"),
    ],
)
async def test_bodies_that_are_no_request_are_refused(
    anne: httpx.AsyncClient, body: bytes, status: int, code: str
) -> None:
    answer = await anne.post(
        "/customers", content=body, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await anne.get("/customers")).status_code == 200


async def test_the_api_describes_itself(till: TestTill, nobody: httpx.AsyncClient) -> None:
    schema = (await nobody.get("http://till/openapi.json")).json()
    assert {"/api/v1/customers", "/api/v1/searches/{search_id}"} <= schema["paths"].keys()
    for path in schema["paths"].values():
        for operation in path.values():
            assert operation.get("description") or operation["tags"] == ["health"]


async def test_a_till_says_that_it_is_alive_and_ready(nobody: httpx.AsyncClient) -> None:
    assert (await nobody.get("http://till/healthz")).status_code == 200
    ready = await nobody.get("http://till/readyz")
    assert (ready.status_code, ready.json()["parts"]) == (200, {"store": True})


async def test_what_is_typed_is_not_in_the_answer_of_an_error(anne: httpx.AsyncClient) -> None:
    answer = await anne.post("/customers", json={"kind": "retail", "email": "secret person"})
    assert "secret person" not in answer.text


async def test_the_shown_record_is_what_was_typed(anne: httpx.AsyncClient) -> None:
    typed = retail("A-9", phone="+33 4 72").model_dump(mode="json", exclude_unset=True)
    record = (await anne.post("/customers", json=typed)).json()["record"]
    assert typed.items() <= record.items()
