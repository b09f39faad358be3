"""Tills' questions about cards answered from PostgreSQL (CARD-1 … CARD-9, CARD-13, CARD-15, I4, I5)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts import registry
from contracts.cards import (
    CardConfirm,
    CardGiven,
    CardIssue,
    CardLock,
    CardLocked,
    CardRelease,
    CardReleased,
    Wanted,
    card_key,
)
from erp_node.callers import Callers
from erp_node.card_counter import Counter
from erp_node.card_rules import virtual_number
from erp_node.cards import (
    CardDesk,
    answer_confirm,
    answer_issue,
    answer_lock,
    answer_release,
)
from erp_node.store.cards import tidy
from erp_node.store.pool import Pool, open_pool
from messaging.responder import BadRequest
from tests.databases import Database, Migrate
from tests.erp import (
    ANNA,
    NOON,
    Time,
    deliver,
    enrol,
    migrated,
    put_setting,
    question,
    retail,
    store_customer,
)


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.dsn, max_size=6)
    for pos_id in ("p1", "p2"):
        await enrol(opened, pos_id)
    await put_types(opened)
    yield opened
    await opened.close()


async def put_types(pool: Pool) -> None:
    """Types: `new` (a number comes into being), `known` (predefined, needs a telephone), `mail` (virtual)."""
    for code, form, more in (
        ("new", "physical", ""),
        ("known", "physical", ', "predefined": true, "required_fields": ["phone"]'),
        ("mail", "virtual", ', "required_fields": ["last_name"]'),
    ):
        await pool.execute(
            "INSERT INTO reference (key, kind, record) VALUES ($1, 'card_type', $2)",
            f"card_type/{code}",
            f'{{"kind": "card_type", "code": "{code}", "form": "{form}"{more}}}',
        )


ANSWERS: dict[type, Any] = {
    CardLock: answer_lock,
    CardConfirm: answer_confirm,
    CardIssue: answer_issue,
    CardRelease: answer_release,
}


class Tills:
    """What tills ask, each question as the broker delivers it."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        time = Time()
        self.desk = CardDesk(pool, Callers(time.monotonic), time, uuid4, Counter(pool))

    async def ask(self, pos_id: str, data: Any) -> Any:
        answer = await ANSWERS[type(data)](self.desk, question(pos_id, data))
        return None if answer is None else registry.decode(answer.body).data

    async def lock(
        self, pos_id: str, number: str, customer: UUID, type_: str | None = "new"
    ) -> CardLocked:
        found = await self.ask(
            pos_id, CardLock(customer_id=customer, card=Wanted(number=number, type=type_))
        )
        assert isinstance(found, CardLocked)
        return found

    async def confirm(
        self,
        pos_id: str,
        number: str,
        customer: UUID,
        token: int,
        type_: str | None = "new",
        **more: Any,
    ) -> CardGiven:
        card = Wanted(number=number, type=type_)
        found = await self.ask(
            pos_id, CardConfirm(customer_id=customer, card=card, token=token, author=ANNA, **more)
        )
        assert isinstance(found, CardGiven)
        return found

    async def give(
        self, pos_id: str, number: str, customer: UUID, type_: str | None = "new"
    ) -> CardGiven:
        """Locks and confirms."""
        locked = await self.lock(pos_id, number, customer, type_)
        assert locked.token is not None, locked.refusal
        return await self.confirm(pos_id, number, customer, locked.token, type_)

    async def release(self, pos_id: str, number: str, token: int) -> bool:
        found = await self.ask(pos_id, CardRelease(number=number, token=token))
        assert isinstance(found, CardReleased)
        return found.released

    async def pass_by(self, number: str) -> None:
        """The lock's time is over."""
        await self.pool.execute(
            "UPDATE card_lock SET until = clock_timestamp() WHERE number_key = $1", card_key(number)
        )

    async def make(self, number: str, **columns: Any) -> None:
        """Predefines a card, as SQL does it."""
        names = ["number", *columns]
        marks = ", ".join(f"${n}" for n in range(1, len(names) + 1))
        await self.pool.execute(
            f"INSERT INTO card ({', '.join(names)}) VALUES ({marks})", number, *columns.values()
        )


@pytest.fixture
def tills(pool: Pool) -> Tills:
    return Tills(pool)


@pytest.fixture
async def ada(pool: Pool) -> UUID:
    return await store_customer(pool, retail("A-1", "Ada", email="ada@example.com"))


@pytest.fixture
async def bob(pool: Pool) -> UUID:
    return await store_customer(pool, retail("B-1", "Bob", phone="0478"))


async def test_card_15_a_card_that_one_till_has_locked_is_refused_to_the_other(
    tills: Tills, ada: UUID, bob: UUID
) -> None:
    locked = await tills.lock("p1", "C100", ada)
    assert locked.token
    assert 59 <= locked.lasts_s <= 60
    other = await tills.lock("p2", "c100", bob)
    assert (other.token, other.refusal, set(other.params)) == (None, "card.locked", {"until"})
    given = await tills.confirm("p1", "C100", ada, locked.token)
    assert given.card is not None
    assert given.scope == "all.customers"
    assert (given.card.customer_id, given.version, given.card.type) == (ada, 1, "new")
    assert (await tills.lock("p2", "C100", bob)).refusal == "card.in_use"


async def test_card_15_of_many_tills_that_ask_at_once_exactly_one_gets_the_lock(
    tills: Tills, pool: Pool, ada: UUID
) -> None:
    names = [f"q{number}" for number in range(40)]
    for name in names:
        await enrol(pool, name)
    other = Tills(pool)  # a second ERP process
    asking = ((tills, other)[place % 2].lock(name, "C7", ada) for place, name in enumerate(names))
    got = await asyncio.gather(*asking)
    assert sum(one.token is not None for one in got) == 1
    assert {one.refusal for one in got if one.token is None} == {"card.locked"}


async def test_card_15_a_lock_ends_by_its_time_and_its_token_is_refused_then(
    tills: Tills, ada: UUID, bob: UUID
) -> None:
    first = await tills.lock("p1", "C1", ada)
    await tills.pass_by("C1")
    second = await tills.lock("p2", "C1", bob)
    assert first.token
    assert second.token
    assert second.token > first.token
    assert (await tills.confirm("p1", "C1", ada, first.token)).refusal == "card.lock_lost"
    assert (await tills.confirm("p2", "C1", bob, second.token)).refusal is None


async def test_card_15_a_lock_whose_time_is_over_is_lost_even_when_nobody_else_wants_the_card(
    tills: Tills, ada: UUID
) -> None:
    locked = await tills.lock("p1", "C1", ada)
    await tills.pass_by("C1")
    assert locked.token
    assert (await tills.confirm("p1", "C1", ada, locked.token)).refusal == "card.lock_lost"


async def test_card_15_a_till_that_asks_again_gets_a_new_token_and_the_old_one_is_void(
    tills: Tills, ada: UUID
) -> None:
    first, second = [await tills.lock("p1", "C1", ada) for _ in range(2)]
    assert first.token
    assert second.token
    assert second.token > first.token
    assert (await tills.confirm("p1", "C1", ada, first.token)).refusal == "card.lock_lost"
    assert not await tills.release("p1", "C1", first.token)
    assert await tills.release("p1", "C1", second.token)


async def test_i9_a_question_delivered_again_gets_the_lock_it_has(
    tills: Tills, pool: Pool, ada: UUID
) -> None:
    asked = question("p1", CardLock(customer_id=ada, card=Wanted(number="C1", type="new")))
    first, again = [await answer_lock(tills.desk, asked) for _ in range(2)]
    assert first is not None
    assert again is not None
    tokens = [registry.decode(one.body).data for one in (first, again)]
    assert isinstance(tokens[0], CardLocked)
    assert isinstance(tokens[1], CardLocked)
    assert tokens[0].token == tokens[1].token
    assert tokens[1].lasts_s <= tokens[0].lasts_s
    assert await pool.fetchval("SELECT count(*) FROM card_event") == 1


async def test_i9_a_lock_given_back_by_a_question_that_comes_again(tills: Tills, ada: UUID) -> None:
    locked = await tills.lock("p1", "C1", ada)
    asked = question("p1", CardRelease(number="C1", token=locked.token or 0))
    for _ in range(2):
        answer = await answer_release(tills.desk, asked)
        assert answer is not None
        assert registry.decode(answer.body).data == CardReleased(number="C1", released=True)


async def test_card_15_a_question_past_its_deadline_is_not_acted_upon(
    tills: Tills, pool: Pool, ada: UUID, bob: UUID
) -> None:
    """Others that were asked together with it are."""
    late = CardLock(customer_id=ada, card=Wanted(number="C1", type="new"))
    asked = question("p1", late, expires_at=NOON + timedelta(seconds=0.3))
    async with pool.acquire() as connection:
        holds = connection.transaction()
        await holds.start()
        await connection.execute("INSERT INTO card_lock (number_key) VALUES ('C1')")
        waiting = asyncio.create_task(tills.lock("p2", "C2", bob))
        assert await answer_lock(tills.desk, asked) is None
        assert (await waiting).token
        await holds.rollback()
    assert await pool.fetchval("SELECT count(*) FROM card_lock WHERE token IS NOT NULL") == 1


async def test_card_15_a_lock_given_back_is_free_at_once(
    tills: Tills, ada: UUID, bob: UUID
) -> None:
    locked = await tills.lock("p1", "C1", ada)
    assert locked.token
    assert not await tills.release("p2", "C1", locked.token)  # not its own
    assert await tills.release("p1", "C1", locked.token)
    assert not await tills.release("p1", "C1", locked.token)
    assert (await tills.lock("p2", "C1", bob)).token


async def test_i10_a_token_is_worth_nothing_to_another_till(tills: Tills, ada: UUID) -> None:
    locked = await tills.lock("p1", "C1", ada)
    assert locked.token
    assert (await tills.confirm("p2", "C1", ada, locked.token)).refusal == "card.lock_lost"


async def test_i9_a_confirmation_that_comes_again_is_answered_alike(
    tills: Tills, pool: Pool, ada: UUID
) -> None:
    locked = await tills.lock("p1", "C1", ada)
    assert locked.token
    first = await tills.confirm("p1", "C1", ada, locked.token)
    assert await tills.confirm("p1", "C1", ada, locked.token) == first
    assert await pool.fetchval("SELECT count(*) FROM card_event WHERE event = 'assigned'") == 1


async def test_card_2_a_customer_has_one_card_and_only_one_that_works(
    tills: Tills, pool: Pool, ada: UUID
) -> None:
    await tills.give("p1", "C1", ada)
    locked = await tills.lock("p1", "C2", ada)
    assert locked.token
    again = await tills.confirm("p1", "C2", ada, locked.token)
    assert (again.refusal, again.params) == ("card.customer_has_one", {"number": "C1"})
    await tills.make("OLD", state="inactive")
    assert (await tills.lock("p1", "old", ada)).refusal == "card.inactive"


async def test_i5_two_tills_that_give_one_customer_two_cards_at_once(
    tills: Tills, pool: Pool, ada: UUID
) -> None:
    other = Tills(pool)
    locked = [await tills.lock("p1", "C1", ada), await other.lock("p2", "C2", ada)]
    given = await asyncio.gather(
        tills.confirm("p1", "C1", ada, locked[0].token or 0),
        other.confirm("p2", "C2", ada, locked[1].token or 0),
    )
    assert sorted(one.refusal or "" for one in given) == ["", "card.customer_has_one"]


async def test_card_3_the_fields_that_a_card_requires(tills: Tills, ada: UUID, bob: UUID) -> None:
    await tills.make("K1", type="known")
    locked = await tills.lock("p1", "K1", ada, None)
    assert locked.token
    refused = await tills.confirm("p1", "K1", ada, locked.token, None)
    assert (refused.refusal, refused.params) == ("card.field_required", {"field": "phone"})
    assert await tills.release("p1", "K1", locked.token)
    assert (await tills.give("p1", "K1", bob, None)).refusal is None


async def test_card_4_a_voucher_as_card(tills: Tills, ada: UUID, bob: UUID) -> None:
    await tills.make("V1", form="voucher", reusable=True, state="received", value=0)
    await tills.make("V2", form="voucher", reusable=True, state="confirmed", value=5)
    await tills.make("V3", form="voucher", reusable=False, value=5)
    await tills.make("V4", form="voucher", reusable=True, value=5)
    assert (await tills.lock("p1", "V2", ada, None)).refusal == "card.voucher_has_value"
    assert (await tills.lock("p1", "V3", ada, None)).refusal == "card.voucher_not_reusable"
    given = await tills.give("p1", "V1", ada, None)
    assert given.card
    assert (given.card.form, given.card.points_shown) == ("voucher", 0)
    assert (await tills.give("p1", "V4", bob, None)).refusal is None


async def test_card_6_a_number_is_known_or_comes_into_being(tills: Tills, ada: UUID) -> None:
    assert (await tills.lock("p1", "X1", ada, "known")).refusal == "card.unknown"
    assert (await tills.lock("p1", "X1", ada, None)).refusal == "card.unknown"
    assert (await tills.lock("p1", "X1", ada, "mail")).refusal == "card.no_type"
    assert (await tills.lock("p1", "X1", ada, "new")).token


async def test_card_12_a_blocked_card_is_given_to_nobody(tills: Tills, ada: UUID) -> None:
    await tills.make("B1", state="blocked", reason="lost")
    assert (await tills.lock("p1", "B1", ada)).refusal == "card.blocked"


async def test_card_13_the_next_card_takes_the_place_of_the_blocked_one_in_one_step(
    tills: Tills, pool: Pool, ada: UUID
) -> None:
    await tills.give("p1", "C1", ada)
    locked = await tills.lock("p1", "C2", ada)
    assert locked.token
    given = await tills.confirm("p1", "C2", ada, locked.token, blocks="C1", reason="stolen")
    assert given.card
    assert given.card.number == "C2"
    assert given.blocked
    assert (given.blocked.number, given.blocked.state, given.blocked_version) == (
        "C1",
        "blocked",
        2,
    )
    rows = await pool.fetch("SELECT number, state, reason, version FROM card ORDER BY number")
    assert [tuple(row) for row in rows] == [
        ("C1", "blocked", "stolen", 2),
        ("C2", "active", None, 1),
    ]


async def test_card_13_a_block_with_a_next_card_that_cannot_be_given_changes_nothing(
    tills: Tills, pool: Pool, ada: UUID, bob: UUID
) -> None:
    await tills.give("p1", "C1", ada)
    await tills.give("p1", "C2", bob)
    refused = await tills.confirm("p1", "C2", ada, 1, blocks="C1", reason="stolen")
    assert refused.refusal == "card.lock_lost"
    assert await pool.fetchval("SELECT state FROM card WHERE number = 'C1'") == "active"


async def test_card_9_a_virtual_card_is_made_once_for_a_request_with_one_letter(
    tills: Tills, pool: Pool, ada: UUID, bob: UUID
) -> None:
    asked = CardIssue(customer_id=ada, request_id=uuid4(), type="mail", author=ANNA)
    first, again = [await tills.ask("p1", asked) for _ in range(2)]
    assert first == again
    assert first.card.number == virtual_number(asked.request_id)
    assert (first.card.form, first.card.customer_id) == ("virtual", ada)
    letters = await pool.fetch("SELECT number_key, customer_id, state FROM card_letter")
    assert [tuple(row) for row in letters] == [(first.card.number, ada, "waiting")]
    nobody = CardIssue(customer_id=bob, request_id=uuid4(), type="mail", author=ANNA)
    refused = await tills.ask("p1", nobody)
    assert (refused.refusal, refused.params) == ("card.field_required", {"field": "email"})
    wrong = CardIssue(customer_id=bob, request_id=uuid4(), type="new", author=ANNA)
    assert (await tills.ask("p1", wrong)).refusal == "card.no_type"


async def test_a_customer_that_cannot_be_used_gets_no_card(tills: Tills, pool: Pool) -> None:
    locked = await tills.lock("p1", "C1", uuid4())
    assert locked.token  # the card is free; it may be for a customer who is still on the way
    assert (await tills.confirm("p1", "C1", uuid4(), locked.token)).refusal == "customer.unknown"
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"centres": ("C2",), "everywhere": False}, "customer.not_available"),
        ({"state": "inactive"}, "customer.not_available"),
        ({"state": "deleted"}, "customer.deleted"),
    )
    for place, (changes, code) in enumerate(cases):
        someone = await store_customer(pool, retail(f"N-{place}"), **changes)
        assert (await tills.confirm("p1", "C1", someone, locked.token)).refusal == code


async def test_settings_say_how_long_a_lock_lasts(tills: Tills, pool: Pool, ada: UUID) -> None:
    await put_setting(pool, "all", "card_lock_s", 5)
    assert (await tills.lock("p1", "C1", ada)).lasts_s == 5


async def test_everything_that_happens_to_a_card_is_in_its_history(
    tills: Tills, pool: Pool, ada: UUID, bob: UUID
) -> None:
    await tills.give("p1", "C1", ada)
    await tills.lock("p2", "C1", bob)
    await pool.execute("UPDATE card SET points = 7 WHERE number = 'C1'")
    await pool.execute("UPDATE card SET state = 'blocked', reason = 'lost' WHERE number = 'C1'")
    rows = await pool.fetch("SELECT event, changed_by, changed_where FROM card_event ORDER BY id")
    user = await pool.fetchval("SELECT session_user::text")
    assert [tuple(row) for row in rows] == [
        ("locked", "pos.p1", "pos.p1"),
        ("assigned", "anna", "pos.p1"),
        ("refused", "pos.p2", "pos.p2"),
        ("changed", user, "sql"),
        ("blocked", user, "sql"),
    ]


async def test_i10_questions_of_strangers_are_refused_before_anything_is_locked(
    tills: Tills, pool: Pool, ada: UUID
) -> None:
    asked = CardLock(customer_id=ada, card=Wanted(number="C1", type="new"))
    for sender in ("p9", "p1"):
        delivery = question(sender, asked)
        wrong = deliver(delivery.body, "pos.p9" if sender == "p9" else "pos.p2")
        with pytest.raises(BadRequest):
            await answer_lock(tills.desk, wrong)
    assert await pool.fetchval("SELECT count(*) FROM card_lock") == 0


async def test_locks_long_over_and_old_questions_are_forgotten_deeds_are_not(
    tills: Tills, pool: Pool, ada: UUID
) -> None:
    await tills.give("p1", "C1", ada)
    await tills.lock("p1", "C2", ada)
    await pool.execute(
        "UPDATE card_lock SET until = until - interval '2 days' WHERE number_key = 'C1'"
    )
    await pool.execute("UPDATE card_event SET at = at - interval '100 days'")
    assert await tidy(pool, 90, 1_000) == 2
    assert await pool.fetchval("SELECT array_agg(number_key) FROM card_lock") == ["C2"]
    assert await pool.fetchval("SELECT array_agg(event) FROM card_event") == ["assigned"]
    again = await tills.lock("p1", "C9", ada)
    assert again.token == 3
