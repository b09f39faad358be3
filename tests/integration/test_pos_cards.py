"""Loyalty cards at the till, through its HTTP API: with and without the ERP (CARD-1 … CARD-13, CARD-15)."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from pydantic import BaseModel

from contracts import envelope
from contracts.cards import (
    Card,
    CardConfirm,
    CardGiven,
    CardIssue,
    CardLock,
    CardLocked,
    CardRelease,
    CardReleased,
    CardStopped,
    row_key,
)
from contracts.feed import RowStruct
from contracts.reference import CardType, Choice
from pos_node.store.arrivals import apply_keyed
from pos_node.store.cards import CardData, find_card, put_card
from pos_node.store.database import Priority
from tests.pos_parts import NOON, put_reference, retail
from tests.pos_till import TestTill, open_till

ADA, BOB = UUID(int=5), UUID(int=6)
SCOPE = "all.customers"
PLASTIC = CardType(code="plastic", form="physical", labels={"fr": "Carte", "en": "Card"})
MAIL = CardType(code="mail", form="virtual", labels={"en": "By e-mail"})
STRICT = CardType(code="strict", form="physical", required_fields=["birth_date", "postal_code"])
HIDDEN = CardType(code="hidden", form="physical", visible=False)
LOST = Choice(code="lost", list="block_reason")


@pytest.fixture
async def till(folder: Path) -> AsyncIterator[TestTill]:
    async with open_till(folder) as opened:
        await opened.hold(ADA, retail(email="ada@example.com"))
        await opened.hold(BOB, retail("B-1"))
        await types(opened, PLASTIC)
        await opened.store.write(put_reference, LOST, priority=Priority.FEED)
        yield opened


@pytest.fixture
async def anne(till: TestTill) -> AsyncIterator[httpx.AsyncClient]:
    async with till.client() as client:
        yield client


async def types(till: TestTill, *some: CardType) -> None:
    await till.store.write(
        lambda c: c.execute("DELETE FROM reference WHERE key LIKE 'card_type/%'"),
        priority=Priority.FEED,
    )
    await till.store.write(put_reference, *some, priority=Priority.FEED)


async def bring(till: TestTill, card: Card, version: int = 1, scope: str = SCOPE) -> None:
    """A card as a page of the feed brings it."""
    record = msgspec.Raw(envelope.dump(card))
    row = RowStruct(key=row_key(card.number), version=version, kind="card", record=record)
    await till.store.write(apply_keyed, scope, [row], priority=Priority.FEED)


async def give(client: httpx.AsyncClient, who: UUID = ADA, **wanted: Any) -> httpx.Response:
    return await client.post(f"/customers/{who}/cards", json=wanted)


async def block(
    client: httpx.AsyncClient, number: str, who: UUID = ADA, **wanted: Any
) -> httpx.Response:
    return await client.post(
        f"/customers/{who}/cards/{number}/block", json={"reason": "lost"} | wanted
    )


async def cards(client: httpx.AsyncClient, who: UUID = ADA) -> list[tuple[Any, ...]]:
    shown = (await client.get(f"/customers/{who}/cards")).json()["cards"]
    return [(one["number"], one["state"], one["waiting"]) for one in shown]


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def sent(till: TestTill) -> list[dict[str, Any]]:
    """What waits to be sent, and was."""
    bodies = [json.loads(one.body) for one in till.publisher.messages]
    return [{"type": one["type"], **one["data"]} for one in bodies]


async def test_card_8_a_card_is_given_at_once_and_travels_on_its_own(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    given = await give(anne, number="C100")
    assert code(given) == (201, "card.issued")
    assert given.json()["card"]["label"] == "Card"
    assert await cards(anne) == [("C100", "active", True)]
    assert till.erp.asked == []
    assert await till.waiting() == 1
    await bring(till, Card(number="C100", type="plastic", customer_id=ADA, points=12))
    await till.apply(1, **{SCOPE: 1})
    await till.reach(**{SCOPE: 1})
    assert await cards(anne) == [("C100", "active", False)]
    preview = (await anne.get(f"/customers/{ADA}")).json()
    assert [(one["number"], one["points"]) for one in preview["cards"]] == [("C100", 12)]


async def test_card_8_an_assignment_that_lost_the_arbitration_is_undone(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await give(anne, number="C100")
    await bring(till, Card(number="C100", customer_id=BOB))
    await till.apply(1, **{SCOPE: 1})
    await till.reach(**{SCOPE: 1})
    assert await cards(anne) == []
    assert (await anne.get("/cards/c100")).json()["customer_id"] == str(BOB)


async def test_card_7_the_local_store_is_always_checked(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await bring(till, Card(number="C1", customer_id=BOB))
    await bring(till, Card(number="C2", state="blocked", reason="lost"), scope="all")
    await bring(till, Card(number="C3", state="inactive"))
    for number, why in (("c1", "card.in_use"), ("C2", "card.blocked"), ("C3", "card.inactive")):
        refused = await give(anne, number=number)
        assert code(refused) == (409, why)
        assert [one["name"] for one in refused.json()["fields"]] == ["number"]


async def test_card_7_a_card_given_here_a_moment_ago_is_in_use(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await give(anne, number="C5")
    assert code(await give(anne, BOB, number="c5")) == (409, "card.in_use")


async def test_card_2_a_customer_has_one_card(till: TestTill, anne: httpx.AsyncClient) -> None:
    await give(anne, number="C1")
    assert code(await give(anne, number="C2")) == (409, "card.customer_has_one")


async def test_card_3_what_a_card_requires_is_marked_field_by_field(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await types(till, STRICT)
    refused = await give(anne, number="C1")
    assert code(refused) == (422, "card.field_required")
    assert [one["name"] for one in refused.json()["fields"]] == ["birth_date", "postal_code"]


async def test_card_5_none_one_or_a_choice_of_types(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await types(till, HIDDEN)
    assert code(await give(anne, number="C1")) == (409, "card.no_type")
    await types(till, PLASTIC, STRICT, HIDDEN)
    assert code(await give(anne, number="C1")) == (422, "card.choose_type")
    assert code(await give(anne, number="C1", type="hidden")) == (422, "card.type_unknown")
    assert code(await give(anne, type="plastic")) == (422, "card.number_missing")
    await types(till, PLASTIC, STRICT, MAIL)
    refused = await give(anne, number="C1", type="mail")
    assert code(refused) == (422, "card.virtual_has_no_number")
    await bring(till, Card(number="G1", type="strict"))
    assert code(await give(anne, number="G1", type="plastic")) == (409, "card.made_otherwise")
    shown = (await anne.get(f"/customers/{ADA}/cards")).json()
    assert [one["code"] for one in shown["types"]] == ["mail", "plastic", "strict"]
    assert code(await give(anne, number="C1", type="plastic")) == (201, "card.issued")


async def test_card_4_a_voucher_needs_no_type_and_shows_no_points(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await types(till, PLASTIC, STRICT)
    await bring(till, Card(number="V1", form="voucher", value="5.00"))
    await bring(
        till, Card(number="V2", form="voucher", reusable=True, value="5.00", state="received")
    )
    await bring(till, Card(number="V3", form="voucher", reusable=True, value="5.00", points=3))
    assert code(await give(anne, number="V1")) == (409, "card.voucher_not_reusable")
    assert code(await give(anne, number="V2")) == (409, "card.voucher_has_value")
    given = (await give(anne, number="V3")).json()
    assert (given["card"]["form"], given["card"]["points"]) == ("voucher", 0)


@pytest.mark.parametrize("number", ["", "C 1", "Ç1", "C-1", "1" * 1001])
async def test_card_1_a_number_is_alphanumeric(anne: httpx.AsyncClient, number: str) -> None:
    refused = await give(anne, number=number)
    assert refused.status_code == 422
    assert [one["name"] for one in refused.json()["fields"]] == ["number"]


async def test_card_1_a_card_tells_its_customer(till: TestTill, anne: httpx.AsyncClient) -> None:
    assert code(await anne.get("/cards/C1")) == (404, "card.unknown")
    await give(anne, number="C" * 900)
    found = (await anne.get(f"/cards/{'c' * 900}")).json()
    assert (found["customer_id"], found["here"], found["card"]["waiting"]) == (str(ADA), True, True)


async def test_card_12_blocking_needs_a_reason_of_the_erps_list(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await give(anne, number="C1")
    refused = await block(anne, "C1", reason="mood")
    assert code(refused) == (422, "card.reason_unknown")
    assert code(await block(anne, "C9")) == (409, "card.not_theirs")
    assert code(await block(anne, "c1")) == (200, "card.is_blocked")
    assert await cards(anne) == [("C1", "blocked", True)]
    assert code(await block(anne, "C1")) == (409, "card.blocked")


async def test_card_13_the_next_card_comes_with_the_block(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await bring(till, Card(number="C1", customer_id=ADA))
    await bring(till, Card(number="B1", customer_id=BOB))
    assert code(await block(anne, "C1", new_card={"number": "B1"})) == (409, "card.in_use")
    assert await cards(anne) == [("C1", "active", False)]
    assert code(await block(anne, "C1", new_card={"number": "C2"})) == (200, "card.issued")
    assert await cards(anne) == [("C2", "active", True), ("C1", "blocked", True)]
    assert await till.waiting() == 1


async def test_card_rights(till: TestTill) -> None:
    async with till.client("ben") as ben:
        assert code(await give(ben, number="C1")) == (403, "right.missing")
        assert code(await block(ben, "C1")) == (403, "right.missing")


async def test_card_12_a_customer_who_is_not_here_is_said_so(anne: httpx.AsyncClient) -> None:
    assert code(await block(anne, "C1", UUID(int=9))) == (404, "customer.unknown")
    assert code(await give(anne, UUID(int=9), number="C1")) == (404, "customer.unknown")


class Erp:
    """The ERP's part of an exchange about a card."""

    def __init__(self, till: TestTill) -> None:
        self.answers: dict[type, BaseModel | Exception | None] = {}
        till.erp.script = self.answer

    async def answer(self, asked: BaseModel) -> BaseModel | None:
        found = self.answers.get(type(asked))
        if isinstance(found, Exception):
            raise found
        return found


async def test_card_15_where_the_erp_verifies_the_card_is_locked_and_confirmed(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.settings(card_verify_on_issue=True)
    assert code(await give(anne, number="C1")) == (503, "card.verify_offline")
    till.go_online()
    erp = Erp(till)
    erp.answers[CardLock] = CardLocked(number="C1", refusal="card.locked", params={"until": "noon"})
    assert code(await give(anne, number="C1")) == (409, "card.locked")
    erp.answers[CardLock] = CardLocked(number="C1", token=7, lasts_s=60)
    erp.answers[CardConfirm] = CardGiven(
        number="C1", refusal="card.lock_lost", params={"number": "C1"}
    )
    erp.answers[CardRelease] = CardReleased(number="C1", released=False)
    assert code(await give(anne, number="C1")) == (409, "card.lock_lost")
    card = Card(number="C1", type="plastic", customer_id=ADA)
    erp.answers[CardConfirm] = CardGiven(number="C1", scope=SCOPE, version=3, card=card)
    assert code(await give(anne, number="C1")) == (201, "card.issued")
    confirm = till.erp.asked[-1]
    assert isinstance(confirm, CardConfirm)
    assert confirm.token == 7
    assert await cards(anne) == [("C1", "active", False)]
    assert await till.waiting() == 0


@pytest.mark.parametrize("verify", [True, False])
async def test_card_6_a_card_predefined_in_the_erp_has_its_type_there(
    till: TestTill, anne: httpx.AsyncClient, verify: bool
) -> None:
    await types(till, PLASTIC, STRICT)
    await till.settings(card_verify_on_issue=verify)
    till.go_online()
    erp = Erp(till)
    erp.answers[CardLock] = CardLocked(number="C1", refusal="card.unknown")
    assert code(await give(anne, number="C1")) == (422, "card.choose_type")
    erp.answers[CardLock] = CardLocked(number="C1", refusal="card.in_use", params={"number": "C1"})
    assert code(await give(anne, number="C1")) == (409, "card.in_use")
    erp.answers[CardLock] = CardLocked(number="C1", token=7, lasts_s=60)
    card = Card(number="C1", form="voucher", reusable=True, customer_id=ADA)
    erp.answers[CardConfirm] = CardGiven(number="C1", scope=SCOPE, version=3, card=card)
    assert (await anne.post(f"/customers/{ADA}/cards/C1/reservation")).status_code == 201
    assert code(await give(anne, number="C1")) == (201, "card.issued")
    assert await cards(anne) == [("C1", "active", not verify)]


async def test_card_4_a_voucher_this_till_has_never_seen_needs_nothing_of_the_only_type(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await types(till, STRICT)
    erp = Erp(till)
    assert code(await give(anne, number="V1")) == (422, "card.field_required")
    till.go_online()
    erp.answers[CardLock] = CardLocked(number="V1", refusal="card.unknown")
    assert code(await give(anne, number="V1")) == (422, "card.field_required")
    erp.answers[CardLock] = CardLocked(number="V1", token=7, lasts_s=60)
    assert code(await give(anne, number="V1")) == (201, "card.issued")


async def test_card_15_a_card_is_locked_when_its_number_is_read_and_that_lock_is_used(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.settings(card_verify_on_issue=True)
    place = f"/customers/{ADA}/cards/C1/reservation"
    assert code(await anne.post(place)) == (503, "card.verify_offline")
    till.go_online()
    erp = Erp(till)
    erp.answers[CardLock] = CardLocked(number="C1", token=7, lasts_s=60)
    reserved = await anne.post(place)
    assert reserved.status_code == 201
    assert 55 < reserved.json()["lasts_s"] <= 60
    erp.answers[CardRelease] = CardReleased(number="C1", released=True)
    assert (await anne.delete(place)).json()["released"] is True
    assert (await anne.delete(place)).json()["released"] is False
    await anne.post(place)
    card = Card(number="C1", type="plastic", customer_id=ADA)
    erp.answers[CardConfirm] = CardGiven(number="C1", scope=SCOPE, version=3, card=card)
    assert code(await give(anne, number="C1")) == (201, "card.issued")
    assert sum(isinstance(one, CardLock) for one in till.erp.asked) == 2


async def test_card_15_a_customer_who_is_on_the_way_gets_the_locked_card_by_the_journal(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.settings(card_verify_on_issue=True)
    till.go_online()
    new = {"kind": "retail", "code": "N-1", "first_name": "Léa", "last_name": "Noël"}
    made = UUID((await anne.post("/customers", json=new)).json()["id"])
    erp = Erp(till)
    erp.answers[CardLock] = CardLocked(number="C1", token=7, lasts_s=60)
    assert code(await give(anne, made, number="C1")) == (201, "card.issued")
    assert await cards(anne, made) == [("C1", "active", True)]
    assert await till.waiting() == 2


async def test_card_13_where_the_erp_verifies_both_are_confirmed_in_one_step(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await till.settings(card_verify_on_issue=True)
    till.go_online()
    await bring(till, Card(number="C1", customer_id=ADA))
    erp = Erp(till)
    erp.answers[CardLock] = CardLocked(number="C2", token=8, lasts_s=60)
    card = Card(number="C2", type="plastic", customer_id=ADA)
    erp.answers[CardConfirm] = CardGiven(
        number="C2", scope=SCOPE, version=1, card=card, blocked_version=2,
        blocked=Card(number="C1", state="blocked", reason="lost", customer_id=ADA),
    )  # fmt: skip
    assert code(await block(anne, "C1", new_card={"number": "C2"})) == (200, "card.issued")
    confirm = till.erp.asked[-1]
    assert isinstance(confirm, CardConfirm)
    assert (confirm.blocks, confirm.reason, confirm.card.number) == ("C1", "lost", "C2")
    assert await cards(anne) == [("C2", "active", False), ("C1", "blocked", False)]


async def test_card_13_of_two_cashiers_who_replace_a_card_at_once_one_does(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await bring(till, Card(number="C1", customer_id=ADA))
    answers = await asyncio.gather(
        block(anne, "C1", new_card={"number": "C2"}), block(anne, "C1", new_card={"number": "C3"})
    )
    assert sorted(map(code, answers)) == [(200, "card.issued"), (409, "card.blocked")]
    assert [state for _, state, _ in await cards(anne)] == ["active", "blocked"]


async def test_card_13_the_next_card_is_not_given_beside_one_that_works(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await bring(till, Card(number="C1", customer_id=ADA))
    await bring(till, Card(number="C9", state="inactive", customer_id=ADA))
    refused = await block(anne, "C9", new_card={"number": "C2"})
    assert code(refused) == (409, "card.customer_has_one")
    assert await cards(anne) == [("C1", "active", False), ("C9", "inactive", False)]


async def test_card_9_a_virtual_card_comes_at_once_or_after_reconnecting(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await types(till, MAIL)
    asked = await give(anne, type="mail")
    assert code(asked) == (201, "card.virtual_requested")
    assert await cards(anne) == [(None, "active", True)]
    assert code(await give(anne, type="mail")) == (409, "card.on_its_way")
    till.go_online()
    refused = await give(anne, BOB, type="mail")
    assert code(refused) == (422, "card.field_required")
    eve = UUID(int=7)
    await till.hold(eve, retail("E-1", email="eve@example.com"))
    erp = Erp(till)
    card = Card(number="1234567812345670", form="virtual", type="mail", customer_id=eve)
    erp.answers[CardIssue] = CardGiven(number=card.number, scope=SCOPE, version=1, card=card)
    given = await give(anne, eve, type="mail")
    assert (code(given), given.json()["card"]["number"]) == ((201, "card.issued"), card.number)


async def test_card_12_a_block_told_urgently_counts_at_once_and_the_feed_confirms_it(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await bring(till, Card(number="C1", customer_id=ADA))
    gone = Card(number="C1", customer_id=ADA, state="blocked", reason="stolen")
    await till.parts.cards.hear_stopped(CardStopped(version=2, card=gone, at=NOON))
    assert await cards(anne) == [("C1", "blocked", False)]
    await till.parts.cards.hear_stopped(CardStopped(version=2, card=gone, at=NOON))
    row = RowStruct(key="card/C1", version=2, kind="card", state="withdrawn")
    await till.store.write(apply_keyed, SCOPE, [row], priority=Priority.FEED)
    assert await cards(anne) == [("C1", "blocked", False)]


async def test_card_12_a_block_told_urgently_after_the_card_was_withdrawn_counts(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await bring(till, Card(number="C1", customer_id=ADA))
    row = RowStruct(key="card/C1", version=2, kind="card", state="withdrawn")
    await till.store.write(apply_keyed, SCOPE, [row], priority=Priority.FEED)
    gone = Card(number="C1", customer_id=ADA, state="blocked", reason="stolen")
    await till.parts.cards.hear_stopped(CardStopped(version=2, card=gone, at=NOON))
    assert code(await give(anne, BOB, number="C1")) == (409, "card.blocked")


async def test_card_12_a_card_blocked_here_is_given_to_nobody(anne: httpx.AsyncClient) -> None:
    await give(anne, number="C1")
    assert code(await block(anne, "C1", new_card={"number": "c1"})) == (409, "card.blocked")
    await block(anne, "C1")
    assert code(await give(anne, number="C1")) == (409, "card.blocked")


async def test_i3_what_comes_past_the_feed_never_replaces_what_is_newer(
    till: TestTill, anne: httpx.AsyncClient
) -> None:
    await bring(till, Card(number="C1", customer_id=ADA, points=5), version=4)
    old = Card(number="C1", customer_id=ADA, state="blocked", reason="stolen")
    for version in (3, 4):
        await till.store.write(put_card, CardData(old, version, "all"), priority=Priority.FEED)
    found = await till.store.read(find_card, "c1")
    assert found is not None
    assert found.points == 5
