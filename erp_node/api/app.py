"""The ERP's HTTP API."""

import asyncio

import asyncpg
from fastapi import FastAPI

from erp_node.api.cards import cards_router
from erp_node.api.customers import customers_router
from erp_node.api.dead import dead_router
from erp_node.api.letters import letters_router
from erp_node.api.reference import reference_router
from erp_node.api.refusals import HANDLERS
from erp_node.api.services import ErpServices
from erp_node.api.settings import settings_router
from erp_node.api.status import status_router
from erp_node.api.tills import tills_router
from web.app import create_app
from web.login import session_router

DESCRIPTION = """What the ERP's users do: customers and who may use them, loyalty cards, settings and lists of the
tills, the tills and how far each is, messages that could not be handled.

Log in with `POST /api/v1/session` and send the token as `Authorization: Bearer …`. Every decision comes
as a stable `code` and a `text` in the language of Accept-Language (en, fr).
"""

CHECK_S = 2.0
"""Seconds the database has to answer /readyz."""


def make_api(services: ErpServices, version: str) -> FastAPI:
    """The application over the parts of one ERP node."""

    async def database_answers() -> bool:
        try:
            async with asyncio.timeout(CHECK_S):  # waiting for a free connection included
                await services.pool.fetchval("SELECT 1")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            return False
        return True

    async def broker_answers() -> bool:
        return all(state.ready for state in services.broker.links().values())

    app = create_app(
        title="Comptoir ERP",
        version=version,
        description=DESCRIPTION,
        routers=(
            session_router(services.sessions, services.gate, services.operators.log_in),
            customers_router(services),
            cards_router(services),
            letters_router(services),
            settings_router(services),
            reference_router(services),
            tills_router(services),
            status_router(services),
            dead_router(services),
        ),
        checks={"database": database_answers, "broker": broker_answers},
    )
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    return app
