"""The till's HTTP API: customers and online search, as a screen uses them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import BaseModel

from contracts.matching import words_of
from contracts.reference import AttributeDefinition
from contracts.search import CustomerFetched, CustomerSearch, CustomersFound, FoundCustomer
from messaging.channel import LinkDown
from pos_node.store.database import Priority
from tests.pos_parts import business, put_reference, retail
from tests.pos_till import TestTill, open_till

ID, REMOTE = UUID(int=5), UUID(int=6)
LYON = {"id": str(UUID(int=50)), "country": "FR", "postal_code": "69002", "town": "Lyon"}
NEW = {"kind": "retail", "code": "N-1", "first_name": "Léa", "last_name": "Noël"}


@pytest.fixture
async def till(folder: Path) -> AsyncIterator[TestTill]:
    async with open_till(folder) as opened:
        yield opened


@pytest.fixture
async def anne(till: TestTill) -> AsyncIterator[httpx.AsyncClient]:
    async with till.client() as client:
        yield client


async def listed(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    answer = await client.get("/customers", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def names(shown: dict[str, Any]) -> list[str]:
    return [row["name"] for row in shown["rows"]]


async def test_list_1_the_list_shows_its_columns_by_name(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.hold(ID, retail(last_name="Martin", tax_number="12", addresses=[LYON]))
    await till.hold(REMOTE, business(name="Alpha"))
    shown = await listed(anne)
    assert names(shown) == ["Alpha", "Martin Jeanne"]
    row = shown["rows"][1]
    assert (row["kind"], row["tax_number"], row["country"]) == ("retail", "12", "FR")
    assert (row["postal_code"], row["town"], row["held"]) == ("69002", "Lyon", True)
    assert shown["columns"] == [
        "kind", "name", "tax_number", "country", "postal_code", "town", "street"
    ]  # fmt: skip


async def test_list_2_a_phrase_is_looked_for_in_all_or_one_column(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.hold(ID, retail(last_name="Lyonnet"))
    await till.hold(REMOTE, business(name="Alpha", addresses=[LYON]))
    assert names(await listed(anne, phrase="lyo")) == ["Alpha", "Lyonnet Jeanne"]
    assert names(await listed(anne, phrase="lyo", column="town")) == ["Alpha"]


async def test_list_2_the_country_is_looked_at_only_when_its_column_is_shown(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.hold(ID, retail(addresses=[LYON]))
    assert len(names(await listed(anne, phrase="france"))) == 1
    await anne.put("/view", json={"columns": ["name", "town"]})
    assert names(await listed(anne, phrase="france")) == []
    assert len(names(await listed(anne, phrase="france", country_shown=True))) == 1


async def test_list_2_the_default_column_is_a_setting_of_the_view(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.hold(ID, retail(last_name="Lyonnet"))
    await anne.put("/view", json={"columns": ["name"], "default_column": "town"})
    assert names(await listed(anne, phrase="lyo")) == []
    assert names(await listed(anne, phrase="lyo", column="all")) == ["Lyonnet Jeanne"]


async def test_list_3_drop_down_filters(till: TestTill, anne: httpx.AsyncClient) -> None:
    colour = AttributeDefinition(code="colour", labels={"fr": "Couleur"})
    await till.store.write(put_reference, colour, priority=Priority.FEED)
    await till.hold(ID, retail(groups=["vip"], attributes={"colour": "Red"}, addresses=[LYON]))
    await till.hold(REMOTE, business(name="Alpha"))
    for params in (
        {"kind": "retail"},
        {"country": "FR"},
        {"groups": ["vip"]},
        {"attributes": ["colour:red"]},
        {"phrase": "red", "column": "attribute.colour"},
    ):
        assert names(await listed(anne, **params)) == ["Dupont Jeanne"], params


async def test_the_list_goes_on_where_a_page_ended(till: TestTill, anne: httpx.AsyncClient) -> None:
    for n in range(5):
        await till.hold(UUID(int=100 + n), retail(f"C-{n}", last_name=f"Name{'abcde'[n]}"))
    first = await listed(anne, limit=2)
    assert (len(first["rows"]), first["more"]) == (2, True)
    second = await listed(anne, limit=2, after=first["next"])
    third = await listed(anne, limit=2, after=second["next"])
    assert [*names(first), *names(second), *names(third)] == [
        f"Name{letter} Jeanne" for letter in "abcde"
    ]
    assert (third["more"], third["next"], third["banner"]) == (False, None, None)


async def test_list_1_a_last_customer_renamed_meanwhile_hides_nobody(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    for n, first in enumerate("abcdefghij"):
        one = retail(f"C-{n}", last_name="Bernardin", first_name=first)
        await till.hold(UUID(int=100 + n), one)
    first_page = await listed(anne, limit=4)
    renamed = retail("C-3", last_name="Bernardin", first_name="zz")
    await till.hold(UUID(int=103), renamed, version=2)
    second = await listed(anne, limit=10, after=first_page["next"])
    assert names(second) == [f"Bernardin {first}" for first in [*"efghij", "zz"]]


async def test_search_3_the_banner_is_decided_by_what_matches_however_few_are_listed(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    for n in range(7):
        await till.hold(UUID(int=100 + n), retail(f"C-{n}", last_name="Dupont" if n else "Durand"))
    six = await listed(anne, phrase="dupont", limit=1)
    seven = await listed(anne, phrase="du", limit=1)
    assert (len(six["rows"]), six["banner"]["button_active"]) == (1, True)
    assert (len(seven["rows"]), seven["banner"]["button_active"]) == (1, False)


async def test_search_2_and_search_3_the_banner_comes_with_the_list(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    for n in range(7):
        await till.hold(UUID(int=100 + n), retail(f"C-{n}", last_name="Dupont" if n else "Durand"))
    none = (await listed(anne, phrase="nobody"))["banner"]
    assert (none["code"], none["button_active"]) == ("search.none_local", True)
    assert none["text"].startswith("No search results")
    some = (await listed(anne, phrase="dupont", limit=1))["banner"]
    assert (some["code"], some["button_active"]) == ("search.no_exact", True)
    many = (await listed(anne, phrase="du"))["banner"]
    assert (many["code"], many["button_shown"], many["button_active"]) == (None, True, False)
    everything = (await listed(anne))["banner"]
    assert (everything["code"], everything["button_active"]) == (None, False)


async def test_search_1_switched_off_there_is_no_banner_in_the_list(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.settings(search_online=False)
    banner = (await listed(anne, phrase="nobody"))["banner"]
    assert (banner["code"], banner["button_shown"]) == (None, False)
    answer = await anne.post("/searches", json={"phrase": "nobody"})
    assert (answer.status_code, answer.json()["code"]) == (409, "search.off")


async def test_the_preview_has_its_sections(till: TestTill, anne: httpx.AsyncClient) -> None:
    colour = AttributeDefinition(code="colour", labels={"en": "Colour", "fr": "Couleur"})
    await till.store.write(put_reference, colour, priority=Priority.FEED)
    record = business(
        description="of the ERP",
        addresses=[LYON],
        attributes={"colour": "red"},
        contacts=[
            {"id": str(ID), "origin": "erp", "first_name": "A"},
            {"id": str(REMOTE), "origin": "erp", "first_name": "B", "state": "deleted"},
        ],
    )
    await till.hold(ID, record, version=4)
    answer = await anne.get(f"/customers/{ID}", headers={"Accept-Language": "fr-FR"})
    shown = answer.json()
    assert answer.headers["ETag"] == f'"{shown["etag"]}"'
    assert (shown["version"], shown["editable"], shown["waiting_changes"]) == (4, True, 0)
    assert shown["basic"]["name"] == "Dupont SARL"
    assert shown["basic"]["main_address"]["town"] == "Lyon"
    assert [one["town"] for one in shown["addresses"]] == ["Lyon"]
    assert shown["attributes"] == [{"code": "colour", "label": "Couleur", "value": "red"}]
    assert shown["description"] == "of the ERP"
    assert [one["first_name"] for one in shown["contacts"]] == ["A"]


async def test_prev_2_the_preview_says_why_a_customer_cannot_be_edited(till: TestTill) -> None:
    await till.hold(ID, retail(), editors=("C2",))
    for name in ("anne", "ben"):
        async with till.client(name) as client:
            shown = (await client.get(f"/customers/{ID}")).json()
            assert shown["editable"] is False
            assert shown["reason"] == {
                "code": "customer.no_edit_right",
                "text": "Insufficient permissions to edit customer Dupont Jeanne",
                "params": {"name": "Dupont Jeanne"},
            }
            edited = await client.patch(f"/customers/{ID}", json={"phone": "1"})
            assert (edited.status_code, edited.json()["code"]) == (403, "customer.no_edit_right")


async def test_a_customer_is_added_found_and_waits_for_the_erp(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    answer = await anne.post("/customers", json=NEW)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["version"], made["waiting_changes"], made["name"]) == (0, 1, "Noël Léa")
    assert names(await listed(anne, phrase="noel lea")) == ["Noël Léa"]
    status = (await anne.get("/status")).json()
    assert status["journal"]["waiting"] == 1


async def test_cust_1_without_the_right_nothing_is_added_or_edited(till: TestTill) -> None:
    await till.hold(ID, retail())
    async with till.client("ben") as ben:
        added = await ben.post("/customers", json=NEW)
        edited = await ben.patch(f"/customers/{ID}", json={"phone": "1"})
        assert [(one.status_code, one.json()["code"]) for one in (added, edited)] == [
            (403, "right.missing")
        ] * 2


async def test_cust_2_missing_fields_are_named_and_marked(anne: httpx.AsyncClient) -> None:
    answer = await anne.post("/customers", json={"kind": "retail", "code": " "})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "customer.incomplete")
    assert [(one["name"], one["code"]) for one in problem["fields"]] == [
        ("code", "customer.field_required"),
        ("first_name", "customer.field_required"),
        ("last_name", "customer.field_required"),
    ]
    assert problem["fields"][1]["text"].startswith("First name")
    assert names(await listed(anne)) == []


async def test_cust_2_cust_3_what_nobody_sees_is_refused_and_marked(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    typed = {"kind": "retail", "code": "N-1", "first_name": "Jean", "last_name": "Dupont"}
    for name, unseen in (("code", "N\u200b1"), ("last_name", "\u200b"), ("code", "\u2060")):
        answer = await anne.post("/customers", json={**typed, name: unseen})
        assert answer.status_code == 422, answer.text
        assert [one["name"] for one in answer.json()["fields"]] == [name]
    made = await anne.post("/customers", json=typed)
    path = f"/customers/{made.json()['id']}"
    answer = await anne.patch(path, json={"code": "N-1\u00ad"})
    assert (answer.status_code, answer.json()["code"]) == (422, "customer.code_invisible")
    stored = retail("A\u200b", last_name="Dupont")
    await till.hold(UUID(int=77), stored)
    assert (await anne.patch(f"/customers/{UUID(int=77)}", json={"phone": "1"})).status_code == 200


async def test_cust_3_a_taken_code_marks_its_field(till: TestTill, anne: httpx.AsyncClient) -> None:
    await till.hold(ID, retail("n-1"))
    answer = await anne.post("/customers", json=NEW)
    assert (answer.status_code, answer.json()["code"]) == (409, "customer.code_taken")
    assert [one["name"] for one in answer.json()["fields"]] == ["code"]


async def test_cust_5_the_warning_is_confirmed_by_the_operator(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.hold(ID, business(tax_number="123"))
    typed = {"kind": "business", "code": "B-2", "name": "Beta", "tax_number": "12-3"}
    warned = await anne.post("/customers", json=typed)
    assert (warned.status_code, warned.json()["code"]) == (409, "customer.duplicate_tax_number")
    confirmed = await anne.post(
        "/customers", json=typed, params={"confirm_duplicate_tax_number": True}
    )
    assert confirmed.status_code == 201


async def test_cust_11_the_description_is_refused_by_name(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.hold(ID, retail())
    answer = await anne.patch(f"/customers/{ID}", json={"description": "mine"})
    assert (answer.status_code, answer.json()["code"]) == (422, "customer.description_read_only")
    assert [one["name"] for one in answer.json()["fields"]] == ["description"]


async def test_an_edit_with_an_old_etag_is_refused(till: TestTill, anne: httpx.AsyncClient) -> None:
    await till.hold(ID, retail(phone="1"))
    seen = (await anne.get(f"/customers/{ID}")).headers["ETag"]
    edited = await anne.patch(f"/customers/{ID}", json={"phone": "2"}, headers={"If-Match": seen})
    assert (edited.status_code, edited.json()["record"]["phone"]) == (200, "2")
    again = await anne.patch(f"/customers/{ID}", json={"phone": "3"}, headers={"If-Match": seen})
    assert (again.status_code, again.json()["code"]) == (412, "customer.changed_meanwhile")
    newer = {"If-Match": edited.headers["ETag"]}
    assert (await anne.patch(f"/customers/{ID}", json={"phone": "3"}, headers=newer)).is_success


@pytest.mark.parametrize("tag", ["abc", "7", '""', '"a", "b"', "x" * 24])
async def test_an_if_match_that_names_no_version_is_told_so(
    till: TestTill, anne: httpx.AsyncClient, tag: str
) -> None:
    await till.hold(ID, retail(phone="1"))
    whole = {"kind": "retail", "code": "A-1", "first_name": "Jeanne", "last_name": "Durand"}
    for method, body in (("PATCH", {"phone": "2"}), ("PUT", whole)):
        answer = await anne.request(
            method, f"/customers/{ID}", json=body, headers={"If-Match": tag}
        )
        assert (answer.status_code, answer.json()["code"]) == (412, "request.wrong_etag")
        assert [one["name"] for one in answer.json()["fields"]] == ["if-match"]
    assert await till.shown(ID) == retail(phone="1")


async def test_a_replacement_needs_to_have_seen_what_is_there(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.hold(ID, retail(phone="1"))
    whole = {"kind": "retail", "code": "A-1", "first_name": "Jeanne", "last_name": "Durand"}
    blind = await anne.put(f"/customers/{ID}", json=whole)
    assert (blind.status_code, blind.json()["code"]) == (428, "customer.etag_missing")
    seen = (await anne.get(f"/customers/{ID}")).headers["ETag"]
    done = await anne.put(f"/customers/{ID}", json=whole, headers={"If-Match": seen})
    assert (done.status_code, done.json()["name"]) == (200, "Durand Jeanne")
    assert await till.shown(ID) == retail(last_name="Durand")


async def test_choosing_gives_the_complete_customer(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.hold(ID, retail(addresses=[LYON]))
    chosen = (await anne.post(f"/customers/{ID}/choose")).json()
    assert chosen["record"]["addresses"][0]["town"] == "Lyon"
    unknown = await anne.post(f"/customers/{REMOTE}/choose")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "customer.unknown")


def _erp(fetched: BaseModel | Exception) -> Any:
    found = FoundCustomer(
        id=REMOTE, version=3, usable=True, editable=True, kind="retail", code="R", name="Dupuis J"
    )

    async def script(question: BaseModel) -> BaseModel:
        if isinstance(question, CustomerSearch):
            return CustomersFound(outcome="found", rows=[found])
        if isinstance(fetched, Exception):
            raise fetched
        return fetched

    return script


async def _search(client: httpx.AsyncClient) -> dict[str, Any]:
    started = await client.post("/searches", json={"phrase": "dup"})
    assert started.status_code == 202, started.text
    path = started.headers["Location"].removeprefix("/api/v1")
    async with asyncio.timeout(20):
        while True:
            found: dict[str, Any] = (await client.get(path)).json()
            if found["state"] != "running":
                return found


@pytest.mark.parametrize("way", ["choose", "preview", "edit"])
async def test_search_9_a_row_of_the_erp_is_kept_once_it_is_used(
    till: TestTill, anne: httpx.AsyncClient, way: str
) -> None:
    record = retail("R", "Dupuis")
    till.erp.script = _erp(
        CustomerFetched(
            customer_id=REMOTE,
            scope="all.customers",
            version=3,
            words=list(words_of(record)),
            record=record,
        )
    )
    till.go_online()
    found = await _search(anne)
    assert [(one["name"], one["held"]) for one in found["rows"]] == [("Dupuis J", False)]
    assert names(await listed(anne)) == []
    match way:
        case "choose":
            answer = await anne.post(f"/customers/{REMOTE}/choose")
        case "preview":
            answer = await anne.get(f"/customers/{REMOTE}")
        case _:
            answer = await anne.patch(f"/customers/{REMOTE}", json={"phone": "1"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == 3
    assert names(await listed(anne)) == ["Dupuis Jeanne"]


async def test_search_10_a_lost_connection_is_said_and_nothing_is_kept(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    till.erp.script = _erp(LinkDown("cut"))
    till.go_online()
    found = await _search(anne)
    answer = await anne.post(f"/customers/{REMOTE}/choose")
    assert (answer.status_code, answer.json()["code"]) == (503, "customer.unretrievable")
    after = (await anne.get(f"/searches/{found['id']}")).json()
    assert (after["rows"], after["code"]) == ([], "customer.unretrievable")
    assert names(await listed(anne)) == []


async def test_search_5_offline_the_outcome_is_told_in_the_language_asked(
    till: TestTill,
) -> None:
    till.go_offline()
    async with till.client(**{"Accept-Language": "fr"}) as anne:
        found = await _search(anne)
    assert (found["state"], found["code"]) == ("unavailable", "search.unavailable")
    assert found["text"].startswith("La recherche dans le système ERP a échoué")


async def test_search_12_a_running_search_is_cancelled(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    till.go_online()
    started = (await anne.post("/searches", json={"phrase": "dup"})).json()
    assert started["state"] == "running"
    cancelled = (await anne.delete(f"/searches/{started['id']}")).json()
    assert cancelled["state"] == "cancelled"


async def test_a_customer_that_is_gone_is_not_shown(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    answer = await anne.get(f"/customers/{ID}")
    assert (answer.status_code, answer.json()["code"]) == (404, "customer.unknown")
