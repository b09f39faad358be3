"""Loyalty cards at the till: giving, asking for and blocking them, with or without the ERP (CARD-2 … CARD-15)."""

import random
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from contracts.cards import (
    CardAssigned,
    CardBlocked,
    CardChange,
    CardConfirm,
    CardGiven,
    CardIssue,
    CardRequested,
    CardStopped,
    Wanted,
    card_key,
)
from contracts.journal import Author
from contracts.reference import CardType
from contracts.topology import ALL
from messaging.clock import Clock
from pos_node.card_locks import CardLocks
from pos_node.card_views import (
    Found,
    ShownCard,
    find_shown,
    present_card,
    promised_to,
    read_cards,
    shown_card,
)
from pos_node.card_wishes import (
    CardWish,
    Look,
    at_number,
    check_card,
    check_reason,
    check_required,
    check_room,
    choose_type,
    has_one,
)
from pos_node.customers import refuse_gone
from pos_node.journal import Stamp, record_change
from pos_node.questions import Questions
from pos_node.refusal import Refusal
from pos_node.store import cards as rows
from pos_node.store.cards import CardData
from pos_node.store.customers import find_customer
from pos_node.store.database import Priority, Store
from pos_node.store.journal import count_of_customer
from pos_node.store.reference import read_entries, read_settings
from web.sessions import Account

ASSIGN_RIGHT = "card.assign"
BLOCK_RIGHT = "card.block"


@dataclass(frozen=True, slots=True)
class Given:
    """What came of giving a card: `issued`, or `requested` when its number is still to come (CARD-9)."""

    outcome: Literal["issued", "requested"]
    code: str
    card: ShownCard


class Cards:
    """The cashier's use cases. Nobody waits for the ERP unless it has to confirm (CARD-8)."""

    def __init__(
        self,
        store: Store,
        questions: Questions,
        *,
        online: Callable[[], bool],
        wake_relay: Callable[[], None],
        pos_id: str,
        centre: str,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._store = store
        self._online = online
        self._wake_relay = wake_relay
        self._pos_id = pos_id
        self._centre = centre
        self._clock = clock
        self._rng = rng
        self._locks = CardLocks(questions)

    async def list(self, customer_id: UUID) -> tuple[ShownCard, ...]:
        """A customer's cards (CARD-10). Raises Refusal `customer.unknown`, `customer.deleted`, …"""
        return await self._store.read(read_cards, customer_id)

    async def find(self, number: str) -> Found:
        """Whose card a number is. Raises Refusal `card.unknown`."""
        return await self._store.read(find_shown, number)

    async def give(self, customer_id: UUID, wish: CardWish, who: Account) -> Given:
        """Gives a customer a card. Raises Refusal: right.missing, customer.unknown, card.customer_has_one,
        card.no_type, card.choose_type, card.field_required, card.in_use, card.blocked …; where the ERP must confirm
        also card.verify_offline, card.unconfirmed and what the ERP refuses with (CARD-8, CARD-15)."""
        _check_right(who, ASSIGN_RIGHT)
        look = await self._store.read(self._look, customer_id, wish.number)
        if (present := present_card(look.cards)) is not None:
            raise has_one(present)
        return await self._give(customer_id, look, wish, who, None)

    async def reserve(self, customer_id: UUID, wish: CardWish, who: Account) -> float:
        """Has the ERP verify and lock a card as soon as its number is read; for how many seconds (CARD-15).

        `give` then uses this lock. Raises Refusal as `give` does, but for card.customer_has_one: the customer's
        present card may be about to be blocked.
        """
        _check_right(who, ASSIGN_RIGHT)
        look = await self._store.read(self._look, customer_id, wish.number)
        number = wish.number or ""
        check_card(look, customer_id, number)
        kind = await self._type_of(customer_id, look, wish)
        self._check_online()
        card = Wanted(number=number, type=kind.code if kind else None)
        return (await self._locks.reserve(customer_id, card)).left_s

    async def release(self, customer_id: UUID, number: str) -> bool:
        """Gives a reserved card back; False when it was not reserved here, or its time was over."""
        return await self._locks.release(customer_id, number)

    async def block(
        self, customer_id: UUID, number: str, reason: str, then: CardWish | None, who: Account
    ) -> Given | None:
        """Blocks a customer's card, and gives the next one in the same step (CARD-12, CARD-13); what came of that.

        Raises Refusal: right.missing, card.reason_unknown, card.not_theirs, card.blocked, and what `give` raises:
        then nothing was blocked.
        """
        _check_right(who, BLOCK_RIGHT)
        if then is not None:
            _check_right(who, ASSIGN_RIGHT)
        look = await self._store.read(self._look, customer_id, then.number if then else None)
        await self._store.read(check_reason, reason)
        card = next(
            (one for one in look.cards if one.number and card_key(one.number) == card_key(number)),
            None,
        )
        if card is None:
            raise at_number("card.not_theirs", {"number": number})
        same = then is not None and card_key(then.number or "") == card_key(number)
        if card.state == "blocked" or same:
            raise at_number("card.blocked", {"number": number})
        block = CardBlocked(
            customer_id=customer_id,
            number=card.number or number,
            reason=reason,
            author=self._author(who),
        )
        if then is None:
            await self._record([block])
            return None
        return await self._give(customer_id, look, then, who, block)

    async def hear_stopped(self, stopped: CardStopped) -> None:
        """The ERP says that a card is blocked; the feed will say it again (CARD-12). Raises StoreError."""
        data = CardData(stopped.card, stopped.version, ALL)
        await self._store.write(rows.put_card, data, priority=Priority.URGENT)

    async def _give(
        self, customer_id: UUID, look: Look, wish: CardWish, who: Account, block: CardBlocked | None
    ) -> Given:
        number = wish.number or ""
        check_card(look, customer_id, number)
        kind = await self._type_of(customer_id, look, wish)
        if kind is not None and kind.form == "virtual":
            return await self._request(customer_id, look, kind, who, block)
        card = Wanted(number=number, type=kind.code if kind else None)
        if look.settings.card_verify_on_issue:
            return await self._verified(customer_id, look, card, who, block)
        await self._record([self._assignment(customer_id, card, None, who, block)])
        return await self._issued(customer_id, number)

    async def _type_of(self, customer_id: UUID, look: Look, wish: CardWish) -> CardType | None:
        """The type that a card gets; None where it has one in the ERP, or needs none. Raises Refusal as
        `choose_type` and `check_required` do.

        A number this till does not know may be predefined in the ERP, or a voucher's: before a cashier is asked for
        the type, or for what it requires, the ERP is (CARD-4, CARD-5, CARD-6).
        """
        try:
            kind = choose_type(wish, look.types, look.held)
            check_required(kind, look.customer)
            return kind
        except Refusal as refusal:
            if wish.number is None or wish.type is not None or look.held is not None:
                raise
            if not self._online() or await self._locks.find(customer_id, wish.number) is None:
                raise refusal from None
            return None

    async def _verified(
        self, customer_id: UUID, look: Look, card: Wanted, who: Account, block: CardBlocked | None
    ) -> Given:
        """Asks for the lock, then confirms. A customer of whom changes are on their way to the ERP gets the card by the
        journal, after them: the ERP has it locked, but has not given it yet."""
        self._check_online()
        locked = await self._locks.use(customer_id, card)
        if not look.known_to_erp:
            await self._record([self._assignment(customer_id, card, locked.token, who, block)])
            return await self._issued(customer_id, card.number)
        confirm = CardConfirm(
            customer_id=customer_id, card=card, token=locked.token, author=self._author(who),
            blocks=block.number if block else None, reason=block.reason if block else None,
        )  # fmt: skip
        given = await self._locks.confirm(confirm)
        if given is None:
            raise Refusal("card.unconfirmed", {"number": card.number})
        if given.refusal is not None:
            await self._locks.give_back(locked)
            raise at_number(given.refusal, given.params)
        return await self._keep(given)

    async def _request(
        self, customer_id: UUID, look: Look, kind: CardType, who: Account, block: CardBlocked | None
    ) -> Given:
        """A virtual card: at once where the ERP answers, otherwise when it can (CARD-9). With a block it comes by the
        journal, too: right after the block, in the same order at the ERP."""
        request_id, author = self._new_id(), self._author(who)
        if block is None and look.known_to_erp and self._online():
            issue = CardIssue(
                customer_id=customer_id, request_id=request_id, type=kind.code, author=author
            )
            given = await self._locks.issue(issue)
            if given is not None and given.refusal is None:
                return await self._keep(given)
            if given is not None and given.refusal != "customer.unknown":
                raise Refusal(given.refusal or "", given.params)
        wanted = CardRequested(
            customer_id=customer_id, request_id=request_id, type=kind.code, author=author
        )
        await self._record([wanted] if block is None else [block, wanted])
        asked = ShownCard(None, "virtual", kind.code, "active", waiting=True)
        return Given("requested", "card.virtual_requested", asked)

    async def _keep(self, given: CardGiven) -> Given:
        """Stores what the ERP has given, before the feed brings it."""
        assert given.card is not None
        await self._store.write(_put_given, given, priority=Priority.CASHIER)
        return Given("issued", "card.issued", shown_card(given.card))

    async def _issued(self, customer_id: UUID, number: str) -> Given:
        """As it is shown; if the ERP's refusal was even faster, as it was given."""
        given = ShownCard(number, "physical", None, "active", waiting=True)
        key = card_key(number)
        for one in await self.list(customer_id):
            if one.number is not None and card_key(one.number) == key:
                given = one
        return Given("issued", "card.issued", given)

    def _assignment(
        self,
        customer_id: UUID,
        card: Wanted,
        token: int | None,
        who: Account,
        block: CardBlocked | None,
    ) -> CardChange:
        if block is not None:
            return block.model_copy(update={"replacement": card, "token": token})
        return CardAssigned(
            customer_id=customer_id, card=card, token=token, author=self._author(who)
        )

    async def _record(self, changes: Sequence[CardChange]) -> None:
        await self._store.write(self._write, changes, priority=Priority.CASHIER)
        self._wake_relay()

    def _write(self, connection: sqlite3.Connection, changes: Sequence[CardChange]) -> None:
        """Looks once more: somebody else may have given the card or the customer another one meanwhile."""
        for change in changes:
            wanted = _wanted(change)
            look = self._look(connection, change.customer_id, wanted.number if wanted else None)
            if wanted is not None:
                check_card(look, change.customer_id, wanted.number)
            check_room(look, change)
            record_change(connection, change, Stamp(self._pos_id, self._new_id(), change.author.at))

    def _look(self, connection: sqlite3.Connection, customer_id: UUID, number: str | None) -> Look:
        stored = find_customer(connection, customer_id)
        if refusal := refuse_gone(stored):
            raise refusal
        customer = stored.customer if stored and stored.state == "active" else None
        if stored is None or customer is None:
            raise Refusal("customer.unknown")
        return Look(
            customer,
            stored.version > 0 and count_of_customer(connection, customer_id) == 0,
            read_cards(connection, customer_id),
            read_entries(connection, CardType),
            read_settings(connection, self._centre, self._pos_id),
            rows.find_card(connection, number) if number else None,
            promised_to(connection, number) if number else None,
        )

    def _author(self, who: Account) -> Author:
        return Author(operator=who.name, at=self._clock.now())

    def _new_id(self) -> UUID:
        return UUID(int=self._rng.getrandbits(128), version=4)

    def _check_online(self) -> None:
        if not self._online():
            raise Refusal("card.verify_offline")


def _check_right(who: Account, right: str) -> None:
    if right not in who.rights:
        raise Refusal("right.missing", {"right": right})


def _put_given(connection: sqlite3.Connection, given: CardGiven) -> None:
    """The card, and the one that was blocked for it."""
    if given.blocked is not None:
        rows.put_card(connection, CardData(given.blocked, given.blocked_version, ALL))
    if given.card is not None:
        rows.put_card(connection, CardData(given.card, given.version, given.scope or ALL))


def _wanted(change: CardChange) -> Wanted | None:
    """The card that a change gives."""
    match change:
        case CardAssigned():
            return change.card
        case CardBlocked():
            return change.replacement
        case CardRequested():
            return None
