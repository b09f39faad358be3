"""Customers as the ERP's users see and change them."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import ValidationError

from contracts.customers import Customer
from erp_node import customers
from erp_node.api.models import (
    AvailabilityShown,
    CustomerFilter,
    CustomerLine,
    CustomerPage,
    CustomerShown,
    History,
    HistoryRow,
    NewCustomer,
    StateWanted,
)
from erp_node.api.patch import CustomerPatch, patched
from erp_node.api.services import ErpServices
from erp_node.customers import Actor, Saved
from erp_node.store.customers import Held
from erp_node.store.listing import list_by_code
from erp_node.tsquery import conditions_of, tsquery
from web.conditions import IfMatch, etag, seen_version
from web.docs import problems
from web.language import language_of
from web.problems import Problem, Shown, show
from web.sessions import SignedIn
from web.strict import strict
from web.validation import invalid

_RECORD = {
    "kind": "retail",
    "code": "DUP-1",
    "first_name": "Jeanne",
    "last_name": "Dupont",
    "phone": "+33 4 72 00 00 00",
}
_NEW = Body(examples=[{"record": _RECORD, "centres": ["lyon"]}])
_PATCH = Body(examples=[{"phone": "+33 4 72 00 00 01"}])
LIST_S = 20.0
"""Seconds after which a list is given up."""


def customers_router(services: ErpServices) -> APIRouter:
    """All below /customers."""
    router = APIRouter(prefix="/customers", tags=["customers"])
    pool, gate = services.pool, services.gate
    reader = Annotated[SignedIn, Depends(gate.needs("erp.read"))]
    writer = Annotated[SignedIn, Depends(gate.needs("erp.customers"))]

    def actor(who: SignedIn) -> Actor:
        return Actor(who.name, services.clock.now())

    @router.get("", responses=problems(401, 403))
    async def list_customers(wish: Annotated[CustomerFilter, Query()], who: reader) -> CustomerPage:
        """Customers that match by the rule of the tills (SEARCH-13), active or not, ordered by code."""
        query = wish.criteria().query()
        found = await list_by_code(
            pool,
            tsquery(conditions_of(query)),
            (wish.state,) if wish.state else ("active", "inactive"),
            after=wish.after,
            limit=wish.limit,
            timeout=LIST_S,
        )
        more = len(found) == wish.limit
        rows = [CustomerLine.of(one.held) for one in found]
        return CustomerPage(rows=rows, next=found[-1].place if more else None)

    @router.get("/{customer_id}", responses=problems(401, 403, 404))
    async def get_customer(customer_id: UUID, who: reader, response: Response) -> CustomerShown:
        """One customer with its version and who may use and edit it."""
        held = await customers.find_customer(pool, customer_id)
        return _shown(held, _readable(held), response)

    @router.post("", status_code=201, responses=problems(401, 403, 409))
    async def create_customer(
        new: Annotated[NewCustomer, _NEW], who: writer, request: Request, response: Response
    ) -> CustomerShown:
        """Makes a customer (CUST-2, CUST-3). Tills it is available to have it in a moment."""
        saved = await customers.create_customer(
            pool, services.new_id(), new.record, actor(who), new.availability(),
            is_customer=new.is_customer,
        )  # fmt: skip
        response.headers["Location"] = f"{request.url.path}/{saved.customer.id}"
        return _saved(saved, request, response)

    @router.patch("/{customer_id}", responses=problems(401, 403, 404, 409, 410, 412))
    async def edit_customer(
        customer_id: UUID,
        patch: Annotated[CustomerPatch, strict(CustomerPatch), _PATCH],
        who: writer,
        request: Request,
        response: Response,
        if_match: IfMatch = None,
    ) -> CustomerShown:
        """Changes the fields that are given; with If-Match only if nothing came meanwhile (412), without always."""
        saved = await customers.change_fields(
            pool, customer_id, lambda held: patched(_readable(held), patch),
            actor(who), seen_version(if_match),
        )  # fmt: skip
        return _saved(saved, request, response)

    @router.put("/{customer_id}/availability", responses=problems(401, 403, 404, 410, 412))
    async def set_availability(
        customer_id: UUID,
        wanted: AvailabilityShown,
        who: writer,
        request: Request,
        response: Response,
        if_match: IfMatch = None,
    ) -> CustomerShown:
        """Decides which centres may use and edit a customer; the others lose it (SYNC-4)."""
        saved = await customers.set_availability(
            pool, customer_id, wanted.availability(), actor(who), seen_version(if_match)
        )
        return _saved(saved, request, response)

    @router.put("/{customer_id}/state", responses=problems(401, 403, 404, 410, 412))
    async def set_state(
        customer_id: UUID,
        wanted: StateWanted,
        who: writer,
        request: Request,
        response: Response,
        if_match: IfMatch = None,
    ) -> CustomerShown:
        """Activates or deactivates; switches the option Customer (SYNC-1, SYNC-4)."""
        state: Literal["active", "inactive"] | None = None
        if wanted.active is not None:
            state = "active" if wanted.active else "inactive"
        saved = await customers.set_state(
            pool, customer_id, actor(who),
            state=state, is_customer=wanted.is_customer, expected_version=seen_version(if_match),
        )  # fmt: skip
        return _saved(saved, request, response)

    @router.get("/{customer_id}/history", responses=problems(401, 403, 404))
    async def get_history(
        customer_id: UUID,
        who: reader,
        before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> History:
        """Who changed what, where and when, field by field, from tills too (SYNC-3)."""
        await customers.find_customer(pool, customer_id)
        lines = await customers.list_history(pool, customer_id, before=before, limit=limit)
        older = lines[-1].id if len(lines) == limit else None
        return History(rows=[HistoryRow.of(line) for line in lines], next=older)

    return router


def _saved(saved: Saved, request: Request, response: Response) -> CustomerShown:
    """What was changed is told, also of a record that is none: then without it, and with a warning."""
    language = language_of(request)
    warnings = [
        show("customer.duplicate_tax_number", {"name": other.name}, language)
        for other in saved.same_tax_number
    ]
    try:
        record = saved.customer.customer
    except ValidationError:
        record = None
        warnings.append(show("customer.unreadable", {}, language))
    return _shown(saved.customer, record, response, warnings)


def _shown(
    held: Held, record: Customer | None, response: Response, warnings: Sequence[Shown] = ()
) -> CustomerShown:
    response.headers["ETag"] = etag(held.version)
    return CustomerShown.whole(held, record, warnings)


def _readable(held: Held) -> Customer:
    """The record. What somebody put there by SQL may be none: Problem 409, naming the fields."""
    try:
        return held.customer
    except ValidationError as error:
        fields = invalid(error.errors()).fields
        raise Problem(409, "customer.unreadable", fields=fields) from None
