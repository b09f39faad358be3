"""The till's HTTP API."""

from fastapi import FastAPI

from pos_node.api.cards import cards_router
from pos_node.api.customers import customers_router
from pos_node.api.language import TillLanguage
from pos_node.api.notices import notices_router
from pos_node.api.reference import reference_router
from pos_node.api.refusals import answer_refusal, answer_store_error
from pos_node.api.searches import searches_router
from pos_node.api.status import status_router
from pos_node.api.till import Till
from pos_node.api.views import views_router
from pos_node.refusal import Refusal
from pos_node.store.errors import StoreError
from pos_node.store.journal import read_epoch
from web.app import create_app
from web.login import session_router

DESCRIPTION = """What a cashier does with customers at one till: find, preview, add, edit, choose, search in the ERP.

It works without the ERP: a change is kept here at once and travels when it can. Log in with `POST
/api/v1/session`; all below `/api/v1` but `/api/v1/status` need its token. Every decision comes as a stable `code`
and a `text` in the language of Accept-Language, else of the till.
"""


def make_api(till: Till, version: str) -> FastAPI:
    """The application over one till's parts."""

    async def store_answers() -> bool:
        try:
            return await till.store.read(read_epoch) is not None
        except StoreError:
            return False

    app = create_app(
        title=f"Comptoir till {till.pos_id}",
        version=version,
        description=DESCRIPTION,
        routers=(
            session_router(till.sessions, till.gate, till.operators.log_in),
            customers_router(till),
            cards_router(till),
            searches_router(till),
            views_router(till),
            notices_router(till),
            reference_router(till),
            status_router(till),
        ),
        checks={"store": store_answers},
    )
    app.add_exception_handler(Refusal, answer_refusal)
    app.add_exception_handler(StoreError, answer_store_error)
    app.add_middleware(TillLanguage, store=till.store, centre=till.centre, pos_id=till.pos_id)
    return app
