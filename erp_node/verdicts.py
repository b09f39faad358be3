"""What becomes of a till's change in the ERP: pure decisions (SYNC-3, CUST-1, CUST-4, CUST-9, CUST-11, CUST-13)."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any
from uuid import UUID

import msgspec
from msgspec import structs
from pydantic import ValidationError

from contracts.changes import Change, Merge, WrongPath, diff, merge
from contracts.customers import ERP_ONLY, Customer
from contracts.journal import Author, CustomerAdded, CustomerEdited, LostValue, Outcome, Verdict
from contracts.matching import SEARCHED
from contracts.record import Record
from erp_node.callers import Till
from erp_node.codes import Owners, free_code, series_of
from erp_node.refusals import UNKNOWN, Refusal, refuse_edit, refuse_invalid, refuse_record
from erp_node.store.customers import Held, HistoryLine

TOLD_BYTES = 32 * 1024
"""Lost values of this length are told to the till; of further ones only the names."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """One entry's place in its till's journal."""

    till: Till
    epoch: str
    seq: int


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What one entry leads to. `customer` is what is to be stored, None when nothing changes.

    `held`: from now on this till holds the customer (SYNC-2).
    """

    customer: Held | None = None
    history: tuple[HistoryLine, ...] = ()
    verdict: Verdict | None = None
    held: bool = False


def decide_added(
    place: Place,
    added: CustomerAdded,
    held: Held | None,
    touched: Collection[str],
    owners: Owners,
) -> Decision:
    """A customer made at a till: it is available to and editable by the till's centre.

    A till that was restored sends it again: `held` is what the ERP has under its id by now, and
    `touched` the fields changed since; they and equal ones say nothing, others are a conflict.
    """
    if held is not None:
        return _decide_again(place, added, held, touched)
    sent = added.record
    kept, further = _one_main(sent)
    customer = kept.model_copy(update=_erp_values(place.till, sent))
    code = free_code(sent.code, added.customer_id, series_of(place.till), owners)
    asked = None if code == sent.code else sent.code
    made = _made_at(place.till, added.customer_id, customer.model_copy(update={"code": code}))
    if refusal := refuse_record(made):
        return _refused(place, added.customer_id, refusal)
    lost = (*_lost_description(sent), *further)
    return Decision(
        made,
        tuple(_making(place, added, made, asked, lost)),
        _verdict(place, made, asked, lost),
        held=place.till.local_only,
    )


def decide_edited(
    place: Place, edited: CustomerEdited, held: Held | None, owners: Owners
) -> Decision:
    """Fields changed at a till, merged with what the ERP has by now (CUST-13)."""
    refusal = refuse_edit(held, place.till.centre)
    if refusal or held is None:
        return _refused(place, edited.customer_id, refusal or UNKNOWN)
    merged = _merged(held.record, edited.changes)
    if isinstance(merged, Refusal):
        return _refused(place, held.id, merged)
    applied = merged.applied
    after, asked = held.with_record(merged.record) if applied else held, None
    if any(change.path == "code" for change in applied):
        after, asked = _with_free_code(after, place.till, owners)
        if after.code == held.code:  # the free one is its own
            applied = tuple(change for change in applied if change.path != "code")
    if applied and (refusal := refuse_record(after, held) or _refuse_searched(after, applied)):
        return _refused(place, held.id, refusal)
    lost = (*_erp_only_lost(held.record, edited.changes), *_conflicts(merged))
    return Decision(
        after if applied else None,
        tuple(_editing(place, edited, applied, after, asked, lost)),
        _verdict(place, after, asked, lost),
    )


def _refuse_searched(after: Held, applied: Iterable[Change]) -> Refusal | None:
    """Why no words can be made of a record; one that SQL made invalid in a field nobody is found by is let be."""
    if SEARCHED.isdisjoint([change.path.partition(".")[0] for change in applied]):
        return None
    try:
        _ = after.customer
    except ValidationError as error:
        return refuse_invalid(error)
    return None


def decide_parked(
    place: Place, customer_id: UUID | None, reason: str, content: str | None = None
) -> Decision:
    """An entry that cannot be applied at all: its number is used up, so that what follows flows. `content`: which of
    two entries under one number it is."""
    return Decision(verdict=Verdict(
        epoch=place.epoch, seq=place.seq, content=content, customer_id=customer_id,
        outcome="parked", code="journal.parked", params={"reason": reason},
    ))  # fmt: skip


def _with_free_code(held: Held, till: Till, owners: Owners) -> tuple[Held, str | None]:
    """The customer under a code of its own, and the code it asked for when that was taken."""
    code = free_code(held.code, held.id, series_of(till), owners)
    if code == held.code:
        return held, None
    return held.with_record(held.record.replaced({"code": code})), held.code


def _erp_values(till: Till, sent: Customer) -> dict[str, Any]:
    """CUST-9, CUST-11: what the ERP alone writes."""
    own = till.settings
    lowest = own.lowest_price_retail if sent.kind == "retail" else own.lowest_price_business
    return {"description": None, "lowest_price": lowest}


def _made_at(till: Till, customer_id: UUID, customer: Customer) -> Held:
    only_here = (till.centre,)
    made = Held(
        id=customer_id, version=0, state="active", is_customer=True,
        everywhere=False, centres=only_here, editors=only_here, text="",
    )  # fmt: skip
    return made.with_customer(customer)


def _decide_again(
    place: Place, added: CustomerAdded, held: Held, touched: Collection[str]
) -> Decision:
    """The same customer again, or another one under its id: what the ERP has stands.

    What stands is told only to a till that may edit it: an id alone must not open a record.
    """
    if refusal := refuse_edit(held, place.till.centre):
        return _refused(place, held.id, refusal)
    differing = (c for c in diff(held.customer, added.record) if not _explained(c.path, touched))
    lost = tuple(LostValue(path=c.path, stands=c.old, lost=c.new) for c in differing)
    return Decision(
        history=tuple(_Notes(place, held.id, added.author).lost(one) for one in lost),
        verdict=_verdict(place, held, None, lost),
    )


def _explained(path: str, touched: Collection[str]) -> bool:
    """Whether a field differs because it, something in it or around it was changed since."""
    return _erp_only(path) or any(
        path == one or path.startswith(f"{one}.") or one.startswith(f"{path}.") for one in touched
    )


def _merged(current: Record, changes: Iterable[Change]) -> Merge | Refusal:
    """The record with a till's changes, or why it cannot take them."""
    try:
        return merge(current, [change for change in changes if not _erp_only(change.path)])
    except WrongPath as error:
        return Refusal("customer.field_invalid", field=str(error).partition(":")[0])
    except ValidationError as error:
        return refuse_invalid(error)


def _erp_only(path: str) -> bool:
    return path.partition(".")[0] in ERP_ONLY


def _lost_description(sent: Customer) -> tuple[LostValue, ...]:
    """CUST-11: a till's description does not go in. Its lowest price was a default, never typed."""
    if sent.description is None:
        return ()
    return (LostValue(path="description", stands=None, lost=sent.description),)


def _one_main(sent: Customer) -> tuple[Customer, tuple[LostValue, ...]]:
    """ADDR-1: the first main address stands; a till that took further ones is told that they are lost."""
    further = [one for one in sent.addresses if one.type == "main"][1:]
    if not further:
        return sent, ()
    kept = [one for one in sent.addresses if one not in further]
    lost = (
        LostValue(
            path=f"addresses.{one.id}",
            stands=None,
            lost=one.model_dump(mode="json", exclude_none=True),
        )
        for one in further
    )
    return sent.model_copy(update={"addresses": kept}), tuple(lost)


def _erp_only_lost(current: Record, changes: Iterable[Change]) -> Iterator[LostValue]:
    for change in changes:
        stands = current.get(change.path)
        if _erp_only(change.path) and change.new != stands:
            yield LostValue(path=change.path, stands=stands, lost=change.new)


def _conflicts(merged: Merge) -> Iterator[LostValue]:
    return (LostValue(path=c.path, stands=c.stands, lost=c.lost) for c in merged.conflicts)


def _making(
    place: Place,
    added: CustomerAdded,
    made: Held,
    asked: str | None,
    lost: tuple[LostValue, ...],
) -> Iterator[HistoryLine]:
    """What the making alone does not tell (the store itself notes the making)."""
    note = _Notes(place, added.customer_id, added.author)
    if asked is not None:
        yield note.line("code", asked, made.code)
    yield from (note.lost(one) for one in lost)


def _editing(
    place: Place,
    edited: CustomerEdited,
    applied: tuple[Change, ...],
    after: Held,
    asked: str | None,
    lost: tuple[LostValue, ...],
) -> Iterator[HistoryLine]:
    note = _Notes(place, edited.customer_id, edited.author)
    for change in applied:
        renamed = asked is not None and change.path == "code"
        yield note.line(change.path, change.old, after.code if renamed else change.new)
    if asked is not None:
        yield structs.replace(note.line("code", after.code, asked), kept=False)
    yield from (note.lost(one) for one in lost)


class _Notes:
    """Writes history lines of one author (SYNC-3)."""

    def __init__(self, place: Place, customer_id: UUID, author: Author) -> None:
        self._customer_id = customer_id
        self._at = author.at
        self._by = author.operator
        self._where = f"pos.{place.till.pos_id}"

    def line(self, path: str, old: object, new: object) -> HistoryLine:
        return HistoryLine(
            self._customer_id, self._at, self._by, self._where, path, as_json(old), as_json(new)
        )

    def lost(self, one: LostValue) -> HistoryLine:
        return structs.replace(self.line(one.path, one.stands, one.lost), kept=False)


def as_json(value: object) -> str | None:
    """A value of a field as the history keeps it; None is absent."""
    return None if value is None else msgspec.json.encode(value).decode()


def _refused(place: Place, customer_id: UUID, refusal: Refusal) -> Decision:
    return Decision(verdict=refused_verdict(place, customer_id, refusal))


def refused_verdict(place: Place, customer_id: UUID, refusal: Refusal) -> Verdict:
    """What a till is told of an entry of which nothing was applied."""
    params = {**refusal.params, "field": refusal.field} if refusal.field else dict(refusal.params)
    return Verdict(
        epoch=place.epoch, seq=place.seq, customer_id=customer_id,
        outcome="refused", code=refusal.code, params=params,
    )  # fmt: skip


def _verdict(
    place: Place, after: Held, asked: str | None, lost: tuple[LostValue, ...]
) -> Verdict | None:
    """What the till is told of an entry that was applied, if anything."""
    if asked is None and not lost:
        return None
    params = {"name": after.display_name}
    outcome: Outcome = "conflict"
    code = "customer.conflict"
    if asked is not None:
        outcome, code = "renamed", "customer.renamed"
        params |= {"asked": asked, "code": after.code}
    elif len(paths := {one.path for one in lost}) == 1 and not paths.isdisjoint(ERP_ONLY):
        code = f"customer.{paths.pop()}_read_only"
    return Verdict(
        epoch=place.epoch, seq=place.seq, customer_id=after.id,
        outcome=outcome, code=code, params=params, lost=list(_told(lost)),
    )  # fmt: skip


def _told(lost: Iterable[LostValue]) -> Iterator[LostValue]:
    """What was lost, as far as it fits into a page of the feed; the history has all of it."""
    room = TOLD_BYTES
    for one in lost:
        room -= len(as_json(one.stands) or "") + len(as_json(one.lost) or "")
        yield one if room >= 0 else LostValue(path=one.path)
