"""Loyalty cards over the ERP's API, on PostgreSQL (CARD-2 … CARD-6, CARD-9, CARD-12, I5)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts import registry
from contracts.cards import CardAssigned, CardConfirm, CardGiven, CardLock, CardLocked, Wanted
from erp_node.callers import Callers
from erp_node.card_counter import Counter
from erp_node.cards import CardDesk, answer_confirm, answer_lock
from erp_node.journal import Intake, apply_batch
from erp_node.pressure import Pressure
from tests.databases import Database, Migrate
from tests.erp import ANNA, TillJournal, Time, enrol, question, retail, store_customer
from tests.integration.erp_api import NAME, Api, erp_api, migrate_erp

Json = dict[str, Any]

TYPES: tuple[tuple[str, Json], ...] = (
    ("new", {"form": "physical"}),
    ("gold", {"form": "physical", "predefined": True, "required_fields": ["phone"]}),
    ("mail", {"form": "virtual"}),
)


@pytest.fixture
def migrate() -> Migrate:
    return migrate_erp


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    async with erp_api(database.dsn) as opened:
        for code, body in TYPES:
            await opened.send("PUT", f"/reference/card_type/{code}", body)
        for code in ("lost", "stolen"):
            await opened.send("PUT", f"/reference/choice/{code}", {"list": "block_reason"})
        await opened.send("PUT", "/reference/choice/mr", {"list": "title"})
        yield opened


@pytest.fixture
async def ada(api: Api) -> UUID:
    return await store_customer(api.pool, retail("A-1", "Ada"))


@pytest.fixture
async def bob(api: Api) -> UUID:
    return await store_customer(api.pool, retail("B-1", "Bob", phone="0478"))


async def make(api: Api, *numbers: str, **fields: Any) -> list[Json]:
    cards = [{"number": number, **fields} for number in numbers]
    made: Json = await api.send("POST", "/cards", {"cards": cards}, status=201)
    rows: list[Json] = made["rows"]
    return rows


async def give(api: Api, customer: UUID, number: str, status: int = 201, **more: Any) -> Json:
    path = f"/customers/{customer}/cards"
    given: Json = await api.send("POST", path, {"number": number, **more}, status=status)
    return given


class TillAsking:
    """A till that asks about cards and sends its journal, beside the API."""

    def __init__(self, api: Api, pos_id: str) -> None:
        time = Time()
        callers = Callers(time.monotonic)
        self.pos_id = pos_id
        self.desk = CardDesk(api.pool, callers, time, uuid4, Counter(api.pool))
        self.intake = Intake(api.pool, callers, _never, time.monotonic, Pressure(time.monotonic))
        self.journal = TillJournal(pos_id)

    async def lock(self, number: str, customer: UUID) -> CardLocked:
        asked = CardLock(customer_id=customer, card=Wanted(number=number, type="new"))
        answer = await answer_lock(self.desk, question(self.pos_id, asked))
        assert answer
        locked = registry.decode(answer.body).data
        assert isinstance(locked, CardLocked)
        return locked

    async def confirm(self, number: str, customer: UUID, token: int) -> CardGiven:
        wanted = Wanted(number=number, type="new")
        asked = CardConfirm(customer_id=customer, card=wanted, token=token, author=ANNA)
        answer = await answer_confirm(self.desk, question(self.pos_id, asked))
        assert answer
        given = registry.decode(answer.body).data
        assert isinstance(given, CardGiven)
        return given

    async def assign(self, number: str, customer: UUID) -> None:
        """Gives a card without asking (CARD-8)."""
        card = Wanted(number=number, type="new")
        entry = self.journal.entry(CardAssigned(customer_id=customer, card=card, author=ANNA))
        assert await apply_batch(self.intake, [entry]) == [None]


async def _never(pos_id: str, wanted: object) -> None:
    raise AssertionError("nothing is missing")


@pytest.fixture
async def till(api: Api) -> TillAsking:
    await enrol(api.pool, "p1")
    return TillAsking(api, "p1")


async def test_card_6_cards_are_predefined_and_read_with_their_version(api: Api) -> None:
    voucher = {"form": "voucher", "reusable": True, "state": "received", "value": "5"}
    body = {"cards": [{"number": "C1", "type": "gold", "points": 7}, {"number": "v2", **voucher}]}
    made = await api.send("POST", "/cards", body, status=201)
    assert made["rows"][0] == {
        "number": "C1", "version": 1, "form": "physical", "type": "gold", "state": "active", "customer_id": None,
        "points": 7, "reason": None, "reusable": False, "value": None,
    }  # fmt: skip
    answer = await api.http.get("/cards/V2")
    assert answer.headers["ETag"] == '"1"'
    assert answer.json() == made["rows"][1]
    assert (answer.json()["number"], answer.json()["value"]) == ("v2", "5.00")
    (event,) = (await api.get("/cards/c1/history"))["rows"]
    assert (event["event"], event["changed_by"], event["changed_where"]) == ("made", NAME, "erp")
    assert event["detail"]["points"] == [None, 7]


async def test_card_6_a_number_that_is_there_is_named_and_none_goes_in(api: Api) -> None:
    await make(api, "C1", "C2")
    problem = await api.send(
        "POST", "/cards", {"cards": [{"number": n} for n in ("C3", "c1", "C2", "C3")]}, status=409
    )
    assert (problem["code"], problem["params"]) == ("card.exists", {"number": "C1"})
    assert {one["name"]: one["code"] for one in problem["fields"]} == {
        "cards.1.number": "card.exists",
        "cards.2.number": "card.exists",
        "cards.3.number": "request.part_twice",
    }
    assert [one["number"] for one in (await api.get("/cards"))["rows"]] == ["C1", "C2"]


WRONG: tuple[tuple[Json, str, str], ...] = (
    ({"number": "C-1"}, "cards.0.number", "request.wrong_form"),
    ({"number": ""}, "cards.0.number", "request.too_short"),
    ({}, "cards.0.number", "request.field_missing"),
    ({"number": "C1", "state": "blocked"}, "cards.0.state", "request.no_choice"),
    ({"number": "C1", "points": -1}, "cards.0.points", "request.too_low"),
    ({"number": "C1", "value": "much"}, "cards.0.value", "request.no_number"),
    ({"number": "C1", "colour": "red"}, "cards.0.colour", "request.field_unknown"),
    ({"number": "C1", "type": "silver"}, "cards.0.type", "card.type_unknown"),
    ({"number": "C1", "type": "mail"}, "cards.0.type", "card.type_other_form"),
    ({"number": "C1", "form": "voucher", "type": "new"}, "cards.0.type", "card.type_other_form"),
    ({"number": "C1", "state": "received"}, "cards.0.state", "card.voucher_only"),
    ({"number": "C1", "value": 0}, "cards.0.value", "card.voucher_only"),
    ({"number": "C1", "reusable": True}, "cards.0.reusable", "card.voucher_only"),
    ({"number": "C1", "form": "voucher", "points": 1}, "cards.0.points", "card.voucher_without_points"),
)  # fmt: skip


@pytest.mark.parametrize(("card", "field", "code"), WRONG)
async def test_card_4_card_5_what_is_wrong_with_a_card_is_named(
    api: Api, card: Json, field: str, code: str
) -> None:
    problem = await api.send("POST", "/cards", {"cards": [card]}, status=422)
    assert [(one["name"], one["code"]) for one in problem["fields"]] == [(field, code)]
    assert (await api.get("/cards"))["rows"] == []


async def test_card_2_a_customer_is_given_one_card_and_loses_it_again(
    api: Api, ada: UUID, bob: UUID
) -> None:
    await make(api, "C1", "C2", points=3)
    path = f"/customers/{ada}/cards"
    answer = await api.http.post(path, json={"number": "c1"})
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"2"')
    assert answer.headers["Location"] == "/api/v1/cards/C1"
    assert answer.json()["customer_id"] == str(ada)
    assert (await give(api, ada, "C1"))["version"] == 2  # again: nothing new
    assert (await give(api, bob, "C1", 409))["code"] == "card.in_use"
    second = await give(api, ada, "C2", 409)
    assert (second["code"], second["params"]) == ("card.customer_has_one", {"number": "C1"})
    taken = await api.send("DELETE", "/cards/C1/customer")
    assert (taken["version"], taken["customer_id"], taken["points"]) == (3, None, 3)
    assert (await api.get(path))["rows"] == []
    assert (await give(api, bob, "C1"))["version"] == 4
    events = (await api.get("/cards/C1/history"))["rows"]
    assert [one["event"] for one in events] == [
        "assigned", "taken away", "refused", "assigned", "made",
    ]  # fmt: skip
    assert events[1]["detail"] == {"customer_id": [str(ada), None]}
    assert (events[2]["detail"]["code"], events[2]["customer_id"]) == ("card.in_use", str(bob))


async def test_card_3_card_6_a_card_comes_into_being_unless_its_type_is_predefined(
    api: Api, ada: UUID, bob: UUID
) -> None:
    assert (await give(api, ada, "X1", 404))["code"] == "card.unknown"
    assert (await give(api, ada, "X1", 404, type="gold"))["code"] == "card.unknown"
    assert (await give(api, ada, "X1", 409, type="mail"))["code"] == "card.no_type"
    made = await give(api, ada, "X1", type="new")
    assert (made["version"], made["type"], made["form"]) == (1, "new", "physical")
    await make(api, "G1", type="gold")
    await api.send("DELETE", "/cards/X1/customer")
    problem = await give(api, ada, "G1", 422)
    assert (problem["code"], problem["fields"][0]["name"]) == ("card.field_required", "phone")
    assert (await give(api, bob, "G1"))["customer_id"] == str(bob)


async def test_a_customer_that_cannot_be_used_is_given_no_card_by_the_office(api: Api) -> None:
    await make(api, "C1")
    cases = (
        ({"state": "inactive"}, 409, "customer.not_active"),
        ({"is_customer": False}, 409, "customer.not_active"),
        ({"state": "deleted"}, 410, "customer.deleted"),
        ({"state": "anonymised"}, 410, "customer.anonymised"),
    )
    for place, (changes, status, code) in enumerate(cases):
        customer = await store_customer(api.pool, retail(f"N-{place}"), **changes)  # type: ignore[arg-type]
        assert (await give(api, customer, "C1", status))["code"] == code
    assert (await give(api, uuid4(), "C1", 404))["code"] == "customer.unknown"
    far = await store_customer(api.pool, retail("F"), everywhere=False, centres=("C9",))
    assert (await give(api, far, "C1"))["customer_id"] == str(far)


async def test_card_15_a_card_that_a_till_holds_is_neither_given_nor_taken_away(
    api: Api, till: TillAsking, ada: UUID, bob: UUID
) -> None:
    await make(api, "C1")
    locked = await till.lock("C1", ada)
    problem = await give(api, bob, "C1", 409)
    assert (problem["code"], set(problem["params"])) == ("card.locked", {"until"})
    assert (await till.confirm("C1", ada, locked.token or 0)).refusal is None
    await till.lock("C1", ada)
    assert (await api.send("DELETE", "/cards/C1/customer", status=409))["code"] == "card.locked"
    blocked = await api.send("POST", "/cards/C1/block", {"reason": "lost"})
    assert blocked["state"] == "blocked"  # a block waits for nobody


async def test_card_15_a_lock_whose_time_is_over_is_in_nobodys_way_and_its_token_is_void(
    api: Api, till: TillAsking, ada: UUID, bob: UUID
) -> None:
    await make(api, "C1")
    locked = await till.lock("C1", ada)
    await api.pool.execute("UPDATE card_lock SET until = clock_timestamp()")
    assert (await give(api, bob, "C1"))["customer_id"] == str(bob)
    assert (await till.confirm("C1", ada, locked.token or 0)).refusal == "card.lock_lost"


async def test_card_12_a_card_is_blocked_for_a_reason_and_unblocked_by_the_erp_alone(
    api: Api, ada: UUID
) -> None:
    await make(api, "C1")
    await give(api, ada, "C1")
    problem = await api.send("POST", "/cards/C1/block", {"reason": "mr"}, status=422)
    assert (problem["code"], problem["fields"][0]["name"]) == ("card.reason_unknown", "reason")
    assert problem["params"] == {"reason": "mr", "choices": "lost, stolen"}
    blocked = await api.send("POST", "/cards/C1/block", {"reason": "stolen"})
    assert (blocked["state"], blocked["reason"], blocked["version"]) == ("blocked", "stolen", 3)
    again = await api.send("POST", "/cards/C1/block", {"reason": "lost"})
    assert again == blocked
    assert (await give(api, ada, "C1", 409))["code"] == "card.blocked"
    change = await api.send("PATCH", "/cards/C1", {"state": "active"}, status=409)
    assert change["code"] == "card.blocked"
    free = await api.send("POST", "/cards/C1/unblock")
    assert (free["state"], free["reason"], free["version"]) == ("active", None, 4)
    assert free["customer_id"] == str(ada)
    assert await api.send("POST", "/cards/C1/unblock") == free
    events = (await api.get("/cards/C1/history"))["rows"]
    assert [one["event"] for one in events][:2] == ["unblocked", "refused"]
    assert events[0]["detail"] == {"state": ["blocked", "active"], "reason": ["stolen", None]}


async def test_card_2_a_blocked_card_is_not_unblocked_beside_the_next_one(
    api: Api, ada: UUID
) -> None:
    await make(api, "C1", "C2")
    await give(api, ada, "C1")
    await api.send("POST", "/cards/C1/block", {"reason": "lost"})
    await give(api, ada, "C2")
    problem = await api.send("POST", "/cards/C1/unblock", status=409)
    assert (problem["code"], problem["params"]) == ("card.customer_has_one", {"number": "C2"})
    shown = (await api.get(f"/customers/{ada}/cards"))["rows"]
    assert [(one["number"], one["state"]) for one in shown] == [("C1", "blocked"), ("C2", "active")]
    await api.send("DELETE", "/cards/C1/customer")
    assert (await api.send("POST", "/cards/C1/unblock"))["customer_id"] is None


async def test_card_4_points_value_and_state_are_changed(api: Api, ada: UUID) -> None:
    await make(api, "C1", points=5)
    await make(api, "V1", form="voucher", reusable=True, state="confirmed")
    assert (await api.send("PATCH", "/cards/C1", {"points": 9}))["points"] == 9
    same = await api.send("PATCH", "/cards/C1", {"points": 9, "state": None})
    assert same["version"] == 2
    off = await api.send("PATCH", "/cards/C1", {"state": "inactive"})
    assert (off["state"], off["points"], off["version"]) == ("inactive", 9, 3)
    valued = await api.send("PATCH", "/cards/V1", {"value": "12.5", "state": "active"})
    assert (valued["value"], valued["state"]) == ("12.50", "active")
    await give(api, ada, "V1")
    problem = await api.send("PATCH", "/cards/V1", {"state": "received"}, status=409)
    assert problem["code"] == "card.voucher_has_value"
    problem = await api.send("PATCH", "/cards/V1", {"reusable": False}, status=409)
    assert problem["code"] == "card.voucher_not_reusable"
    problem = await api.send("PATCH", "/cards/C1", {"value": 1}, status=422)
    assert (problem["code"], problem["fields"][0]["name"]) == ("card.voucher_only", "value")
    used = await api.send("PATCH", "/cards/V1", {"value": 0, "state": "received"})
    assert (used["value"], used["state"], used["customer_id"]) == ("0.00", "received", str(ada))
    events = (await api.get("/cards/C1/history"))["rows"]
    assert [one["detail"] for one in events if one["event"] == "changed"] == [
        {"state": ["active", "inactive"]},
        {"points": [5, 9]},
    ]


async def test_a_card_that_was_changed_meanwhile_is_not_changed_by_who_did_not_see_it(
    api: Api, ada: UUID
) -> None:
    await make(api, "C1")
    await give(api, ada, "C1")
    seen = {"If_Match": '"1"'}
    for method, path, body in (
        ("PATCH", "/cards/C1", {"points": 1}),
        ("DELETE", "/cards/C1/customer", None),
        ("POST", "/cards/C1/block", {"reason": "lost"}),
        ("POST", "/cards/C1/unblock", None),
    ):
        problem = await api.send(method, path, body, status=412, **seen)
        assert problem["code"] == "card.changed_meanwhile"
    problem = await api.send("PATCH", "/cards/C1", {"points": 1}, status=412, If_Match="x")
    assert problem["code"] == "request.wrong_etag"
    now = await api.send("PATCH", "/cards/C1", {"points": 1}, If_Match='"2"')
    assert now["version"] == 3


async def test_cards_are_listed_by_number_a_page_at_a_time(api: Api, ada: UUID) -> None:
    await make(api, "b2", "A1", "C3", "d4")
    first = await api.get("/cards", limit=3)
    assert ([one["number"] for one in first["rows"]], first["next"]) == (["A1", "b2", "C3"], "C3")
    second = await api.get("/cards", limit=3, after="c3")
    assert ([one["number"] for one in second["rows"]], second["next"]) == (["d4"], None)
    await give(api, ada, "C3")
    mine = await api.get("/cards", customer_id=ada)
    assert [one["number"] for one in mine["rows"]] == ["C3"]
    assert (await api.get(f"/customers/{ada}/cards"))["rows"] == mine["rows"]
    unknown = await api.get(f"/customers/{uuid4()}/cards", status=404)
    assert unknown["code"] == "customer.unknown"


async def test_the_history_of_a_card_is_read_a_page_at_a_time(api: Api) -> None:
    await make(api, "C1")
    for points in range(1, 6):
        await api.send("PATCH", "/cards/C1", {"points": points})
    first = await api.get("/cards/C1/history", limit=4)
    second = await api.get("/cards/C1/history", limit=4, before=first["next"])
    told = [one["event"] for one in (*first["rows"], *second["rows"])]
    assert (told, second["next"]) == (["changed"] * 5 + ["made"], None)


async def test_a_card_that_there_is_not_is_404_wherever_it_is_asked_for(api: Api) -> None:
    for method, path, body in (
        ("GET", "/cards/X9", None),
        ("GET", "/cards/X9/history", None),
        ("PATCH", "/cards/X9", {"points": 1}),
        ("DELETE", "/cards/X9/customer", None),
        ("POST", "/cards/X9/block", {"reason": "lost"}),
        ("POST", "/cards/X9/unblock", None),
    ):
        problem = await api.send(method, path, body, status=404)
        assert (problem["code"], problem["params"]) == ("card.unknown", {"number": "X9"})
    wrong = await api.get("/cards/X-9", status=422)
    assert (wrong["fields"][0]["name"], wrong["fields"][0]["code"]) == (
        "number", "request.wrong_form",
    )  # fmt: skip


async def test_i5_two_cards_given_to_one_customer_at_once(api: Api, ada: UUID) -> None:
    await make(api, "C1", "C2")
    path = f"/customers/{ada}/cards"
    both = await asyncio.gather(
        *(api.http.post(path, json={"number": number}) for number in ("C1", "C2"))
    )
    assert sorted(one.status_code for one in both) == [201, 409]
    (refused,) = [one.json() for one in both if one.status_code == 409]
    assert refused["code"] == "card.customer_has_one"
    assert len((await api.get(path))["rows"]) == 1


async def test_i5_one_card_given_to_two_customers_at_once(api: Api, ada: UUID, bob: UUID) -> None:
    await make(api, "C1")
    both = await asyncio.gather(
        *(api.http.post(f"/customers/{one}/cards", json={"number": "C1"}) for one in (ada, bob))
    )
    assert sorted(one.status_code for one in both) == [201, 409]
    assert {one.json()["code"] for one in both if one.status_code == 409} == {"card.in_use"}


async def test_card_8_a_till_that_gave_a_card_after_the_office_did_is_told(
    api: Api, till: TillAsking, ada: UUID, bob: UUID
) -> None:
    await give(api, ada, "C1", type="new")
    await till.assign("C1", bob)
    assert (await api.get("/cards/C1"))["customer_id"] == str(ada)
    verdict = await api.pool.fetchval("SELECT record::jsonb->'params'->>'why' FROM verdict")
    assert verdict == "card.in_use"


async def test_card_2_a_card_taken_away_is_given_by_a_till_as_any_other(
    api: Api, till: TillAsking, ada: UUID, bob: UUID
) -> None:
    await make(api, "C1", points=4)
    await till.assign("C1", ada)
    await api.send("DELETE", "/cards/C1/customer")
    locked = await till.lock("C1", bob)
    given = await till.confirm("C1", bob, locked.token or 0)
    assert given.card
    assert (given.card.customer_id, given.version, given.card.points) == (bob, 4, 4)


async def write_letters(api: Api, customer: UUID, *states: str) -> list[UUID]:
    """Letters wanted one after the other, in these states."""
    ids = [uuid4() for _ in states]
    for place, (request_id, state) in enumerate(zip(ids, states, strict=True)):
        await api.pool.execute(
            "INSERT INTO card_letter (request_id, number_key, customer_id, state, attempts, wanted_at, reason)"
            " VALUES ($1, 'V1', $2, $3, 2, clock_timestamp() - make_interval(hours => $4), 'answer 550')",
            request_id, customer, state, 9 - place,
        )  # fmt: skip
    return ids


async def test_card_9_letters_are_listed_by_state_a_page_at_a_time(api: Api, ada: UUID) -> None:
    ids = await write_letters(api, ada, "given_up", "sent", "given_up", "unsure")
    first = await api.get("/card-letters", limit=3)
    assert [one["request_id"] for one in first["rows"]] == [str(one) for one in ids[:3]]
    second = await api.get("/card-letters", limit=3, after=first["next"])
    assert ([one["state"] for one in second["rows"]], second["next"]) == (["unsure"], None)
    lost = (await api.get("/card-letters", state="given_up"))["rows"]
    assert [one["request_id"] for one in lost] == [str(ids[0]), str(ids[2])]
    assert (lost[0]["attempts"], lost[0]["reason"], lost[0]["number"]) == (2, "answer 550", "V1")
    assert lost[0]["customer_id"] == str(ada)
    wrong = await api.get("/card-letters", state="lost", status=422)
    assert wrong["fields"][0]["name"] == "state"


async def test_card_9_a_letter_is_sent_again_when_somebody_wants_it(api: Api, ada: UUID) -> None:
    lost, busy = await write_letters(api, ada, "unsure", "sending")
    again = await api.send("POST", f"/card-letters/{lost}/send-again")
    assert (again["state"], again["attempts"], again["reason"]) == ("waiting", 0, None)
    problem = await api.send("POST", f"/card-letters/{busy}/send-again", status=409)
    assert problem["code"] == "letter.being_sent"
    problem = await api.send("POST", f"/card-letters/{uuid4()}/send-again", status=404)
    assert problem["code"] == "letter.unknown"
