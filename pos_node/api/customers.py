"""The customer list, preview, adding, editing, choosing (LIST, PREV, CUST)."""

import sqlite3
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Header, Query, Request, Response

from contracts.customers import Customer
from contracts.reference import AttributeDefinition, CardType
from contracts.search import SHOWN_AT_MOST, Criteria
from contracts.settings import Settings
from contracts.texts import Language
from pos_node.api.cards import card_shown
from pos_node.api.criteria import criteria_of
from pos_node.api.models import (
    AttributeShown,
    BannerShown,
    BasicData,
    CardShown,
    CustomerLine,
    CustomerList,
    CustomerShown,
    ListWish,
    Preview,
)
from pos_node.api.till import Till
from pos_node.banner import Banner, decide_banner
from pos_node.bookmark import read_bookmark
from pos_node.customers import ETAG, Wish, etag_of
from pos_node.drafts import CustomerDraft, patched, replaced
from pos_node.lists import ListPage, list_customers
from pos_node.refusal import Refusal
from pos_node.store.customers import StoredCustomer
from pos_node.store.journal import count_of_customer
from pos_node.store.reference import read_entries, read_settings
from pos_node.store.views import read_view
from pos_node.view import View
from web.conditions import etag, seen_tag
from web.docs import problems
from web.language import language_of
from web.problems import show
from web.sessions import Account, SignedIn
from web.strict import strict

_DRAFT = {
    "kind": "retail",
    "code": "DUP-1",
    "first_name": "Jeanne",
    "last_name": "Dupont",
    "addresses": [{"country": "FR", "postal_code": "69002", "town": "Lyon"}],
}
Draft = Annotated[CustomerDraft, strict(CustomerDraft), Body(examples=[_DRAFT])]
Patch = Annotated[
    CustomerDraft, strict(CustomerDraft), Body(examples=[{"phone": "+33 4 72 00 00 00"}])
]
IfMatch = Annotated[
    str | None, Header(max_length=200, description="the ETag of what the cashier saw")
]
Confirmed = Annotated[
    bool, Query(description="the cashier was warned of the tax number of another customer (CUST-5)")
]


def customers_router(till: Till) -> APIRouter:
    """All below /customers; an operator must be logged in."""
    router = APIRouter(prefix="/customers", tags=["customers"])
    person = Annotated[SignedIn, Depends(till.gate)]

    @router.get("", responses=problems(401))
    async def list_customers_of_till(
        wish: Annotated[ListWish, Query()], who: person, request: Request
    ) -> CustomerList:
        """Active customers that match, by name, and whether to offer a search in the ERP."""
        found = await till.store.read(_list, wish, till)
        return _list_shown(found, wish, till.centre, language_of(request))

    @router.get("/{customer_id}", responses=problems(401, 404, 409, 410, 503))
    async def preview_customer(
        customer_id: UUID, who: person, request: Request, response: Response
    ) -> Preview:
        """The preview's sections (PREV-1). A customer only a search has found is fetched and kept (SEARCH-9)."""
        stored = await _held(till, customer_id)
        shown = await _shown(till, stored, who.account, request)
        attributes = await till.store.read(read_entries, AttributeDefinition)
        types = await till.store.read(read_entries, CardType)
        language = language_of(request)
        cards = [card_shown(one, types, language) for one in await till.cards.list(customer_id)]
        response.headers["ETag"] = etag(shown.etag)
        return _preview(shown, attributes, cards, language)

    @router.post("", status_code=201, responses=problems(401, 403, 409))
    async def add_customer(
        draft: Draft,
        who: person,
        request: Request,
        response: Response,
        confirm_duplicate_tax_number: Confirmed = False,
    ) -> CustomerShown:
        """Makes a customer, with or without the ERP (CUST-1 to CUST-3, CUST-5)."""
        added = await till.customers.add(
            draft, who.account, same_tax_number_is_fine=confirm_duplicate_tax_number
        )
        return _tagged(await _shown(till, added, who.account, request), response)

    @router.patch("/{customer_id}", responses=problems(401, 403, 404, 409, 410, 412, 503))
    async def edit_customer(
        customer_id: UUID,
        draft: Patch,
        who: person,
        request: Request,
        response: Response,
        if_match: IfMatch = None,
        confirm_duplicate_tax_number: Confirmed = False,
    ) -> CustomerShown:
        """Changes the fields that are given; the others stay. No difference writes nothing."""
        await _held(till, customer_id)
        wish = Wish(
            lambda seen, new_id: patched(seen, draft, new_id),
            seen_tag(if_match, ETAG),
            confirm_duplicate_tax_number,
        )
        edited = await till.customers.edit(customer_id, wish, who.account)
        return _tagged(await _shown(till, edited, who.account, request), response)

    @router.put("/{customer_id}", responses=problems(401, 403, 404, 409, 410, 412, 428, 503))
    async def replace_customer(
        customer_id: UUID,
        draft: Draft,
        who: person,
        request: Request,
        response: Response,
        if_match: IfMatch = None,
        confirm_duplicate_tax_number: Confirmed = False,
    ) -> CustomerShown:
        """Makes the customer what is given, all fields. Needs If-Match: what came meanwhile must be seen."""
        if if_match is None:
            raise Refusal("customer.etag_missing")
        await _held(till, customer_id)
        wish = Wish(
            lambda seen, new_id: replaced(seen, draft, new_id),
            seen_tag(if_match, ETAG),
            confirm_duplicate_tax_number,
        )
        edited = await till.customers.edit(customer_id, wish, who.account)
        return _tagged(await _shown(till, edited, who.account, request), response)

    @router.post("/{customer_id}/choose", responses=problems(401, 404, 409, 410, 503))
    async def choose_customer(
        customer_id: UUID, who: person, request: Request, response: Response
    ) -> CustomerShown:
        """The complete customer for a document. One that only a search has found is fetched and kept (SEARCH-9)."""
        stored = await _held(till, customer_id)
        return _tagged(await _shown(till, stored, who.account, request), response)

    return router


async def _held(till: Till, customer_id: UUID) -> StoredCustomer:
    """The customer as the till holds it, brought from the ERP if a search has found it there."""
    stored = await till.customers.find(customer_id)
    if stored is None and await till.searches.bring(customer_id):
        stored = await till.customers.find(customer_id)
    if stored is None:
        raise Refusal("customer.unknown")
    return stored


async def _shown(
    till: Till, stored: StoredCustomer, who: Account, request: Request
) -> CustomerShown:
    customer = _customer(stored)
    reason = till.customers.refuse_edit(stored, who)
    language = language_of(request)
    return CustomerShown(
        id=stored.id,
        version=stored.version,
        etag=etag_of(stored),
        name=customer.display_name,
        editable=reason is None,
        reason=show(reason.code, reason.params, language) if reason else None,
        waiting_changes=await till.store.read(count_of_customer, stored.id),
        record=customer,
    )


def _customer(stored: StoredCustomer) -> Customer:
    customer = stored.customer
    if customer is None:
        raise Refusal("customer.unknown")
    return customer


def _tagged(shown: CustomerShown, response: Response) -> CustomerShown:
    response.headers["ETag"] = etag(shown.etag)
    return shown


def _preview(
    shown: CustomerShown,
    attributes: tuple[AttributeDefinition, ...],
    cards: list[CardShown],
    language: Language,
) -> Preview:
    record = shown.record
    labels = {one.code: one.labels.get(language, one.code) for one in attributes}
    return Preview(
        **dict(shown),
        basic=BasicData(
            kind=record.kind, code=record.code, name=shown.name, main_address=record.main_address
        ),
        addresses=record.addresses,
        attributes=[
            AttributeShown(code=code, label=labels.get(code, code), value=value)
            for code, value in record.attributes.items()
        ],
        description=record.description,
        contacts=[one for one in record.contacts if one.state == "active"],
        cards=cards,
    )


def _list(
    connection: sqlite3.Connection, wish: ListWish, till: Till
) -> tuple[ListPage, Criteria, Settings, View]:
    """The page, with enough counted to decide about the banner."""
    view = read_view(connection)
    criteria = criteria_of(wish, view, read_entries(connection, AttributeDefinition))
    after = read_bookmark(wish.after) if wish.after is not None else None
    page = list_customers(connection, criteria, wish.limit, after, count_to=SHOWN_AT_MOST + 1)
    return page, criteria, read_settings(connection, till.centre, till.pos_id), view


def _list_shown(
    found: tuple[ListPage, Criteria, Settings, View],
    wish: ListWish,
    centre: str,
    language: Language,
) -> CustomerList:
    page, criteria, settings, view = found
    banner = decide_banner(
        online_search_on=settings.search_online,
        criteria_empty=criteria.query().empty,
        local_count=page.count,
    )
    return CustomerList(
        rows=[
            CustomerLine.of(
                row, held=True, usable=True, editable=row.editors is None or centre in row.editors
            )
            for row in page.rows
        ],
        more=page.next is not None,
        next=page.next.text if page.next else None,
        banner=_banner_shown(banner, language) if wish.after is None else None,
        columns=view.columns,
    )


def _banner_shown(banner: Banner, language: Language) -> BannerShown:
    return BannerShown(
        code=banner.code,
        text=show(banner.code, {}, language).text if banner.code else None,
        button_shown=banner.button_shown,
        button_active=banner.button_active,
    )
