"""The list's view on this till: columns, their order, where a phrase is looked for (LIST-1, LIST-2)."""

import sqlite3
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request

from contracts.reference import AttributeDefinition
from contracts.texts import Language, field_label
from pos_node.api.models import ColumnShown, ViewShown
from pos_node.api.till import Till
from pos_node.refusal import Refusal
from pos_node.store.database import Priority
from pos_node.store.reference import read_entries
from pos_node.store.views import read_view, write_view
from pos_node.view import ATTRIBUTE, View, check_view, possible_columns
from web.docs import problems
from web.language import language_of
from web.problems import FieldProblem
from web.sessions import SignedIn

_EXAMPLE = {"columns": ["kind", "name", "town", "phone"], "default_column": "all"}


def views_router(till: Till) -> APIRouter:
    """GET and PUT /view."""
    router = APIRouter(prefix="/view", tags=["list view"])
    person = Annotated[SignedIn, Depends(till.gate)]

    @router.get("", responses=problems(401))
    async def read_list_view(who: person, request: Request) -> ViewShown:
        """The columns shown, in order, and every column there could be."""
        view, attributes = await till.store.read(_read)
        return _shown(view, attributes, language_of(request))

    @router.put("", responses=problems(401))
    async def write_list_view(
        view: Annotated[View, Body(examples=[_EXAMPLE])], who: person, request: Request
    ) -> ViewShown:
        """Keeps a view for this till. An unknown column is refused by name."""
        attributes = await till.store.write(_write, view, priority=Priority.CASHIER)
        return _shown(view, attributes, language_of(request))

    return router


def _read(connection: sqlite3.Connection) -> tuple[View, tuple[AttributeDefinition, ...]]:
    return read_view(connection), read_entries(connection, AttributeDefinition)


def _write(connection: sqlite3.Connection, view: View) -> tuple[AttributeDefinition, ...]:
    attributes = read_entries(connection, AttributeDefinition)
    _check_once(view)
    check_view(view, attributes)
    write_view(connection, view)
    return attributes


def _check_once(view: View) -> None:
    """Raises Refusal `view.column_twice`, naming each column that stands before it already."""
    twice = [
        FieldProblem(f"columns.{place}", "view.column_twice", {"column": name})
        for place, name in enumerate(view.columns)
        if name in view.columns[:place]
    ]
    if twice:
        raise Refusal("view.column_twice", twice[0].params, twice)


def _shown(
    view: View, attributes: tuple[AttributeDefinition, ...], language: Language
) -> ViewShown:
    labels = {f"{ATTRIBUTE}{one.code}": one.labels.get(language, one.code) for one in attributes}
    return ViewShown(
        columns=view.columns,
        default_column=view.default_column,
        possible_columns=[
            ColumnShown(name=name, label=labels.get(name) or field_label(name, language))
            for name in possible_columns(attributes)
        ],
    )
