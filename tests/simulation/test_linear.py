"""The checker of card locks takes what can have happened and nothing else (I4)."""

import pytest

from simulation.checkers.linear import Act, Clock, check_linear, check_tokens

CLOCK = Clock(lasts=10.0, slack=0.1)


def lock(
    till: str,
    began: float,
    ended: float | None,
    token: int | None,
    refusal: str | None = None,
    customer: str = "z",
) -> Act:
    return Act(till, "lock", began, ended, token, customer, refusal)


def confirm(
    till: str,
    began: float,
    ended: float | None,
    token: int,
    customer: str,
    refusal: str | None = None,
) -> Act:
    return Act(till, "confirm", began, ended, token, customer, refusal)


def release(
    till: str, began: float, ended: float | None, token: int, refusal: str | None = None
) -> Act:
    return Act(till, "release", began, ended, token, refusal=refusal)


LOCKED, IN_USE, LOST = "card.locked", "card.in_use", "card.lock_lost"

GOOD = {
    "one after the other": [lock("a", 0, 1, 1), release("a", 2, 3, 1), lock("b", 4, 5, 2)],
    "refused while held": [lock("a", 0, 1, 1), lock("b", 2, 3, None, LOCKED)],
    "the later question is decided first": [lock("b", 1, 2, 1), lock("a", 0, 3, None, LOCKED)],
    "expired": [lock("a", 0, 1, 1), lock("b", 11, 12, 2), confirm("a", 12, 13, 1, "x", LOST)],
    "confirmed, and again": [
        lock("a", 0, 1, 1), confirm("a", 2, 3, 1, "x"), confirm("a", 4, 5, 1, "x"), lock("b", 6, 7, None, IN_USE),
    ],
    "no answer, but it was locked": [lock("a", 0, None, None), lock("b", 1, 2, None, LOCKED)],
    "no answer, and it was not": [lock("a", 0, None, None), lock("b", 1, 2, 1)],
    "no answer to a confirmation that counted": [
        lock("a", 0, 1, 1), confirm("a", 2, None, 1, "x"), lock("b", 3, 4, None, IN_USE),
    ],
    "an unanswered release": [lock("a", 0, 1, 1), release("a", 2, None, 1), lock("b", 3, 4, 2)],
    "refused for the customer's sake": [
        lock("a", 0, 1, 1), confirm("a", 2, 3, 1, "x", "card.customer_has_one"), confirm("a", 4, 5, 1, "y"),
    ],
    "the owner's own card": [
        lock("a", 0, 1, 1), confirm("a", 2, 3, 1, "x"), lock("b", 4, 5, 2, customer="x"), lock("a", 5, 6, None, LOCKED),
        confirm("b", 6, 7, 2, "y", IN_USE), confirm("b", 7, 8, 2, "x"), lock("a", 8, 9, None, IN_USE),
    ],
    "the same till asks again": [lock("a", 0, 1, 1), lock("a", 2, 3, 2), release("a", 4, 5, 1, "lost")],
}  # fmt: skip

BAD = {
    "two hold it": [lock("a", 0, 1, 1), lock("b", 2, 3, 2)],
    "a token that is no higher": [lock("a", 0, 1, 2), release("a", 2, 3, 2), lock("b", 4, 5, 1)],
    "refused by nobody": [lock("b", 2, 3, None, LOCKED)],
    "refused after it was given back": [
        lock("a", 0, 1, 1), release("a", 2, 3, 1), lock("b", 4, 5, None, LOCKED),
    ],
    "refused long after its time": [lock("a", 0, 1, 1), lock("b", 20, 21, None, LOCKED)],
    "written under an old token": [
        lock("a", 0, 1, 1), lock("b", 11, 12, 2), confirm("a", 13, 14, 1, "x"),
    ],
    "written after its time": [lock("a", 0, 1, 1), confirm("a", 15, 16, 1, "x")],
    "two own it": [
        lock("a", 0, 1, 1), confirm("a", 2, 3, 1, "x"), lock("b", 4, 5, 2), confirm("b", 6, 7, 2, "y"),
    ],
    "a confirmation forgotten": [lock("a", 0, 1, 1), confirm("a", 2, 3, 1, "x"), lock("b", 4, 5, 2)],
    "lost while it was held": [lock("a", 0, 1, 1), confirm("a", 2, 3, 1, "x", LOST)],
    "in use by nobody": [lock("a", 0, 1, None, IN_USE)],
    "released twice": [lock("a", 0, 1, 1), release("a", 2, 3, 1), release("a", 4, 5, 1)],
    "refused for ever after an unanswered lock": [lock("a", 0, None, None), lock("b", 100, 101, None, LOCKED)],
    "another's token": [lock("a", 0, 1, 1), confirm("b", 2, 3, 1, "x")],
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_i4_what_can_have_happened_is_taken(name: str) -> None:
    assert list(check_linear("C1", GOOD[name], CLOCK)) == []


@pytest.mark.parametrize("name", BAD)
def test_i4_what_cannot_have_happened_is_named(name: str) -> None:
    found = list(check_linear("C1", BAD[name], CLOCK))
    assert [one.invariant for one in found] == ["I4"]


def test_i4_a_token_is_given_once() -> None:
    assert list(check_tokens([GOOD["expired"]])) == []
    assert "token 1" in next(check_tokens([GOOD["expired"], GOOD["refused while held"]])).text
