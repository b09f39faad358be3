"""Adding and editing customers at the till, with or without the ERP (CUST-1 to CUST-3, CUST-5, CUST-11, PREV-2)."""

import hashlib
import random
import re
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError

from contracts.changes import Change, diff
from contracts.customers import Customer, CustomerKind, code_key, tax_key
from contracts.envelope import dump
from contracts.journal import Author, CustomerAdded, CustomerEdited
from contracts.settings import Settings
from messaging.clock import Clock
from pos_node.codes import Codes
from pos_node.drafts import (
    CustomerDraft,
    NewId,
    check_code,
    check_read_only,
    check_size,
    new_customer,
)
from pos_node.journal import Stamp, record_change
from pos_node.refusal import Refusal
from pos_node.store import customers as rows
from pos_node.store.customers import StoredCustomer
from pos_node.store.database import Priority, Store
from pos_node.store.reference import read_settings
from web.problems import FieldProblem
from web.sessions import Account

EDIT_RIGHT = "customer.edit"
ETAG = re.compile(r"[0-9a-f]{24}")
"""What `etag_of` makes."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a customer is to be edited.

    `make` turns the record the till shows into the wanted one. `seen` is the etag of what the
    cashier saw, None for whatever is there. `same_tax_number_is_fine`: the cashier was warned.
    """

    make: Callable[[Customer, NewId], Customer]
    seen: str | None = None
    same_tax_number_is_fine: bool = False


def etag_of(stored: StoredCustomer) -> str:
    """Changes whenever what the till shows of a customer does; the ERP's confirming it changes nothing."""
    shown = dump(stored.customer) if stored.customer else b""
    return hashlib.sha256(stored.state.encode() + shown).hexdigest()[:24]


def refuse_edit(
    editors: Collection[str] | None, centre: str, name: str, rights: Collection[str]
) -> Refusal | None:
    """Why a customer may not be edited here by this person, or None (CUST-1).

    The centre's right comes first: without it the answer is the same whatever the person's rights (PREV-2).
    """
    if editors is not None and centre not in editors:
        return Refusal("customer.no_edit_right", {"name": name})
    return refuse_add(rights)


def refuse_add(rights: Collection[str]) -> Refusal | None:
    """Why this person may not add customers, or None (CUST-1)."""
    if EDIT_RIGHT not in rights:
        return Refusal("right.missing", {"right": EDIT_RIGHT})
    return None


def refuse_gone(stored: StoredCustomer | None) -> Refusal | None:
    """Why a customer will never be shown again, or None."""
    match stored.state if stored else None:
        case "deleted":
            return Refusal("customer.deleted")
        case "anonymised":
            return Refusal("customer.anonymised")
        case _:
            return None


def default_price(settings: Settings, kind: CustomerKind) -> bool:
    """*Lowest price* of a new customer: the ERP decides per kind (CUST-9)."""
    return settings.lowest_price_retail if kind == "retail" else settings.lowest_price_business


def code_taken(code: str) -> Refusal:
    """The same refusal whether the code is used here or in the ERP (CUST-3)."""
    params = {"code": code}
    field = FieldProblem("code", "customer.code_taken", params)
    return Refusal("customer.code_taken", params, [field])


class Customers:
    """The cashier's use cases. A change commits here at once and travels on its own."""

    def __init__(
        self,
        store: Store,
        codes: Codes,
        *,
        wake_relay: Callable[[], None],
        pos_id: str,
        centre: str,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._store = store
        self._codes = codes
        self._wake_relay = wake_relay
        self._pos_id = pos_id
        self._centre = centre
        self._clock = clock
        self._rng = rng

    async def find(self, customer_id: UUID) -> StoredCustomer | None:
        """An active customer the till holds. Raises Refusal `customer.deleted` or `customer.anonymised`."""
        stored = await self._store.read(rows.find_customer, customer_id)
        _raise_if(refuse_gone(stored))
        return stored if stored and stored.state == "active" and stored.json else None

    def refuse_edit(self, stored: StoredCustomer, who: Account) -> Refusal | None:
        """Why this person cannot edit this customer here, or None."""
        customer = stored.customer
        name = customer.display_name if customer else ""
        return refuse_edit(stored.editors, self._centre, name, who.rights)

    async def add(
        self, draft: CustomerDraft, who: Account, *, same_tax_number_is_fine: bool = False
    ) -> StoredCustomer:
        """Makes a customer. Raises Refusal: right.missing, customer.incomplete, customer.code_taken,
        customer.duplicate_tax_number (until confirmed), customer.description_read_only …"""
        _raise_if(refuse_add(who.rights))
        wanted = new_customer(draft, self._new_id)
        await self._ask_for_code(wanted.code, None)
        added = await self._store.write(
            self._add, wanted, who, same_tax_number_is_fine, priority=Priority.CASHIER
        )
        self._wake_relay()
        return added

    async def edit(self, customer_id: UUID, wish: Wish, who: Account) -> StoredCustomer:
        """Changes a customer; without a difference nothing is written. Raises Refusal: customer.unknown,
        customer.no_edit_right, customer.changed_meanwhile, and what `add` raises."""
        stored = await self._store.read(rows.find_customer, customer_id)
        seen = self._editable(stored, who)
        code = wish.make(seen, self._new_id).code
        if code_key(code) != code_key(seen.code):
            await self._ask_for_code(code, customer_id)
        edited = await self._store.write(
            self._edit, customer_id, wish, who, priority=Priority.CASHIER
        )
        self._wake_relay()
        return edited

    def _add(
        self,
        connection: sqlite3.Connection,
        wanted: Customer,
        who: Account,
        same_tax_number_is_fine: bool,
    ) -> StoredCustomer:
        settings = read_settings(connection, self._centre, self._pos_id)
        price = default_price(settings, wanted.kind)
        check_read_only(None, wanted, price)
        wanted = wanted.model_copy(update={"lowest_price": price})
        check_size(wanted)
        customer_id = self._new_id()
        _check_unique(connection, customer_id, None, wanted, same_tax_number_is_fine)
        rows.show_customer(connection, customer_id, wanted)
        author = self._author(who)
        added = CustomerAdded(customer_id=customer_id, record=wanted, author=author)
        record_change(connection, added, self._stamp(author))
        return _stored(connection, customer_id)

    def _edit(
        self, connection: sqlite3.Connection, customer_id: UUID, wish: Wish, who: Account
    ) -> StoredCustomer:
        stored = rows.find_customer(connection, customer_id)
        seen = self._editable(stored, who)
        assert stored is not None
        if wish.seen is not None and wish.seen != etag_of(stored):
            raise Refusal("customer.changed_meanwhile", {"name": seen.display_name})
        wanted = wish.make(seen, self._new_id)
        check_read_only(seen, wanted, False)
        changes = diff(seen, wanted)
        if not changes:
            return stored
        check_size(wanted)
        _check_unique(connection, customer_id, seen, wanted, wish.same_tax_number_is_fine)
        rows.show_customer(connection, customer_id, wanted)
        author = self._author(who)
        edited = _edited(customer_id, stored.version, changes, author)
        record_change(connection, edited, self._stamp(author))
        return _stored(connection, customer_id)

    def _editable(self, stored: StoredCustomer | None, who: Account) -> Customer:
        """What the till shows of a customer that this person may edit here."""
        _raise_if(refuse_gone(stored))
        seen = stored.customer if stored and stored.state == "active" else None
        if stored is None or seen is None:
            raise Refusal("customer.unknown")
        _raise_if(refuse_edit(stored.editors, self._centre, seen.display_name, who.rights))
        return seen

    async def _ask_for_code(self, code: str, customer_id: UUID | None) -> None:
        """Refuses a code the ERP knows to be used; no answer in time is no refusal (CUST-3, CUST-4)."""
        if await self._codes.taken(code, customer_id):
            raise code_taken(code)

    def _author(self, who: Account) -> Author:
        return Author(operator=who.name, at=self._clock.now())

    def _stamp(self, author: Author) -> Stamp:
        return Stamp(self._pos_id, self._new_id(), author.at)

    def _new_id(self) -> UUID:
        return UUID(int=self._rng.getrandbits(128), version=4)


def _raise_if(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise refusal


def _check_unique(
    connection: sqlite3.Connection,
    customer_id: UUID,
    seen: Customer | None,
    wanted: Customer,
    same_tax_number_is_fine: bool,
) -> None:
    """Refuses a code in use, or like one (CUST-3); warns of a tax number in use, until confirmed (CUST-5)."""
    new_code = seen is None or code_key(seen.code) != code_key(wanted.code)
    if new_code:
        check_code(wanted.code)
    if new_code and _others(rows.find_by_code(connection, wanted.code), customer_id):
        raise code_taken(wanted.code)
    before = tax_key(seen.tax_number) if seen else None
    if wanted.tax_number is None or tax_key(wanted.tax_number) == before or same_tax_number_is_fine:
        return
    if others := _others(rows.find_by_tax_number(connection, wanted.tax_number), customer_id):
        other = _stored(connection, others[0]).customer
        params = {"name": other.display_name if other else ""}
        field = FieldProblem("tax_number", "customer.duplicate_tax_number", params)
        raise Refusal("customer.duplicate_tax_number", params, [field])


def _others(found: Sequence[UUID], customer_id: UUID) -> tuple[UUID, ...]:
    return tuple(one for one in found if one != customer_id)


def _edited(
    customer_id: UUID, version: int, changes: Sequence[Change], author: Author
) -> CustomerEdited:
    try:
        return CustomerEdited(
            customer_id=customer_id, base_version=version, changes=list(changes), author=author
        )
    except ValidationError:
        raise Refusal("customer.too_many_changes", {"limit": "500"}) from None


def _stored(connection: sqlite3.Connection, customer_id: UUID) -> StoredCustomer:
    stored = rows.find_customer(connection, customer_id)
    assert stored is not None
    return stored
