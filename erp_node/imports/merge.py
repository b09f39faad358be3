"""What a row makes of the customer there is, or of nobody. Pure."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID, uuid5

from msgspec import structs

from contracts.customers import Address, Consent, Customer, code_key
from erp_node.centres import unknown_place
from erp_node.imports.rows import Patch, Placing, Row, reason_of
from erp_node.imports.stored import Fault
from erp_node.refusals import refuse_record, refuse_second_main
from erp_node.store.customers import Held

_NAMESPACE = UUID("0f6f2a60-8a65-4c4e-9d0b-6c2f1e6a7b11")
"""Of the ids made from codes; must not change."""


def taken(code: str) -> Fault:
    """CUST-3: somebody else has the code."""
    return Fault("code", reason_of("customer.code_taken", {"code": code}))


def unknown_centre(row: Row, known: Collection[str]) -> Fault | None:
    """Whether a row names a centre that there is not: the customer would reach no till there."""
    for column in ("centres", "editors"):
        named = getattr(row.placing, column) or ()
        if (place := unknown_place(named, known)) is not None:
            return Fault(column, reason_of("request.centre_unknown", {"centre": named[place]}))
    return None


def id_of_code(code: str, held: Mapping[UUID, Held]) -> UUID:
    """The id of a new customer whose row has none: the same whenever and by whomever it is imported.

    A customer who had the code and has another one now keeps the id that was made of it: the next is
    made of that one. `held`: customers who may be in the way.
    """
    key = code_key(code)
    found = uuid5(_NAMESPACE, key)
    while (other := held.get(found)) is not None and has_other_code(other, code):
        found = uuid5(found, key)
    return found


def has_other_code(held: Held, code: str) -> bool:
    """Whether this is somebody else's by its code. Who was erased or deleted has none any more."""
    return held.state in ("active", "inactive") and code_key(held.code) != code_key(code)


def identify(row: Row, owners: Mapping[str, UUID], held: Mapping[UUID, Held]) -> UUID | Fault:
    """Whom a row is about: its id, otherwise who has its code, otherwise somebody new (`held`: see id_of_code)."""
    owner = owners.get(code_key(row.record.code))
    if row.placing.id is None:
        return owner or id_of_code(row.record.code, held)
    if owner not in (None, row.placing.id):
        return taken(row.record.code)
    return row.placing.id


def merge_row(row: Row, customer_id: UUID, held: Held | None) -> Held | Fault:
    """The customer after this row."""
    if held is not None and held.state in ("deleted", "anonymised"):
        return Fault("", f"this customer was {held.state}: that cannot be undone")
    before = held or Held(customer_id, 0, "active", True, False, (), None, "")
    record = row.record
    if row.patch is not None:
        record = _patched(held.customer if held else None, record, row.patch, customer_id)
    after = before if held and record == held.customer else before.with_customer(record)
    if refusal := refuse_record(after, held) or refuse_second_main(held, record.addresses):
        missing = refusal.code == "customer.field_required"
        code = "request.field_missing" if missing else refusal.code
        return Fault(refusal.field or "", reason_of(code, refusal.params))
    return _placed(after, row.placing)


def _placed(held: Held, placing: Placing) -> Held:
    """Where it is available, and whether it is active and a customer."""
    everywhere = held.everywhere if placing.everywhere is None else placing.everywhere
    if held.version == 0 and placing.everywhere is None and placing.centres is None:
        everywhere = True
    active = held.state if placing.active is None else ("active" if placing.active else "inactive")
    return structs.replace(
        held,
        state=active,
        everywhere=everywhere,
        is_customer=held.is_customer if placing.is_customer is None else placing.is_customer,
        centres=held.centres if placing.centres is None else tuple(sorted(set(placing.centres))),
        editors=held.editors if placing.editors is None else tuple(sorted(set(placing.editors))),
    )


def _patched(base: Customer | None, record: Customer, patch: Patch, customer_id: UUID) -> Customer:
    fields: dict[str, Any] = {name: getattr(record, name) for name in patch.fields}
    if base is None:
        base = record.model_copy(update={"addresses": [], "consents": []})
    if patch.main_fields:
        fields["addresses"] = _addresses(base, patch, customer_id)
    fields["attributes"] = _attributes(base, patch)
    fields["consents"] = _consents(base, patch)
    return base.model_copy(update=fields)


def _addresses(base: Customer, patch: Patch, customer_id: UUID) -> list[Address]:
    """The main address with the cells of this row; others as they are."""
    given = {name: getattr(patch.main, name, None) for name in patch.main_fields}
    main = base.main_address
    if main is not None:
        changed = main.model_copy(update=given)
        return [changed if one is main else one for one in base.addresses]
    if patch.main is None:
        return base.addresses
    made = patch.main.model_copy(update={"id": uuid5(_NAMESPACE, f"{customer_id} main")})
    return [made, *base.addresses]


def _attributes(base: Customer, patch: Patch) -> dict[str, str]:
    merged = {**base.attributes, **(patch.attributes or {})}
    return {name: value for name, value in merged.items() if value is not None}


def _consents(base: Customer, patch: Patch) -> list[Consent]:
    """The states of this row's consents; signatures and others stay."""
    given = {one.definition: one for one in patch.consents}
    kept = [
        one.model_copy(update={"state": given.pop(one.definition).state})
        if one.definition in given
        else one
        for one in base.consents
    ]
    return [*kept, *given.values()]
