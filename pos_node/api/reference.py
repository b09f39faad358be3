"""What the ERP has set for this till: switches and lists."""

import sqlite3
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, get_args

from fastapi import APIRouter, Depends, Path, Request

from contracts.reference import (
    AttributeDefinition,
    CardType,
    Centre,
    Choice,
    ConsentDefinition,
    Labelled,
    PaymentForm,
)
from contracts.settings import Settings
from contracts.texts import Language
from pos_node.api.models import ListEntry
from pos_node.api.till import Till
from pos_node.refusal import Refusal
from pos_node.store.reference import read_entries, read_settings
from web.docs import problems
from web.language import language_of
from web.sessions import SignedIn

CHOICES: tuple[str, ...] = get_args(Choice.model_fields["list"].annotation)
KINDS: Mapping[str, type[Labelled]] = MappingProxyType(
    {
        "attribute": AttributeDefinition,
        "consent": ConsentDefinition,
        "centre": Centre,
        "card_type": CardType,
        "payment_form": PaymentForm,
    }
)


def reference_router(till: Till) -> APIRouter:
    """GET /settings and GET /lists/{name}."""
    router = APIRouter(tags=["settings and lists"])
    person = Annotated[SignedIn, Depends(till.gate)]

    @router.get("/settings", responses=problems(401))
    async def read_till_settings(who: person) -> Settings:
        """The switches that hold at this till: its own over its centre's over everybody's."""
        return await till.store.read(read_settings, till.centre, till.pos_id)

    @router.get("/lists/{name}", responses=problems(401, 404))
    async def read_list(
        name: Annotated[
            str, Path(max_length=60, description=f"one of {', '.join((*CHOICES, *KINDS))}")
        ],
        who: person,
        request: Request,
    ) -> list[ListEntry]:
        """The entries of a list, in the order the ERP gives them."""
        entries = await till.store.read(_read_list, name)
        return [_shown(one, language_of(request)) for one in entries]

    return router


def _read_list(connection: sqlite3.Connection, name: str) -> tuple[Labelled, ...]:
    """Raises Refusal `list.unknown`."""
    if name in CHOICES:
        found = (one for one in read_entries(connection, Choice) if one.list == name)
        return tuple(sorted(found, key=lambda one: (one.position, one.code)))
    if name in KINDS:
        return read_entries(connection, KINDS[name])
    raise Refusal("list.unknown", {"name": name})


def _shown(entry: Labelled, language: Language) -> ListEntry:
    label = entry.labels.get(language, entry.code)
    match entry:
        case AttributeDefinition():
            return ListEntry(
                code=entry.code,
                label=label,
                values=entry.values,
                customer_kind=entry.customer_kind,
            )
        case ConsentDefinition():
            return ListEntry(code=entry.code, label=label, text=entry.texts.get(language))
        case _:
            return ListEntry(code=entry.code, label=label)
