"""Starting, polling and cancelling online searches (SEARCH-4 to SEARCH-12)."""

import sqlite3
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from contracts.reference import AttributeDefinition
from contracts.search import Criteria
from contracts.texts import Language, text
from pos_node.api.criteria import criteria_of
from pos_node.api.models import CustomerFilter, CustomerLine, SearchShown
from pos_node.api.till import Till
from pos_node.search import SearchResult
from pos_node.store.reference import read_entries
from pos_node.store.views import read_view
from web.docs import problems
from web.language import language_of
from web.sessions import SignedIn


def searches_router(till: Till) -> APIRouter:
    """All below /searches. A search is seen only by the operator who began it."""
    router = APIRouter(prefix="/searches", tags=["online search"])
    person = Annotated[SignedIn, Depends(till.gate)]

    @router.post("", status_code=202, responses=problems(401, 409))
    async def start_search(
        asked: CustomerFilter, who: person, request: Request, response: Response
    ) -> SearchShown:
        """Begins a search in the ERP and answers at once; ask for its state at Location."""
        criteria = await till.store.read(_criteria, asked)
        search_id = await till.searches.start(criteria, who.name)
        response.headers["Location"] = f"{request.url.path}/{search_id}"
        return _shown(await till.searches.look(search_id, who.name), language_of(request))

    @router.get("/{search_id}", responses=problems(401, 404))
    async def look_at_search(search_id: UUID, who: person, request: Request) -> SearchShown:
        """How the search stands: the rows found here stay, whatever its outcome."""
        return _shown(await till.searches.look(search_id, who.name), language_of(request))

    @router.delete("/{search_id}", responses=problems(401, 404))
    async def cancel_search(search_id: UUID, who: person, request: Request) -> SearchShown:
        """Cancels: a late answer changes nothing (SEARCH-12). A search that has ended stays as it is."""
        till.searches.cancel(search_id, who.name)
        return _shown(await till.searches.look(search_id, who.name), language_of(request))

    return router


def _criteria(connection: sqlite3.Connection, asked: CustomerFilter) -> Criteria:
    view = read_view(connection)
    return criteria_of(asked, view, read_entries(connection, AttributeDefinition))


def _shown(found: SearchResult, language: Language) -> SearchShown:
    outcome = found.outcome
    return SearchShown(
        id=found.id,
        state=outcome.state,
        code=outcome.code,
        text=text(outcome.code, outcome.params, language) if outcome.code else None,
        waiting_window=found.waiting_window,
        rows=[
            CustomerLine.of(one.row, held=one.held, usable=one.usable, editable=one.editable)
            for one in found.lines
        ],
    )
