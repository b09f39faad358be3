"""Loyalty cards at the till: giving, asking for and blocking them, with or without the ERP (CARD-2 … CARD-13, CARD-15).

What a till shows of a customer's cards is what the ERP sent, with the changes made here and still on their way.
"""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar
from uuid import UUID

import structlog
from pydantic import BaseModel

from contracts import envelope
from contracts.cards import (
    ASSIGNABLE,
    Card,
    CardAssigned,
    CardBlocked,
    CardConfirm,
    CardForm,
    CardGiven,
    CardIssue,
    CardLock,
    CardLocked,
    CardRelease,
    CardReleased,
    CardRequested,
    CardState,
    CardStopped,
    Wanted,
    card_key,
)
from contracts.customers import Customer
from contracts.envelope import MessageError
from contracts.journal import Author
from contracts.reference import CardType, Choice
from contracts.settings import Settings
from contracts.topology import ALL
from messaging.channel import MessagingError
from messaging.clock import Clock
from pos_node.customers import refuse_gone
from pos_node.journal import Stamp, record_change
from pos_node.questions import AnswerRefused, Questions
from pos_node.refusal import Refusal
from pos_node.store import cards as rows
from pos_node.store.cards import CardChange, CardData
from pos_node.store.customers import find_customer
from pos_node.store.database import Priority, Store
from pos_node.store.journal import count_of_customer
from pos_node.store.reference import read_entries, read_settings
from web.problems import FieldProblem
from web.sessions import Account

ASSIGN_RIGHT = "card.assign"
BLOCK_RIGHT = "card.block"
ANSWER_S = 3.0
"""How long a cashier waits for the ERP's word on a card."""

M = TypeVar("M", bound=BaseModel)

_log = structlog.get_logger("cards")


@dataclass(frozen=True, slots=True)
class ShownCard:
    """A card as the till shows it. `waiting`: what was done here has not been answered yet. A virtual card that was
    asked for has no number yet."""

    number: str | None
    form: CardForm
    type: str | None
    state: CardState
    points: int = 0
    reason: str | None = None
    waiting: bool = False

    @property
    def works(self) -> bool:
        return self.state in ASSIGNABLE


@dataclass(frozen=True, slots=True)
class CardWish:
    """The card a customer is to get: a number, or none for a virtual one. `type` may be left out where there is
    no choice (CARD-5)."""

    number: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What came of giving a card: `issued`, or `requested` when its number is still to come (CARD-9)."""

    outcome: Literal["issued", "requested"]
    code: str
    card: ShownCard


@dataclass(frozen=True, slots=True)
class Reserved:
    """A card this till has locked in the ERP for a customer; `until` on the event loop's clock."""

    customer_id: UUID
    card: Wanted
    token: int
    until: float


@dataclass(frozen=True, slots=True)
class Found:
    """A card looked up by its number (CARD-1): whose it is, as far as this till knows."""

    card: ShownCard
    customer_id: UUID | None


@dataclass(frozen=True, slots=True)
class Desk:
    """What giving a card looks at: the customer, its cards, what the ERP has set."""

    customer: Customer
    known_to_erp: bool
    cards: tuple[ShownCard, ...]
    types: tuple[CardType, ...]
    settings: Settings
    held: Card | None
    promised_to: UUID | None


def shown_card(card: Card) -> ShownCard:
    """A card as the ERP has it."""
    return ShownCard(card.number, card.form, card.type, card.state, card.points_shown, card.reason)


def overlay(
    cards: Iterable[Card],
    changes: Iterable[CardChange],
    known: Callable[[str], Card | None] = lambda number: None,
) -> tuple[ShownCard, ...]:
    """A customer's cards with what was done here: what works first. `known`: cards nobody has, or somebody else."""
    shown = {card_key(card.number): shown_card(card) for card in cards}

    def give(wanted: Wanted) -> None:
        key, card = card_key(wanted.number), known(wanted.number)
        new = (
            shown_card(card)
            if card
            else ShownCard(wanted.number, "physical", wanted.type, "active")
        )
        shown[key] = replace(shown.get(key, new), waiting=True)

    for change in changes:
        match change:
            case CardAssigned():
                give(change.card)
            case CardBlocked():
                key = card_key(change.number)
                before = shown.get(key) or ShownCard(change.number, "physical", None, "active")
                shown[key] = replace(before, state="blocked", reason=change.reason, waiting=True)
                if change.replacement is not None:
                    give(change.replacement)
            case CardRequested():
                key = str(change.request_id)
                shown[key] = ShownCard(None, "virtual", change.type, "active", waiting=True)
    return tuple(sorted(shown.values(), key=lambda one: not one.works))


def choose_type(wish: CardWish, types: Sequence[CardType], held: Card | None) -> CardType | None:
    """The type of the card to be given; None for a voucher, which has none (CARD-5).

    Raises Refusal: `card.no_type`, `card.choose_type`, `card.type_unknown`, `card.number_missing`.
    """
    if held is not None and held.form == "voucher":
        return None
    visible = [one for one in types if one.visible]
    if held is not None and held.type is not None:
        visible = [one for one in visible if one.code == held.type]
    elif wish.number is not None:
        visible = [one for one in visible if one.form == "physical"]
    if not visible:
        raise Refusal("card.no_type")
    if wish.type is None and len(visible) > 1:
        choices = {"choices": ", ".join(one.code for one in visible)}
        raise Refusal(
            "card.choose_type", choices, [FieldProblem("type", "card.choose_type", choices)]
        )
    chosen = next((one for one in visible if wish.type in (None, one.code)), None)
    if chosen is None:
        params = {"type": wish.type or ""}
        raise Refusal(
            "card.type_unknown", params, [FieldProblem("type", "card.type_unknown", params)]
        )
    if chosen.form == "physical" and wish.number is None:
        raise Refusal("card.number_missing", fields=[FieldProblem("number", "card.number_missing")])
    return chosen


def check_required(kind: CardType | None, customer: Customer) -> None:
    """Raises Refusal `card.field_required`, marking each field a card requires and that has no value (CARD-3)."""
    required = list(kind.required_fields) if kind else []
    if kind is not None and kind.form == "virtual" and "email" not in required:
        required.append("email")
    missing = [name for name in required if not _value_of(customer, name)]
    if missing:
        fields = [FieldProblem(name, "card.field_required", {"field": name}) for name in missing]
        raise Refusal("card.field_required", {"field": missing[0]}, fields)


def check_card(desk: Desk, customer_id: UUID, number: str) -> None:
    """Raises Refusal when this till knows that a card cannot be this customer's (CARD-2, CARD-4, CARD-7)."""
    held, named = desk.held, {"number": number}
    if held is not None and held.state == "blocked":
        raise _at_number("card.blocked", named)
    if held is not None and held.customer_id not in (None, customer_id):
        raise _at_number("card.in_use", named)
    if desk.promised_to not in (None, customer_id):
        raise _at_number("card.in_use", named)
    if held is None:
        return
    if held.state not in ASSIGNABLE:
        raise _at_number("card.inactive", named)
    if held.form == "voucher" and not held.reusable:
        raise _at_number("card.voucher_not_reusable", named)
    if held.form == "voucher" and held.state != "active" and held.value:
        raise _at_number("card.voucher_has_value", named)


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
        self._questions = questions
        self._online = online
        self._wake_relay = wake_relay
        self._pos_id = pos_id
        self._centre = centre
        self._clock = clock
        self._rng = rng
        self._reserved: dict[str, Reserved] = {}

    async def list(self, customer_id: UUID) -> tuple[ShownCard, ...]:
        """A customer's cards (CARD-10). Raises Refusal `customer.unknown`, `customer.deleted`, …"""
        return await self._store.read(_read_cards, customer_id)

    async def find(self, number: str) -> Found:
        """Whose card a number is. Raises Refusal `card.unknown`."""
        return await self._store.read(_find, number)

    async def give(self, customer_id: UUID, wish: CardWish, who: Account) -> Given:
        """Gives a customer a card. Raises Refusal: right.missing, customer.unknown, card.customer_has_one,
        card.no_type, card.choose_type, card.field_required, card.in_use, card.blocked …; where the ERP must confirm
        also card.verify_offline, card.unconfirmed and what the ERP refuses with (CARD-8, CARD-15)."""
        _check_right(who, ASSIGN_RIGHT)
        desk = await self._store.read(self._look, customer_id, wish.number)
        if (present := _present(desk.cards)) is not None:
            raise Refusal("card.customer_has_one", {"number": present.number or ""})
        return await self._give(customer_id, desk, wish, who, None)

    async def reserve(self, customer_id: UUID, wish: CardWish, who: Account) -> float:
        """Has the ERP verify and lock a card as soon as its number is read; for how many seconds (CARD-15).

        `give` then uses this lock. Raises Refusal as `give` does.
        """
        _check_right(who, ASSIGN_RIGHT)
        desk = await self._store.read(self._look, customer_id, wish.number)
        kind = choose_type(wish, desk.types, desk.held)
        check_required(kind, desk.customer)
        number = wish.number or ""
        check_card(desk, customer_id, number)
        card = Wanted(number=number, type=kind.code if kind else None)
        reserved = await self._lock(customer_id, card)
        return max(0.0, reserved.until - _monotonic())

    async def release(self, number: str) -> bool:
        """Gives a reserved card back; False when it was not reserved here, or its time was over."""
        reserved = self._reserved.pop(card_key(number), None)
        if reserved is None:
            return False
        answer = await self._ask(CardRelease(number=number, token=reserved.token), CardReleased)
        return answer is not None and answer.released

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
        desk = await self._store.read(self._look, customer_id, then.number if then else None)
        await self._store.read(_check_reason, reason)
        card = next(
            (one for one in desk.cards if one.number and card_key(one.number) == card_key(number)),
            None,
        )
        if card is None:
            raise _at_number("card.not_theirs", {"number": number})
        if card.state == "blocked":
            raise _at_number("card.blocked", {"number": number})
        block = CardBlocked(
            customer_id=customer_id,
            number=card.number or number,
            reason=reason,
            author=self._author(who),
        )
        if then is None:
            await self._record([block])
            return None
        return await self._give(customer_id, desk, then, who, block)

    async def hear_stopped(self, stopped: CardStopped) -> None:
        """The ERP says that a card is blocked; the feed will say it again (CARD-12). Raises StoreError."""
        data = CardData(stopped.card, stopped.version, ALL)
        await self._store.write(rows.put_card, data, priority=Priority.URGENT)

    async def _give(
        self, customer_id: UUID, desk: Desk, wish: CardWish, who: Account, block: CardBlocked | None
    ) -> Given:
        kind = choose_type(wish, desk.types, desk.held)
        check_required(kind, desk.customer)
        if kind is not None and kind.form == "virtual":
            return await self._request(customer_id, desk, kind, who, block)
        number = wish.number or ""
        check_card(desk, customer_id, number)
        card = Wanted(number=number, type=kind.code if kind else None)
        if desk.settings.card_verify_on_issue:
            return await self._verified(customer_id, desk, card, who, block)
        await self._record([self._assignment(customer_id, card, None, who, block)])
        return await self._issued(customer_id, number)

    async def _verified(
        self, customer_id: UUID, desk: Desk, card: Wanted, who: Account, block: CardBlocked | None
    ) -> Given:
        """Asks for the lock, then confirms; a customer the ERP does not have yet gets the card by the journal."""
        locked = self._held(customer_id, card) or await self._lock(customer_id, card)
        self._reserved.pop(card_key(card.number), None)
        if not desk.known_to_erp:
            await self._record([self._assignment(customer_id, card, locked.token, who, block)])
            return await self._issued(customer_id, card.number)
        confirm = CardConfirm(
            customer_id=customer_id, card=card, token=locked.token, author=self._author(who),
            blocks=block.number if block else None, reason=block.reason if block else None,
        )  # fmt: skip
        given = await self._ask(confirm, CardGiven)
        if given is None:
            raise Refusal("card.unconfirmed", {"number": card.number})
        if given.refusal is not None:
            await self._ask(CardRelease(number=card.number, token=locked.token), None)
            raise _at_number(given.refusal, given.params)
        return await self._keep(given)

    def _held(self, customer_id: UUID, card: Wanted) -> Reserved | None:
        """The lock this till has already, if it will last long enough to be used."""
        reserved = self._reserved.get(card_key(card.number))
        if reserved is None or (reserved.customer_id, reserved.card) != (customer_id, card):
            return None
        return reserved if reserved.until > _monotonic() + ANSWER_S else None

    async def _lock(self, customer_id: UUID, card: Wanted) -> Reserved:
        if not self._online():
            raise Refusal("card.verify_offline")
        asked = _monotonic()
        locked = await self._ask(CardLock(customer_id=customer_id, card=card), CardLocked)
        if locked is None:
            raise Refusal("card.verify_offline")
        if locked.token is None:
            raise _at_number(locked.refusal or "card.in_use", locked.params)
        reserved = Reserved(customer_id, card, locked.token, asked + locked.lasts_s)
        self._reserved = {key: one for key, one in self._reserved.items() if one.until > asked}
        self._reserved[card_key(card.number)] = reserved
        return reserved

    async def _request(
        self, customer_id: UUID, desk: Desk, kind: CardType, who: Account, block: CardBlocked | None
    ) -> Given:
        """A virtual card: at once where the ERP answers, otherwise when it can (CARD-9)."""
        request_id, author = self._new_id(), self._author(who)
        if block is None and desk.known_to_erp and self._online():
            issue = CardIssue(
                customer_id=customer_id, request_id=request_id, type=kind.code, author=author
            )
            given = await self._ask(issue, CardGiven)
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
        data = CardData(given.card, given.version, given.scope or ALL)
        await self._store.write(rows.put_card, data, priority=Priority.CASHIER)
        return Given("issued", "card.issued", shown_card(given.card))

    async def _issued(self, customer_id: UUID, number: str) -> Given:
        cards = await self.list(customer_id)
        shown = next(
            one for one in cards if one.number and card_key(one.number) == card_key(number)
        )
        return Given("issued", "card.issued", shown)

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
            if isinstance(change, CardAssigned):
                look = self._look(connection, change.customer_id, change.card.number)
                check_card(look, change.customer_id, change.card.number)
                if (present := _present(look.cards)) is not None:
                    raise Refusal("card.customer_has_one", {"number": present.number or ""})
            record_change(connection, change, Stamp(self._pos_id, self._new_id(), change.author.at))

    async def _ask(self, question: BaseModel, answer: type[M] | None) -> M | None:
        """None: the ERP did not answer in time, or not in a way that this till understands."""
        try:
            found = await self._questions.ask(question, ANSWER_S)
            return None if answer is None else envelope.read_data(answer, found.raw)
        except AnswerRefused as refused:
            _log.info("question refused", action="card_refused", code=refused.code)
        except (MessagingError, MessageError) as error:
            _log.info("no answer about a card", action="card_unanswered", reason=str(error))
        return None

    def _look(self, connection: sqlite3.Connection, customer_id: UUID, number: str | None) -> Desk:
        stored = find_customer(connection, customer_id)
        if refusal := refuse_gone(stored):
            raise refusal
        customer = stored.customer if stored and stored.state == "active" else None
        if stored is None or customer is None:
            raise Refusal("customer.unknown")
        return Desk(
            customer,
            stored.version > 0 and count_of_customer(connection, customer_id) == 0,
            _read_cards(connection, customer_id),
            read_entries(connection, CardType),
            read_settings(connection, self._centre, self._pos_id),
            rows.find_card(connection, number) if number else None,
            _promised_to(connection, number) if number else None,
        )

    def _author(self, who: Account) -> Author:
        return Author(operator=who.name, at=self._clock.now())

    def _new_id(self) -> UUID:
        return UUID(int=self._rng.getrandbits(128), version=4)


def _read_cards(connection: sqlite3.Connection, customer_id: UUID) -> tuple[ShownCard, ...]:
    stored = find_customer(connection, customer_id)
    if refusal := refuse_gone(stored):
        raise refusal
    if stored is None or stored.state != "active":
        raise Refusal("customer.unknown")
    return _overlaid(connection, customer_id)


def _overlaid(connection: sqlite3.Connection, customer_id: UUID) -> tuple[ShownCard, ...]:
    return overlay(
        rows.cards_of(connection, customer_id),
        rows.changes_of(connection, customer_id),
        lambda number: rows.find_card(connection, number),
    )


def _find(connection: sqlite3.Connection, number: str) -> Found:
    card = rows.find_card(connection, number)
    owner = _promised_to(connection, number) or (card.customer_id if card else None)
    if card is None and owner is None:
        raise Refusal("card.unknown", {"number": number})
    if owner is None or find_customer(connection, owner) is None:
        assert card is not None or owner is not None
        shown = (
            shown_card(card)
            if card
            else ShownCard(number, "physical", None, "active", waiting=True)
        )
        return Found(shown, owner)
    cards = _overlaid(connection, owner)
    found = [one for one in cards if one.number and card_key(one.number) == card_key(number)]
    return Found(found[0] if found else shown_card(card or Card(number=number)), owner)


def _promised_to(connection: sqlite3.Connection, number: str) -> UUID | None:
    """Whom a card was given to here, the ERP not having answered yet."""
    owner: UUID | None = None
    for change in rows.all_changes(connection):
        wanted = change.card if isinstance(change, CardAssigned) else None
        if isinstance(change, CardBlocked):
            wanted = change.replacement
        if wanted is not None and card_key(wanted.number) == card_key(number):
            owner = change.customer_id
    return owner


def _check_reason(connection: sqlite3.Connection, reason: str) -> None:
    reasons = [one.code for one in read_entries(connection, Choice) if one.list == "block_reason"]
    if reason not in reasons:
        params = {"reason": reason, "choices": ", ".join(reasons)}
        raise Refusal(
            "card.reason_unknown", params, [FieldProblem("reason", "card.reason_unknown", params)]
        )


def _monotonic() -> float:
    return asyncio.get_running_loop().time()


def _check_right(who: Account, right: str) -> None:
    if right not in who.rights:
        raise Refusal("right.missing", {"right": right})


def _present(cards: Iterable[ShownCard]) -> ShownCard | None:
    """The card a customer has: one that is not blocked (CARD-2)."""
    return next((one for one in cards if one.state != "blocked"), None)


def _at_number(code: str, params: dict[str, str]) -> Refusal:
    """The field of the number is marked."""
    return Refusal(code, params, [FieldProblem("number", code, params)])


def _value_of(customer: Customer, name: str) -> object:
    """A field of the record; `postal_code` is the main address's."""
    if name == "postal_code":
        main = customer.main_address
        return main.postal_code if main else None
    return getattr(customer, name, None)
