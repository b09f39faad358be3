"""The ERP's users on PostgreSQL: logging in, rights, lock-out."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher, profiles

from erp_node.operators import RIGHTS, Operators, UnknownRight, WrongUser, set_user
from erp_node.store.migrations import migrate as migrate_erp
from erp_node.store.pool import Pool, open_pool
from tests.databases import Database, Migrate
from web.lockout import LockoutRule
from web.passwords import Passwords
from web.problems import Problem

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHEAP = PasswordHasher.from_parameters(profiles.CHEAPEST)
RULE = LockoutRule(attempts=3, lasts=timedelta(minutes=5))


async def _migrate(dsn: str) -> None:
    await migrate_erp(dsn)


@pytest.fixture
def migrate() -> Migrate:
    return _migrate


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.dsn, max_size=8)
    await set_user(opened, Passwords(CHEAP), "anna", "secret word", ["erp.read"])
    yield opened
    await opened.close()


class Time:
    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def operators(pool: Pool, time: Time) -> Operators:
    return Operators(pool, Passwords(CHEAP), time.now, RULE)


async def _refused(operators: Operators, name: str, password: str) -> Problem:
    with pytest.raises(Problem) as caught:
        await operators.log_in(name, password)
    return caught.value


async def test_a_user_logs_in_with_the_rights_given(operators: Operators) -> None:
    account = await operators.log_in("anna", "secret word")
    assert (account.name, account.rights) == ("anna", frozenset({"erp.read"}))
    assert await operators.find("anna") == account
    assert await operators.find("nobody") is None


async def test_a_user_set_again_has_another_password_and_all_rights(
    operators: Operators, pool: Pool
) -> None:
    await set_user(pool, Passwords(CHEAP), "anna", "other word")
    assert (await operators.log_in("anna", "other word")).rights == RIGHTS
    assert (await _refused(operators, "anna", "secret word")).code == "session.wrong_password"


async def test_an_unknown_right_is_named(pool: Pool) -> None:
    with pytest.raises(UnknownRight, match=r"erp\.all: there are only erp\.customers, "):
        await set_user(pool, Passwords(CHEAP), "anna", "secret word", ["erp.all"])


@pytest.mark.parametrize(
    ("name", "password", "what"),
    [("", "secret word", "name"), ("  ", "secret word", "name"), ("x" * 61, "secret word", "name"),
     ("bob", "", "password"), ("bob", " " * 8, "password"), ("bob", "1234567", "password"),
     ("bob", "x" * 1_001, "password")],
)  # fmt: skip
async def test_a_user_who_could_not_log_in_is_refused(
    pool: Pool, name: str, password: str, what: str
) -> None:
    with pytest.raises(WrongUser, match=f"the {what} must have"):
        await set_user(pool, Passwords(CHEAP), name, password)
    assert await pool.fetchval("SELECT count(*) FROM erp_user WHERE name = $1", name) == 0


async def test_who_is_not_active_is_nobody(operators: Operators, pool: Pool) -> None:
    await pool.execute("UPDATE erp_user SET active = false")
    assert (await _refused(operators, "anna", "secret word")).code == "session.wrong_password"
    assert await operators.find("anna") is None


async def test_wrong_passwords_lock_even_the_right_one_out_for_a_while(
    operators: Operators, time: Time
) -> None:
    for _ in range(3):
        assert (await _refused(operators, "anna", "guess")).code == "session.wrong_password"
    locked = await _refused(operators, "anna", "secret word")
    assert (locked.status, locked.code, locked.headers["Retry-After"]) == (
        429,
        "session.locked",
        "300",
    )
    time.at += timedelta(minutes=5)
    assert (await operators.log_in("anna", "secret word")).name == "anna"


async def _answers(operators: Operators, name: str, time: Time) -> list[tuple[str, str | None]]:
    """Of wrong passwords until after the lock: code, and how long is to be waited."""
    answers = []
    for _ in range(2):
        for _ in range(5):
            problem = await _refused(operators, name, "guess")
            answers.append((problem.code, problem.headers.get("Retry-After")))
        time.at += timedelta(minutes=5)
    return answers


async def test_names_nobody_has_are_locked_as_those_of_users_are(
    operators: Operators, pool: Pool, time: Time
) -> None:
    await set_user(pool, Passwords(CHEAP), "zoe", "secret word")
    await pool.execute("UPDATE erp_user SET active = false WHERE name = 'zoe'")
    known = await _answers(operators, "anna", time)
    assert [code for code, _ in known[:5]].count("session.locked") == 2
    assert await _answers(operators, "nobody", time) == known
    assert await _answers(operators, "zoe", time) == known


async def test_only_the_newest_names_nobody_has_are_kept_and_users_always(
    pool: Pool, time: Time
) -> None:
    operators = Operators(pool, Passwords(CHEAP), time.now, RULE, strangers=3)
    for name in ("anna", *(f"nobody-{n}" for n in range(5)), "nobody-2"):
        await _refused(operators, name, "guess")
    kept = await pool.fetch("SELECT name, failures FROM login_failure ORDER BY name")
    assert [tuple(row) for row in kept] == [
        ("anna", 1),
        ("nobody-2", 2),
        ("nobody-3", 1),
        ("nobody-4", 1),
    ]


async def test_a_new_password_unlocks(operators: Operators, pool: Pool) -> None:
    for _ in range(4):
        await _refused(operators, "anna", "guess")
    await set_user(pool, Passwords(CHEAP), "anna", "other word")
    assert (await operators.log_in("anna", "other word")).name == "anna"


async def test_a_right_password_forgets_the_wrong_ones(operators: Operators) -> None:
    for _ in range(3):
        for _ in range(2):
            await _refused(operators, "anna", "guess")
        await operators.log_in("anna", "secret word")


async def test_many_attempts_at_once_gain_nothing(operators: Operators) -> None:
    refusals = await asyncio.gather(*(_refused(operators, "anna", "guess") for _ in range(20)))
    codes = [one.code for one in refusals]
    assert codes.count("session.wrong_password") == 3
    assert codes.count("session.locked") == 17


async def test_a_weaker_hash_is_replaced_at_log_in(pool: Pool, time: Time) -> None:
    stronger = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)
    await Operators(pool, Passwords(stronger), time.now).log_in("anna", "secret word")
    kept = await pool.fetchval("SELECT password_hash FROM erp_user")
    assert kept.startswith("$argon2id$v=19$m=64,t=2,p=1$")


async def test_the_password_itself_is_nowhere(pool: Pool) -> None:
    row = await pool.fetchrow("SELECT * FROM erp_user")
    assert "secret word" not in str(row)
