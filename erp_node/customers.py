"""Customers in the ERP: what its users do with them (SYNC-3, SYNC-4, CUST-2, CUST-3, CUST-5).

Every change is one transaction on a locked row; triggers give the version and tell the feeds.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
from msgspec import structs

from contracts.changes import diff
from contracts.customers import Customer, tax_key
from erp_node.centres import known_centres, unknown_place
from erp_node.refusals import UNKNOWN, Refusal, refuse_record, refuse_second_main
from erp_node.store import customers as store
from erp_node.store.customers import Held, HistoryLine, Namesake, StoredLine, Write
from erp_node.store.pool import Connection, Database, Pool
from erp_node.verdicts import as_json

LONGEST_PAGE = 500


class CustomerRefused(Exception):
    """A rule says no: `code` for the text, `params` that fill it, `field` at fault if it is one."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.code} {refusal.field or ''}".strip())
        self.code = refusal.code
        self.field = refusal.field
        self.params = dict(refusal.params)


class UnknownCustomer(CustomerRefused):
    """There is no such customer (`customer.unknown`), or no more (`customer.deleted`, `customer.anonymised`)."""


class ChangedMeanwhile(CustomerRefused):
    """The customer has another version than the one the user saw (`customer.changed_meanwhile`)."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something in the ERP, when, and by which way."""

    name: str
    at: datetime
    where: str = "erp"


@dataclass(frozen=True, slots=True)
class Availability:
    """The centres that may use a customer, and those that may edit it (None: all that may use it)."""

    everywhere: bool = False
    centres: tuple[str, ...] = ()
    editors: tuple[str, ...] | None = None


EVERYWHERE = Availability(everywhere=True)


@dataclass(frozen=True, slots=True)
class Saved:
    """A customer as it is now. `same_tax_number`: others with the same one, to warn of (CUST-5)."""

    customer: Held
    same_tax_number: Sequence[Namesake] = ()


async def create_customer(
    pool: Pool,
    customer_id: UUID,
    record: Customer,
    actor: Actor,
    availability: Availability = EVERYWHERE,
    *,
    is_customer: bool = True,
) -> Saved:
    """Makes a customer. Raises CustomerRefused: customer.field_required, customer.code_taken,
    address.second_main, request.centre_unknown, …"""
    new = Held(customer_id, 0, "active", is_customer, False, (), None, "").with_customer(record)
    new = _available(new, availability)
    _raise_if(refuse_record(new) or refuse_second_main(None, record.addresses))
    async with pool.acquire() as connection, connection.transaction():
        await _check_centres(connection, availability)
        with _code_taken(record.code):
            await store.insert_customers(connection, [_write(new, actor)])
        return await _saved(connection, customer_id)


async def edit_customer(
    pool: Pool, customer_id: UUID, record: Customer, expected_version: int, actor: Actor
) -> Saved:
    """Puts a whole record in place of the one of `expected_version`; an equal one changes nothing.

    Raises UnknownCustomer, ChangedMeanwhile, CustomerRefused (as create_customer).
    """

    return await change_fields(pool, customer_id, lambda held: record, actor, expected_version)


async def change_fields(
    pool: Pool,
    customer_id: UUID,
    make: Callable[[Held], Customer],
    actor: Actor,
    expected_version: int | None = None,
) -> Saved:
    """Gives a customer the record that `make` makes of the one there is, its row locked meanwhile: without
    `expected_version` no change that comes at the same time is in its way. An equal one changes nothing.

    Raises as edit_customer, and what `make` raises.
    """

    def edited(held: Held) -> Held:
        record = make(held)
        after = held.with_customer(record)
        _raise_if(refuse_record(after, held) or refuse_second_main(held, record.addresses))
        return after

    return await _change(pool, customer_id, edited, actor, expected_version)


async def set_availability(
    pool: Pool,
    customer_id: UUID,
    availability: Availability,
    actor: Actor,
    expected_version: int | None = None,
) -> Saved:
    """Decides which centres may use and edit a customer (SYNC-1, SYNC-4, CUST-1).

    Raises as edit_customer, and CustomerRefused for a centre that there is not (request.centre_unknown).
    """
    await _check_centres(pool, availability)
    return await _change(
        pool, customer_id, lambda held: _available(held, availability), actor, expected_version
    )


async def set_state(
    pool: Pool,
    customer_id: UUID,
    actor: Actor,
    *,
    state: Literal["active", "inactive"] | None = None,
    is_customer: bool | None = None,
    expected_version: int | None = None,
) -> Saved:
    """Activates or deactivates a customer, and switches the option Customer: off, it is a prospect or
    supplier (SYNC-1, SYNC-4). None stays as it is. Raises as edit_customer."""

    def switched(held: Held) -> Held:
        return structs.replace(
            held,
            state=held.state if state is None else state,
            is_customer=held.is_customer if is_customer is None else is_customer,
        )

    return await _change(pool, customer_id, switched, actor, expected_version)


async def find_customer(pool: Pool, customer_id: UUID) -> Held:
    """One customer, whatever its state. Raises UnknownCustomer."""
    held = await store.load_customer(pool, customer_id)
    if held is None:
        raise UnknownCustomer(UNKNOWN)
    return held


async def list_history(
    pool: Pool, customer_id: UUID, *, before: int | None = None, limit: int = 100
) -> list[StoredLine]:
    """The newest changes of a customer first, older than line `before` if given (SYNC-3)."""
    return await store.load_history(
        pool, customer_id, before=before, limit=min(limit, LONGEST_PAGE)
    )


def history_of(before: Held, after: Held, actor: Actor) -> Iterator[HistoryLine]:
    """What changed between two states of a customer, field by field."""

    def line(path: str, old: object, new: object) -> HistoryLine:
        return HistoryLine(
            after.id, actor.at, actor.name, actor.where, path, as_json(old), as_json(new),
            version=before.version + 1,
        )  # fmt: skip

    if after.text != before.text:
        yield from (line(c.path, c.old, c.new) for c in diff(before.customer, after.customer))
    for name in ("state", "is_customer", "everywhere", "centres", "editors"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield line(name, old, new)


async def _change(
    pool: Pool,
    customer_id: UUID,
    make: Callable[[Held], Held],
    actor: Actor,
    expected_version: int | None,
) -> Saved:
    async with pool.acquire() as connection, connection.transaction():
        held = (await store.lock_customers(connection, [customer_id])).get(customer_id)
        if held is None or held.state in ("deleted", "anonymised"):
            raise UnknownCustomer(Refusal(f"customer.{held.state}") if held else UNKNOWN)
        if expected_version not in (None, held.version):
            name = {"name": held.display_name}
            raise ChangedMeanwhile(Refusal("customer.changed_meanwhile", name))
        after = make(held)
        lines = list(history_of(held, after, actor))
        if not lines:
            return Saved(held)
        with _code_taken(after.code):
            await store.update_customers(connection, [_write(after, actor, held)])
        await store.add_history(connection, lines)
        return await _saved(connection, customer_id)


async def _saved(connection: Connection, customer_id: UUID) -> Saved:
    """The customer as it is stored. Its record may be no valid one, put there by SQL: it is not read as such."""
    held = await store.load_customer(connection, customer_id)
    assert held is not None
    tax_number = held.record.get("tax_number")
    key = tax_key(tax_number) if isinstance(tax_number, str) else None
    others = await store.same_tax_number(connection, key, customer_id) if key else []
    return Saved(held, others)


async def _check_centres(database: Database, availability: Availability) -> None:
    """A mistyped centre is refused: the customer would reach no till there."""
    lists = {"centres": availability.centres, "editors": availability.editors or ()}
    if not any(lists.values()):
        return
    known = await known_centres(database)
    for name, centres in lists.items():
        if (place := unknown_place(centres, known)) is not None:
            params = {"centre": centres[place]}
            raise CustomerRefused(Refusal("request.centre_unknown", params, f"{name}.{place}"))


def _available(held: Held, availability: Availability) -> Held:
    editors = availability.editors
    return structs.replace(
        held,
        everywhere=availability.everywhere,
        centres=tuple(sorted(set(availability.centres))),
        editors=None if editors is None else tuple(sorted(set(editors))),
    )


def _write(held: Held, actor: Actor, before: Held | None = None) -> Write:
    return Write(held, actor.name, actor.where, actor.at, before)


def _raise_if(refusal: Refusal | None) -> None:
    if refusal:
        raise CustomerRefused(refusal)


@contextmanager
def _code_taken(code: str) -> Iterator[None]:
    """Says that a code is taken instead of that an index was violated (CUST-3)."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "customer_code":
            raise
        taken = Refusal("customer.code_taken", {"code": code}, "code")
        raise CustomerRefused(taken) from None
