"""Loyalty cards as the ERP's users see and change them (CARD-2 … CARD-6, CARD-12)."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path, Query, Response

from contracts.cards import CardNumber, Wanted
from erp_node import card_office, customers
from erp_node.api.card_models import (
    BlockWanted,
    CardEventShown,
    CardGiven,
    CardHistory,
    CardPage,
    CardPatch,
    CardShown,
    NewCards,
)
from erp_node.api.services import ErpServices
from erp_node.card_rules import HeldCard
from erp_node.customers import Actor
from web.app import PREFIX
from web.conditions import IfMatch, etag, seen_version
from web.docs import problems
from web.sessions import SignedIn

_NEW = Body(
    examples=[
        {
            "cards": [
                {"number": "2900012345", "type": "gold"},
                {"number": "BON77", "form": "voucher", "reusable": True, "value": "0.00"},
            ]
        }
    ]
)
_PATCH = Body(examples=[{"points": 120}])
_GIVEN = Body(examples=[{"number": "2900012345"}])
_BLOCK = Body(examples=[{"reason": "lost"}])

NumberAsked = Annotated[CardNumber, Path()]
Limit = Annotated[int, Query(ge=1, le=500)]


def cards_router(services: ErpServices) -> APIRouter:
    """All below /cards, and /customers/{id}/cards."""
    router = APIRouter(tags=["loyalty cards"])
    pool, gate = services.pool, services.gate
    reader = Annotated[SignedIn, Depends(gate.needs("erp.read"))]
    writer = Annotated[SignedIn, Depends(gate.needs("erp.customers"))]

    def actor(who: SignedIn) -> Actor:
        return Actor(who.name, services.clock.now())

    @router.get("/cards", responses=problems(401, 403))
    async def list_cards(
        who: reader,
        customer_id: UUID | None = None,
        after: Annotated[
            CardNumber | None, Query(description="`next` of the page before, or any number")
        ] = None,
        limit: Limit = 100,
    ) -> CardPage:
        """Cards by number, of one customer if asked for."""
        found = await card_office.list_cards(
            pool, customer_id=customer_id, after=after, limit=limit
        )
        return _page(found, limit)

    @router.get("/customers/{customer_id}/cards", responses=problems(401, 403, 404))
    async def list_customer_cards(
        customer_id: UUID,
        who: reader,
        after: CardNumber | None = None,
        limit: Limit = 100,
    ) -> CardPage:
        """A customer's cards: the one that works, if any, and those that do not any more (CARD-2)."""
        await customers.find_customer(pool, customer_id)
        found = await card_office.list_cards(
            pool, customer_id=customer_id, after=after, limit=limit
        )
        return _page(found, limit)

    @router.post(
        "/customers/{customer_id}/cards",
        status_code=201,
        responses=problems(401, 403, 404, 409, 410),
    )
    async def give_card(
        customer_id: UUID, given: Annotated[CardGiven, _GIVEN], who: writer, response: Response
    ) -> CardShown:
        """Gives a customer a card (CARD-2, CARD-3, CARD-6); 409 while a till is giving it, or has given it."""
        wanted = Wanted(number=given.number, type=given.type)
        card = await card_office.assign_card(pool, customer_id, wanted, actor(who))
        response.headers["Location"] = f"{PREFIX}/cards/{card.number}"
        return _shown(card, response)

    @router.post("/cards", status_code=201, responses=problems(401, 403, 409))
    async def predefine_cards(new: Annotated[NewCards, _NEW], who: writer) -> CardPage:
        """Makes cards that nobody has yet, all or none (CARD-6). 409 names those that are there already."""
        wanted = [one.held() for one in new.cards]
        made = await card_office.predefine_cards(pool, wanted, actor(who))
        return CardPage(rows=[CardShown.of(one) for one in made])

    @router.get("/cards/{number}", responses=problems(401, 403, 404))
    async def get_card(number: NumberAsked, who: reader, response: Response) -> CardShown:
        """One card with its version and whose it is."""
        return _shown(await card_office.find_card(pool, number), response)

    @router.patch("/cards/{number}", responses=problems(401, 403, 404, 409, 412))
    async def change_card(
        number: NumberAsked,
        patch: Annotated[CardPatch, _PATCH],
        who: writer,
        response: Response,
        if_match: IfMatch = None,
    ) -> CardShown:
        """Gives a card other points, value or state (CARD-4); with If-Match only if nothing came meanwhile (412)."""
        card = await card_office.change_card(
            pool, number, patch.edit(), actor(who), seen_version(if_match)
        )
        return _shown(card, response)

    @router.delete("/cards/{number}/customer", responses=problems(401, 403, 404, 409, 412))
    async def take_card_away(
        number: NumberAsked, who: writer, response: Response, if_match: IfMatch = None
    ) -> CardShown:
        """Takes a card from its customer: it is nobody's then, with its points."""
        card = await card_office.take_card_away(pool, number, actor(who), seen_version(if_match))
        return _shown(card, response)

    @router.post("/cards/{number}/block", responses=problems(401, 403, 404, 412))
    async def block_card(
        number: NumberAsked,
        wanted: Annotated[BlockWanted, _BLOCK],
        who: writer,
        response: Response,
        if_match: IfMatch = None,
    ) -> CardShown:
        """Blocks a card for a reason of the list `block_reason`; every till learns of it at once (CARD-12)."""
        card = await card_office.block_card(
            pool, number, wanted.reason, actor(who), seen_version(if_match)
        )
        return _shown(card, response)

    @router.post("/cards/{number}/unblock", responses=problems(401, 403, 404, 409, 412))
    async def unblock_card(
        number: NumberAsked, who: writer, response: Response, if_match: IfMatch = None
    ) -> CardShown:
        """Makes a blocked card active again, which no till can; 409 when its customer has another one by now."""
        card = await card_office.unblock_card(pool, number, actor(who), seen_version(if_match))
        return _shown(card, response)

    @router.get("/cards/{number}/history", responses=problems(401, 403, 404))
    async def get_card_history(
        number: NumberAsked,
        who: reader,
        before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
        limit: Limit = 100,
    ) -> CardHistory:
        """Who did what with a card, where and when; also what was only asked or refused."""
        lines = await card_office.list_history(pool, number, before=before, limit=limit)
        if not lines:  # a number that is no card yet may have been asked for
            await card_office.find_card(pool, number)
        older = lines[-1].id if len(lines) == limit else None
        return CardHistory(rows=[CardEventShown.of(line) for line in lines], next=older)

    return router


def _page(found: Sequence[HeldCard], limit: int) -> CardPage:
    behind = found[-1].number if len(found) == limit else None
    return CardPage(rows=[CardShown.of(one) for one in found], next=behind)


def _shown(card: HeldCard, response: Response) -> CardShown:
    response.headers["ETag"] = etag(card.version)
    return CardShown.of(card)
