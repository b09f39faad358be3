"""Sessions, rights, passwords and lock-out, as both nodes use them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import httpx
import pytest
from argon2 import PasswordHasher, profiles
from fastapi import APIRouter, Depends

from web.app import create_app
from web.lockout import Attempts, LockoutRule, count_attempt, is_locked
from web.passwords import HASHER, Passwords, hash_password
from web.sessions import Account, Gate, Sessions, SignedIn

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHEAP = PasswordHasher.from_parameters(profiles.CHEAPEST)


class Time:
    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def pass_by(self, time: timedelta) -> None:
        self.at += time


@pytest.fixture
def time() -> Time:
    return Time()


def test_a_session_ends_after_its_lifetime_and_when_closed(time: Time) -> None:
    sessions = Sessions(time.now, lifetime=timedelta(hours=1))
    one, two = sessions.open("anna"), sessions.open("anna")
    assert one.expires_at == NOON + timedelta(hours=1)
    assert sessions.name_of(one.token) == "anna"
    sessions.close(one.token)
    assert sessions.name_of(one.token) is None
    time.pass_by(timedelta(minutes=59))
    assert sessions.name_of(two.token) == "anna"
    time.pass_by(timedelta(minutes=1))
    assert sessions.name_of(two.token) is None


def test_a_clock_set_back_does_not_lengthen_a_session(time: Time) -> None:
    sessions = Sessions(time.now, lifetime=timedelta(hours=1))
    opened = sessions.open("anna")
    time.pass_by(-timedelta(days=1))
    assert sessions.name_of(opened.token) is None


def test_the_number_of_sessions_is_bounded_and_the_oldest_ends(time: Time) -> None:
    sessions = Sessions(time.now, at_most=3)
    tokens = [sessions.open(name).token for name in "abcd"]
    assert [sessions.name_of(token) for token in tokens] == [None, "b", "c", "d"]


def test_tokens_are_long_differ_and_are_not_kept(time: Time) -> None:
    sessions = Sessions(time.now)
    one, two = sessions.open("anna").token, sessions.open("anna").token
    assert one != two
    assert len(one) >= 43
    assert one not in repr(vars(sessions))


class Staff:
    """Accounts that change while people are logged in."""

    def __init__(self) -> None:
        self.accounts = {"anna": Account("anna", frozenset({"customer.edit"}))}

    async def find(self, name: str) -> Account | None:
        return self.accounts.get(name)


@pytest.fixture
def staff() -> Staff:
    return Staff()


@pytest.fixture
async def client(time: Time, staff: Staff) -> AsyncIterator[httpx.AsyncClient]:
    sessions = Sessions(time.now, new_token=lambda: "the-token")
    gate = Gate(sessions, staff.find)
    router = APIRouter()

    @router.get("/me")
    async def me(person: Annotated[SignedIn, Depends(gate)]) -> str:
        return person.name

    @router.get("/edit")
    async def edit(person: Annotated[SignedIn, Depends(gate.needs("customer.edit"))]) -> str:
        return person.name

    sessions.open("anna")
    transport = httpx.ASGITransport(create_app(title="Test", version="1", routers=[router]))
    async with httpx.AsyncClient(transport=transport, base_url="http://test/api/v1") as opened:
        yield opened


TOKEN = {"Authorization": "Bearer the-token"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic the-token"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer \xff"},
    ],
)
async def test_without_a_session_nothing_is_answered(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = await client.get("/me", headers=sent)
    assert (answer.status_code, answer.json()["code"]) == (401, "session.required")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_right_decides_and_one_taken_away_is_gone_at_once(
    client: httpx.AsyncClient, staff: Staff
) -> None:
    assert (await client.get("/edit", headers=TOKEN)).json() == "anna"
    staff.accounts["anna"] = Account("anna", frozenset())
    answer = await client.get("/edit", headers=TOKEN)
    assert (answer.status_code, answer.json()["code"]) == (403, "right.missing")
    assert answer.json()["params"] == {"right": "customer.edit"}
    assert (await client.get("/me", headers=TOKEN)).status_code == 200


async def test_a_person_who_is_gone_is_logged_in_no_more(
    client: httpx.AsyncClient, staff: Staff
) -> None:
    del staff.accounts["anna"]
    answer = await client.get("/me", headers=TOKEN)
    assert (answer.status_code, answer.json()["code"]) == (401, "session.required")


async def test_a_password_is_checked_against_its_own_hash_only() -> None:
    passwords = Passwords(CHEAP)
    one, two = await asyncio.gather(passwords.hash("secret"), passwords.hash("secret"))
    assert one != two
    assert (await passwords.check(one, "secret")).right
    assert not (await passwords.check(one, "Secret")).right
    assert not (await passwords.check("not a hash", "secret")).right


async def test_hashes_are_argon2id_with_the_documented_costs() -> None:
    kept = hash_password("secret")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert (await Passwords().check(kept, "secret")).right


async def test_a_weaker_hash_is_made_anew_when_its_password_was_right() -> None:
    weak = CHEAP.hash("secret")
    passwords = Passwords(PasswordHasher(time_cost=2, memory_cost=64, parallelism=1))
    checked = await passwords.check(weak, "secret")
    assert checked.rehashed is not None
    assert await passwords.check(checked.rehashed, "secret") == (
        type(checked)(right=True, rehashed=None)
    )
    assert (await passwords.check(weak, "wrong")).rehashed is None


async def test_an_unknown_person_costs_as_much_as_a_known_one() -> None:
    spent: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            spent.append(str(hash).rpartition("$")[0].rpartition("$")[0])
            return super().verify(hash, password)

    known = HASHER.hash("secret")
    passwords = Passwords(Counting.from_parameters(profiles.RFC_9106_LOW_MEMORY))
    assert not (await passwords.check(known, "wrong")).right
    assert not (await passwords.check(None, "wrong")).right
    assert spent[0] == spent[1] == "$argon2id$v=19$m=65536,t=3,p=4"


RULE = LockoutRule(attempts=3, lasts=timedelta(minutes=5))


def test_wrong_passwords_in_a_row_lock_an_account_for_a_while() -> None:
    attempts = Attempts()
    for _ in range(2):
        attempts = count_attempt(attempts, RULE, NOON)
        assert not is_locked(attempts, RULE, NOON)
    attempts = count_attempt(attempts, RULE, NOON)
    assert is_locked(attempts, RULE, NOON)
    assert is_locked(attempts, RULE, NOON + timedelta(minutes=4, seconds=59))
    assert not is_locked(attempts, RULE, NOON + timedelta(minutes=5))


def test_after_a_lock_out_counting_begins_again() -> None:
    later = NOON + timedelta(minutes=6)
    attempts = count_attempt(Attempts(3, NOON + timedelta(minutes=5)), RULE, later)
    assert attempts == Attempts(1, None)


def test_a_clock_set_back_does_not_lengthen_a_lock_out() -> None:
    assert not is_locked(Attempts(3, NOON + timedelta(days=1)), RULE, NOON)
