"""What changed in a customer, field by field, and how two histories of one customer meet (SYNC-3, CUST-13).

A field is named by its path (contracts.paths). A list whose parts have an identity (addresses,
contacts by id, consents by definition) is compared part by part; a part that is new or gone is one
change of the whole part, its value written as in the record.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from contracts import paths
from contracts.customers import Customer
from contracts.paths import PART_KEYS as PART_KEYS
from contracts.paths import Place, Tree, Value, as_tree, as_written, with_fields
from contracts.paths import WrongPath as WrongPath
from contracts.record import Record


class Change(BaseModel):
    """One field's old and new value; None stands for absent."""

    model_config = ConfigDict(frozen=True)

    path: str = Field(max_length=300)
    old: Value = None
    new: Value = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field changed on both sides: `stands` is the ERP's value, `lost` the till's."""

    path: str
    stands: Value
    lost: Value


class Merge(msgspec.Struct, frozen=True, gc=False):
    """The record after the changes that could be kept, and those that could not."""

    record: Record
    applied: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]

    @property
    def customer(self) -> Customer:
        """The record. Raises pydantic.ValidationError when the fields nobody changed are wrong."""
        return Customer.model_validate_json(self.record.encode())


def diff(old: Customer, new: Customer) -> tuple[Change, ...]:
    """Every field in which two records differ, ordered by path."""
    found = list(_differences(as_tree(old), as_tree(new), ()))
    return tuple(sorted(found, key=lambda change: change.path))


def apply(customer: Customer, changes: Iterable[Change]) -> Customer:
    """The record with the changes made, whatever it held before in those fields.

    A field of a part that is gone is left out. Raises WrongPath, or pydantic.ValidationError when
    a new value does not fit its field.
    """
    placed = list(_placed(changes))
    names = _names(placed)
    tree = as_tree(customer, names)
    for change, place in placed:
        new = place.fit(change.new)
        if _has_room(tree, place):
            paths.put(tree, place.steps, new)
    return with_fields(customer, tree, names)


def merge(current: Record, changes: Iterable[Change]) -> Merge:
    """Brings a till's changes into the ERP's record, as JSON has it (CUST-13).

    Only the fields that change are looked at.

    A field the ERP left alone takes the till's value; one it changed meanwhile keeps the ERP's. So does which address
    is the main one: a till's further one is a conflict (ADDR-1).
    Applying the same changes twice gives the same record and no conflict that was not there the
    first time. Raises as `apply` does.
    """
    changes = list(changes)
    placed = list(_placed(changes))
    tree = paths.tree_of(current, _names(placed))
    applied: list[Change] = []
    written: set[str] = set()
    conflicts: list[Conflict] = []
    for change, place in placed:
        here, new = paths.get(tree, place.steps), place.fit(change.new)
        if here == new:
            continue
        stands, wanted = as_written(here), as_written(new)
        if _has_room(tree, place) and here == _as_it_was(change, place):
            paths.put(tree, place.steps, new)
            applied.append(_told(change, stands, wanted))
            written.add(place.steps[0])
        else:
            conflicts.append(Conflict(change.path, stands=stands, lost=wanted))
    if "addresses" in written and (further := _further_mains(tree, applied)):
        return _merge_without(further, current, changes)
    record = paths.with_written(current, tree, written)
    return Merge(record, tuple(applied), tuple(conflicts))


def _further_mains(tree: Tree, applied: Iterable[Change]) -> list[Change]:
    """The changes by which there is more than one main address: the last ones that made one (ADDR-1)."""
    mains = sum(map(_is_main, tree["addresses"].values()))
    makers = [change for change in applied if _makes_main(change)]
    return makers[max(0, len(makers) - mains + 1) :] if mains > 1 else []


def _makes_main(change: Change) -> bool:
    match change.path.split("."):
        case ["addresses", _]:
            return _is_main(change.new) and not _is_main(change.old)
        case ["addresses", _, "type"]:
            return bool(change.new == "main")
        case _:
            return False


def _is_main(address: Value) -> bool:
    return isinstance(address, dict) and address.get("type") == "main"


def _merge_without(lost: list[Change], current: Record, changes: Iterable[Change]) -> Merge:
    """What becomes of the other changes, and conflicts of these."""
    paths_lost = {change.path for change in lost}
    rest = merge(current, [change for change in changes if change.path not in paths_lost])
    conflicts = (Conflict(change.path, stands=change.old, lost=change.new) for change in lost)
    return Merge(rest.record, rest.applied, (*rest.conflicts, *conflicts))


def flatten(customer: Customer) -> dict[str, Value]:
    """The record as one value per path."""
    return dict(_leaves(as_tree(customer), ""))


def _differences(old: Tree, new: Tree, way: tuple[str, ...]) -> Iterator[Change]:
    """Differing fields of two mappings; what is a mapping on both sides is looked into."""
    for name in old.keys() | new.keys():
        before, after, steps = old.get(name), new.get(name), (*way, name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differences(before, after, steps)
        elif before != after:
            yield Change(path=".".join(steps), old=as_written(before), new=as_written(after))


def _placed(changes: Iterable[Change]) -> Iterator[tuple[Change, Place]]:
    """Each change with its place. Raises WrongPath also when one place is changed twice."""
    changed: set[tuple[str, ...]] = set()
    touched: set[tuple[str, ...]] = set()
    for change in changes:
        place = paths.place_of(change.path)
        around = [place.steps[:count] for count in range(1, len(place.steps) + 1)]
        if place.steps in touched or not changed.isdisjoint(around):
            raise WrongPath(f"{change.path}: changed twice")
        changed.add(place.steps)
        touched.update(around)
        yield change, place


def _names(placed: Iterable[tuple[Change, Place]]) -> set[str]:
    """The fields of the record that the changes are in: the others need not be looked at."""
    return {place.steps[0] for _, place in placed}


def _has_room(tree: Tree, place: Place) -> bool:
    """Whether the part that a field belongs to is there."""
    return len(place.steps) == 1 or paths.get(tree, place.steps[:-1]) is not None


def _told(change: Change, old: Value, new: Value) -> Change:
    """The change with its values as the record has them: nearly always as they were sent."""
    if change.old == old and change.new == new:
        return change
    return Change(path=change.path, old=old, new=new)


def _as_it_was(change: Change, place: Place) -> Value:
    """The value the till saw before; one that never fitted equals nothing."""
    try:
        return place.fit(change.old)
    except ValueError:
        return object()


def _leaves(value: Value, path: str) -> Iterator[tuple[str, Value]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for name, inner in value.items():
        yield from _leaves(inner, f"{path}.{name}" if path else name)
