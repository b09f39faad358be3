"""What the ERP held before the trace began, as far as the trace tells: customers, reference data, journals. Pure.

A customer is taken from the first row that shows it, without the changes of tills that row already holds.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from pydantic import ValidationError

from contracts.changes import Change, WrongPath, apply
from contracts.customers import Customer, code_key
from contracts.journal import CustomerEdited
from contracts.topology import ALL_CUSTOMERS, TillAddress, pos_of
from simulation.replay.lists import Listed, listed_in
from simulation.replay.story import Story
from traces.record import Line


@dataclass(frozen=True, slots=True)
class Known:
    """A customer before the trace. `holders`: tills in mode local-only that hold it."""

    id: UUID
    version: int
    customer: Customer
    everywhere: bool
    centres: tuple[str, ...]
    editors: tuple[str, ...] | None
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Before:
    """`applied`: how far each journal was applied, by till and epoch. `unreadable`: rows left out, by kind."""

    customers: tuple[Known, ...]
    reference: tuple[Listed, ...]
    applied: dict[tuple[str, str], int]
    unreadable: Counter[str] = field(default_factory=Counter)


@dataclass
class _First:
    """The first version of a customer that a page shows, and in which scopes it was."""

    version: int
    record: dict[str, Any]
    editors: list[str] | None
    scopes: set[str]
    undone: tuple[CustomerEdited, ...]


def read_before(story: Story) -> Before:
    """Pages and entries are read in the order of the trace."""
    unreadable: Counter[str] = Counter()
    customers = list(_customers(story, unreadable))
    return Before(
        tuple(sorted(customers, key=lambda one: one.id)),
        tuple(_references(story, unreadable)),
        _applied(story),
        unreadable,
    )


def _applied(story: Story) -> dict[tuple[str, str], int]:
    """Before the first entry of a journal that the trace holds, all are taken for applied."""
    lowest: dict[tuple[str, str], int] = {}
    for given in story.given:
        if (entry := given.entry) is not None:
            journal = (given.till, entry.epoch)
            lowest[journal] = min(entry.seq - 1, lowest.get(journal, entry.seq - 1))
    return dict(sorted(lowest.items()))


def _references(story: Story, unreadable: Counter[str]) -> Iterator[Listed]:
    """Each as the first page shows it; one that was deleted first of all is not there."""
    seen: set[str] = set()
    for given in story.given:
        for row in listed_in(given.page):
            if row is None:
                unreadable["reference"] += 1
            elif row.key not in seen:
                seen.add(row.key)
                if row.record is not None:
                    yield row


def _customers(story: Story, unreadable: Counter[str]) -> Iterator[Known]:
    tills = {one.pos_id: one for one in story.tills}
    codes: set[str] = set()
    for key, first in _first_rows(story).items():
        try:
            customer = Customer.model_validate_json(msgspec.json.encode(first.record))
            known = _known(UUID(key), first, customer, tills)
        except ValueError:
            unreadable["customer"] += 1
            continue
        if code_key(known.customer.code) in codes:  # it had another one when this was somebody's
            unreadable["customer"] += 1
        else:
            codes.add(code_key(known.customer.code))
            yield known


def _first_rows(story: Story) -> dict[str, _First]:
    """By id; those made at a till within the trace are none of them."""
    firsts: dict[str, _First] = {}
    made: set[str] = set()
    edited: dict[str, list[CustomerEdited]] = {}
    for given in story.given:
        key = str(given.line.data.get("customer_id"))
        if given.line.type == "customer.added" and key not in firsts:
            made.add(key)
        elif (edit := _edit_of(given.line)) is not None:
            edited.setdefault(key, []).append(edit)
        scope = str(given.line.data.get("scope"))
        for row in _rows(given.page, "customer"):
            if row["key"] not in made and row.get("record") is not None:
                _note(firsts, scope, row, edited.get(row["key"], ()))
    return firsts


def _note(
    firsts: dict[str, _First], scope: str, row: dict[str, Any], edits: Iterable[CustomerEdited]
) -> None:
    first = firsts.get(row["key"])
    if first is None:
        undone = tuple(one for one in edits if one.base_version < row["version"])
        firsts[row["key"]] = _First(
            row["version"], row["record"], row.get("editors"), {scope}, undone
        )
    elif first.version == row["version"]:
        first.scopes.add(scope)


def _known(id_: UUID, first: _First, customer: Customer, tills: dict[str, TillAddress]) -> Known:
    version = first.version
    for edit in reversed(first.undone):
        back = _without(customer, edit)
        if back is not None:
            customer, version = back, max(1, version - 1)
    holders = [till for scope in first.scopes if (till := pos_of(scope)) in tills and till]
    centres = {tills[holder].centre for holder in holders}
    centres |= {
        scope.removeprefix("centre.").removesuffix(".customers")
        for scope in first.scopes
        if scope.startswith("centre.")
    }
    editors = None if first.editors is None else tuple(first.editors)
    everywhere = ALL_CUSTOMERS in first.scopes
    return Known(
        id_, version, customer, everywhere, tuple(sorted(centres)), editors, tuple(sorted(holders))
    )


def _without(customer: Customer, edit: CustomerEdited) -> Customer | None:
    """The record before an edit; None when it does not hold what the edit wrote."""
    changes = [Change(path=one.path, new=one.old) for one in edit.changes]
    forth = [Change(path=one.path, new=one.new) for one in edit.changes]
    try:
        if apply(customer, forth) != customer:
            return None
        return apply(customer, changes)
    except (WrongPath, ValidationError):
        return None


def _edit_of(line: Line) -> CustomerEdited | None:
    if line.type != "customer.edited":
        return None
    try:
        return CustomerEdited.model_validate_json(msgspec.json.encode(line.data))
    except ValidationError:
        return None


def _rows(page: dict[str, Any] | None, kind: str) -> Iterator[dict[str, Any]]:
    """The active rows of one kind of a page, those with a key and a version."""
    for row in page.get("rows", []) if page else ():
        match row:
            case {"key": str(), "version": int(), "kind": found} if found == kind:
                if row.get("state", "active") == "active":
                    yield row
            case _:
                pass
