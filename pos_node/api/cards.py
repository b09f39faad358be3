"""A customer's loyalty cards: shown, given, blocked; and whose card a number is (CARD-1 … CARD-13)."""

import sqlite3
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path, Query, Request

from contracts.cards import CardNumber, CardReleased
from contracts.reference import CardType
from contracts.settings import Settings
from contracts.texts import Language
from pos_node.api.models import (
    BlockWanted,
    CardOutcome,
    CardOwner,
    CardReserved,
    CardShown,
    CardsShown,
    CardWanted,
    ListEntry,
)
from pos_node.api.till import Till
from pos_node.card_views import ShownCard
from pos_node.card_wishes import CardWish
from pos_node.cards import Given
from pos_node.store.customers import find_customer
from pos_node.store.reference import read_entries, read_settings
from web.docs import problems
from web.language import language_of
from web.problems import show
from web.sessions import SignedIn

NumberAsked = Annotated[CardNumber, Path()]
Wanted = Annotated[CardWanted, Body(examples=[{"number": "2900012345"}, {"type": "virtual"}])]
Block = Annotated[
    BlockWanted, Body(examples=[{"reason": "lost", "new_card": {"number": "2900012346"}}])
]


def cards_router(till: Till) -> APIRouter:
    """/customers/{id}/cards and /cards/{number}; an operator must be logged in."""
    router = APIRouter(tags=["loyalty cards"])
    person = Annotated[SignedIn, Depends(till.gate)]

    @router.get("/customers/{customer_id}/cards", responses=problems(401, 404, 410))
    async def list_cards(customer_id: UUID, who: person, request: Request) -> CardsShown:
        """A customer's cards, and the types a new one can have (CARD-5, CARD-10)."""
        cards = await till.cards.list(customer_id)
        types, settings = await till.store.read(_set_by_erp, till)
        language = language_of(request)
        return CardsShown(
            cards=[card_shown(one, types, language) for one in cards],
            types=[
                ListEntry(code=one.code, label=one.labels.get(language, one.code))
                for one in types
                if one.visible
            ],
            verify_on_issue=settings.card_verify_on_issue,
        )

    @router.post(
        "/customers/{customer_id}/cards",
        status_code=201,
        responses=problems(401, 403, 404, 409, 410, 503),
    )
    async def give_card(
        customer_id: UUID, wanted: Wanted, who: person, request: Request
    ) -> CardOutcome:
        """Gives a card: at once, unless the ERP must confirm (CARD-8); a virtual one is asked for (CARD-9).

        Refusals: `card.in_use`, `card.blocked`, `card.inactive`, `card.customer_has_one`, `card.on_its_way`,
        `card.no_type`, `card.choose_type`, `card.type_unknown`, `card.made_otherwise`, `card.number_missing`,
        `card.virtual_has_no_number`, `card.field_required`, `card.voucher_not_reusable`, `card.voucher_has_value`,
        `customer.unknown`, `customer.deleted`, `customer.anonymised`, `right.missing`; where the ERP must confirm also
        `card.locked`, `card.lock_lost`, `card.unknown`, `card.verify_offline` and `card.unconfirmed`.
        """
        given = await till.cards.give(customer_id, _wish(wanted), who.account)
        return await _outcome(till, given, language_of(request))

    @router.post(
        "/customers/{customer_id}/cards/{number}/reservation",
        status_code=201,
        responses=problems(401, 403, 404, 409, 410, 503),
    )
    async def reserve_card(
        customer_id: UUID,
        number: NumberAsked,
        who: person,
        type: Annotated[str | None, Query(max_length=60)] = None,
    ) -> CardReserved:
        """Has the ERP verify and lock a card as soon as its number is read: what cannot be given is known before the
        form is filled in (CARD-15). Giving the card uses the lock; it ends by itself. A customer who has a card is no
        reason to refuse: it may be about to be blocked. Other refusals are those of giving the card."""
        lasts = await till.cards.reserve(customer_id, CardWish(number, type), who.account)
        return CardReserved(number=number, lasts_s=round(lasts, 1))

    @router.delete("/customers/{customer_id}/cards/{number}/reservation", responses=problems(401))
    async def release_card(customer_id: UUID, number: NumberAsked, who: person) -> CardReleased:
        """Gives a reserved card back."""
        return CardReleased(number=number, released=await till.cards.release(customer_id, number))

    @router.post(
        "/customers/{customer_id}/cards/{number}/block",
        responses=problems(401, 403, 404, 409, 410, 503),
    )
    async def block_card(
        customer_id: UUID, number: NumberAsked, wanted: Block, who: person, request: Request
    ) -> CardOutcome:
        """Blocks a card for a reason of the ERP's list, and gives the next in the same step (CARD-12, CARD-13).

        Refusals: `card.not_theirs`, `card.blocked`, `card.reason_unknown`, `right.missing`, and those of giving the
        next card: then nothing is blocked.
        """
        then = _wish(wanted.new_card) if wanted.new_card else None
        given = await till.cards.block(customer_id, number, wanted.reason, then, who.account)
        language = language_of(request)
        if given is None:
            done = show("card.is_blocked", {"number": number}, language)
            return CardOutcome(**dict(done), card=None)
        return await _outcome(till, given, language)

    @router.get("/cards/{number}", responses=problems(401, 404, 410))
    async def find_card(number: NumberAsked, who: person, request: Request) -> CardOwner:
        """Whose card this is, as far as the till knows (CARD-1): those of customers that are here, and blocked ones."""
        found = await till.cards.find(number)
        types, _ = await till.store.read(_set_by_erp, till)
        here = found.customer_id is not None and await till.store.read(_is_here, found.customer_id)
        shown = card_shown(found.card, types, language_of(request))
        return CardOwner(card=shown, customer_id=found.customer_id, here=here)

    return router


def card_shown(card: ShownCard, types: tuple[CardType, ...], language: Language) -> CardShown:
    """A card with its type's label."""
    label = next((one.labels.get(language) for one in types if one.code == card.type), None)
    return CardShown(
        number=card.number, form=card.form, type=card.type, label=label or card.type, state=card.state,
        points=card.points, reason=card.reason, waiting=card.waiting,
    )  # fmt: skip


async def _outcome(till: Till, given: Given, language: Language) -> CardOutcome:
    types, _ = await till.store.read(_set_by_erp, till)
    params = {"number": given.card.number} if given.card.number else {}
    told = show(given.code, params, language)
    return CardOutcome(**dict(told), card=card_shown(given.card, types, language))


def _wish(wanted: CardWanted) -> CardWish:
    return CardWish(wanted.number, wanted.type)


def _set_by_erp(
    connection: sqlite3.Connection, till: Till
) -> tuple[tuple[CardType, ...], Settings]:
    settings = read_settings(connection, till.centre, till.pos_id)
    return read_entries(connection, CardType), settings


def _is_here(connection: sqlite3.Connection, customer_id: UUID) -> bool:
    stored = find_customer(connection, customer_id)
    return stored is not None and stored.state == "active"
