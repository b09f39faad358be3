"""What changed in a customer, field by field, and how two histories of one customer meet (SYNC-3, CUST-13).

A field is named by its path: `phone`, `attributes.colour`, `addresses.<id>.street`, `contacts.<id>`.
A list whose parts have an identity (addresses, contacts by id, consents by definition) is compared
part by part; a part that is new or gone is one change of the whole part.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from contracts.customers import Customer

PART_KEYS = {"addresses": "id", "contacts": "id", "consents": "definition"}

Value = Any
"""A JSON value: a field's, or a whole part's when it was added or taken away."""


class WrongPath(ValueError):
    """A change names a field that a customer does not have."""


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


@dataclass(frozen=True, slots=True)
class Merge:
    """The record after the changes that could be kept, and those that could not."""

    customer: Customer
    applied: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]


def diff(old: Customer, new: Customer) -> tuple[Change, ...]:
    """Every field in which two records differ, ordered by path."""
    before, after = flatten(old), flatten(new)
    paths = sorted(before.keys() | after.keys())
    found = [Change(path=p, old=before.get(p), new=after.get(p)) for p in paths]
    return _whole_parts(tuple(one for one in found if one.old != one.new), old, new)


def apply(customer: Customer, changes: Iterable[Change]) -> Customer:
    """The record with the changes made, whatever it held before in those fields.

    Raises WrongPath, or pydantic.ValidationError when a new value does not fit its field.
    """
    tree = _as_tree(customer)
    for change in changes:
        _put(tree, change.path.split("."), change.new)
    return _as_customer(tree)


def merge(current: Customer, changes: Iterable[Change]) -> Merge:
    """Brings a till's changes into the ERP's record (CUST-13).

    A field the ERP left alone takes the till's value; one it changed meanwhile keeps the ERP's.
    Applying the same changes twice gives the same record and no conflict. Raises as `apply` does.
    """
    tree = _as_tree(current)
    applied: list[Change] = []
    conflicts: list[Conflict] = []
    for change in changes:
        steps = change.path.split(".")
        here = _get(tree, steps)
        if here == change.new:
            continue
        if here == change.old:
            _put(tree, steps, change.new)
            applied.append(change)
        else:
            conflicts.append(Conflict(change.path, stands=here, lost=change.new))
    return Merge(_as_customer(tree), tuple(applied), tuple(conflicts))


def flatten(customer: Customer) -> dict[str, Value]:
    """The record as one value per path."""
    return dict(_leaves(_as_tree(customer), ""))


def _whole_parts(changes: tuple[Change, ...], old: Customer, new: Customer) -> tuple[Change, ...]:
    """Replaces the fields of a part that is new or gone by one change of the part."""
    before, after = _as_tree(old), _as_tree(new)
    found: dict[str, Change] = {}
    for change in changes:
        steps = change.path.split(".")
        whole = _first_absent(steps, before, after)
        path = ".".join(steps[:whole]) if whole else change.path
        if path not in found:
            cut = steps[:whole] if whole else steps
            found[path] = Change(path=path, old=_get(before, cut), new=_get(after, cut))
    return tuple(found.values())


def _first_absent(steps: list[str], before: Any, after: Any) -> int | None:
    """How many steps lead to a part that one of the two records does not have."""
    for count in range(2, len(steps)):
        if steps[count - 2] in PART_KEYS:
            cut = steps[:count]
            if _get(before, cut) is None or _get(after, cut) is None:
                return count
    return None


def _as_tree(record: BaseModel) -> dict[str, Value]:
    """The record as nested mappings, parts by their key."""
    return {
        name: _keyed(name, value)
        for name, value in record.model_dump(mode="json", exclude_none=True).items()
    }


def _keyed(name: str, value: Value) -> Value:
    if name in PART_KEYS:
        key = PART_KEYS[name]
        return {part[key]: {n: _keyed(n, v) for n, v in part.items()} for part in value}
    return value


def _as_customer(tree: Mapping[str, Value]) -> Customer:
    return Customer.model_validate({name: _listed(name, value) for name, value in tree.items()})


def _listed(name: str, value: Value) -> Value:
    if name in PART_KEYS:
        return [{n: _listed(n, v) for n, v in part.items()} for part in value.values()]
    return value


def _leaves(value: Value, path: str) -> Iterable[tuple[str, Value]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for name, inner in value.items():
        yield from _leaves(inner, f"{path}.{name}" if path else name)


def _get(tree: Value, steps: list[str]) -> Value:
    for step in steps:
        if not isinstance(tree, dict) or step not in tree:
            return None
        tree = tree[step]
    return tree


def _put(tree: dict[str, Value], steps: list[str], value: Value) -> None:
    if steps[0] not in Customer.model_fields:
        raise WrongPath(f"{'.'.join(steps)}: a customer has no such field")
    *way, last = steps
    for step in way:
        tree = tree.setdefault(step, {})
        if not isinstance(tree, dict):
            raise WrongPath(f"{'.'.join(steps)}: {step} has no parts")
    if value is None:
        tree.pop(last, None)
    else:
        tree[last] = value
