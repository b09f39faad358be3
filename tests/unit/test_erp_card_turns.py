"""Cards, whatever tills and office do one after the other (CARD-2, CARD-9, I4, I5)."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from typing import Literal
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import luhn

from contracts.cards import CardState, Wanted
from erp_node.card_changes import (
    CardEdit,
    decide_change,
    decide_take_away,
    decide_unblock,
)
from erp_node.card_rules import (
    Asker,
    HeldCard,
    Lock,
    Scene,
    decide_assign,
    decide_block,
    decide_lock,
    decide_release,
    virtual_number,
)
from erp_node.card_table import CardTable, Deed
from erp_node.refusals import Refusal
from tests.cards import (
    ADA,
    BOB,
    LASTS,
    NOW,
    TYPES,
)

NUMBERS = ("A", "B")
PEOPLE = {one.id: one for one in (ADA, BOB)}


What = Literal[
    "lock", "confirm", "assign", "block", "release", "take", "unblock", "give", "state", "wait"
]


@dataclass(frozen=True)
class Deal:
    """One thing that somebody does with a card."""

    what: What
    number: str
    who: UUID
    till: str
    token_of: int
    seconds: int
    state: CardState


WHAT: tuple[What, ...] = (
    "lock", "lock", "confirm", "confirm", "assign", "block", "release", "take", "unblock", "give", "state", "wait"
)  # fmt: skip
STATES: tuple[CardState, ...] = ("active", "inactive")
DEALS = [
    Deal(*one)
    for one in product(WHAT, NUMBERS, PEOPLE, ("p1", "p2"), range(4), (1, 30, 61), STATES)
]


@dataclass
class Counted:
    """The cards as decisions leave them, and beside them what must have been so, counted another way."""

    table: CardTable = field(
        default_factory=lambda: CardTable(NOW, {key: HeldCard(key) for key in NUMBERS}, {}, TYPES)
    )
    tokens: list[tuple[int, str, str]] = field(default_factory=list)
    locks: dict[str, tuple[str, int, datetime]] = field(default_factory=dict)

    def do(self, deal: Deal) -> None:
        now, there = self.table.now, self.table.card(deal.number)
        wanted = Wanted(number=deal.number, type="new")
        around = self.table.scene(PEOPLE[deal.who])
        asker = Asker(deal.till, "C1", now, uuid4())
        office = Asker(None, None, now)
        match deal.what:
            case "wait":
                self.table.now = now + timedelta(seconds=deal.seconds)
            case "lock":
                self._lock(deal, wanted, around, asker)
            case "release":
                self._release(deal, asker)
            case "confirm":
                decided = decide_assign(there, wanted, around, asker, self._token(deal))
                self._give(decided, {(deal.till, self._token(deal))})
            case "assign":
                decided = decide_assign(there, wanted, around, asker, None)
                self._give(decided, {None, *((deal.till, one) for one, *_ in self.tokens)})
            case "give":
                self._give(decide_assign(there, wanted, around, office, None), {None})
            case "block":
                self._put(decide_block(there, deal.who, "lost"), "blocked")
            case "take":
                taken = decide_take_away(there, office)
                assert isinstance(taken, Refusal) or taken is there or not self._held(deal.number)
                self._put(taken, "taken away")
            case "unblock":
                owner = PEOPLE.get(there.customer_id) if there.customer_id else None
                self._put(decide_unblock(there, self.table.scene(owner)), "unblocked")
            case "state":
                owner = PEOPLE.get(there.customer_id) if there.customer_id else None
                around = self.table.scene(owner)
                self._put(decide_change(there, CardEdit(state=deal.state), around), "changed")

    def check(self) -> None:
        """I4, I5, CARD-2."""
        working = [one for one in self.table.cards.values() if one.serves]
        owners = [one.customer_id for one in working if one.customer_id is not None]
        assert len(owners) == len(set(owners))
        assert all(one.lock is None or one.lock.token <= len(self.tokens) for one in working)

    def _token(self, deal: Deal) -> int:
        """One of the last tokens that were given out, whoever has it."""
        recent = self.tokens[-4:]
        return recent[deal.token_of % len(recent)][0] if recent else 0

    def _held(self, number: str) -> tuple[str, int] | None:
        """Which till holds a card, and with which token."""
        till, token, until = self.locks.get(number, ("", 0, self.table.now))
        return (till, token) if until > self.table.now else None

    def _lock(self, deal: Deal, wanted: Wanted, around: Scene, asker: Asker) -> None:
        new = len(self.tokens) + 1
        self.tokens.append((new, deal.number, deal.till))
        held, before = self._held(deal.number), self.table.card(deal.number)
        wished = Lock(deal.till, new, self.table.now + LASTS, deal.who)
        decided = decide_lock(before, wanted, around, asker, wished)
        if isinstance(decided, Refusal):
            return
        assert held is None or held[0] == deal.till
        assert decided.lock is not None
        assert before.lock is None or decided.lock.token > before.lock.token
        self.locks[deal.number] = (deal.till, decided.lock.token, decided.lock.until)
        self.table.put_lock(decided, "locked", self._deed())

    def _release(self, deal: Deal, asker: Asker) -> None:
        token = self._token(deal)
        released = decide_release(self.table.card(deal.number), token, asker)
        assert (released is not None) == (self._held(deal.number) == (deal.till, token))
        if released is not None:
            self.table.put_lock(released, "released", self._deed())
            del self.locks[deal.number]

    def _give(
        self, decided: HeldCard | Refusal, while_held: Collection[tuple[str, int] | None]
    ) -> None:
        if isinstance(decided, Refusal):
            return
        before, held = self.table.card(decided.number), self._held(decided.number)
        if self._put(decided, "assigned") is not before:
            assert held in while_held
            assert before.customer_id in (None, decided.customer_id)
            self.locks.pop(decided.number, None)

    def _put(self, decided: HeldCard | Refusal, event: str) -> HeldCard | None:
        if isinstance(decided, Refusal):
            return None
        before = self.table.card(decided.number)
        after = self.table.put(decided, event, self._deed())
        assert after.version == before.version + (after is not before)
        return after

    def _deed(self) -> Deed:
        return Deed("anna", "test", self.table.now)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(DEALS), min_size=40, max_size=80))
def test_i4_i5_locks_exclude_each_other_tokens_grow_and_nobody_has_two_cards(
    deals: list[Deal],
) -> None:
    counted = Counted()
    for deal in deals:
        counted.do(deal)
        counted.check()


@given(st.uuids())
def test_card_9_every_request_has_a_number_with_a_check_digit(request_id: UUID) -> None:
    number = virtual_number(request_id)
    assert luhn.is_valid(number)
    assert number == virtual_number(request_id)
