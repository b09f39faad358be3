"""Paths that name one field or one part of a customer's record, and which values fit there (SYNC-3, CUST-13).

`phone` · `attributes.<code>` · `addresses.<id>` (a whole part) · `addresses.<id>.street` ·
`contacts.<id>.consents.<definition>.state`. A part is named by its key as the record writes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails

from contracts.customers import Address, Code, Consent, Contact, Customer, Text
from contracts.record import Record
from contracts.record import Value as Value

PART_KEYS = {"addresses": "id", "contacts": "id", "consents": "definition"}
"""Lists whose parts have an identity: they are compared and changed part by part."""

Tree = dict[str, Value]
"""A record as nested mappings, the parts of a list by their key."""

_PARTS: dict[str, type[BaseModel]] = {
    "addresses": Address,
    "contacts": Contact,
    "consents": Consent,
}
_STRIPPED = ConfigDict(str_strip_whitespace=True)
_TEXT: TypeAdapter[Any] = TypeAdapter(Text, config=_STRIPPED)
_CODE: TypeAdapter[Any] = TypeAdapter(Code)


class WrongPath(ValueError):
    """A change names a field that a customer does not have."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names: a whole part, or a field. `absent` is what stands for a field that is not there."""

    path: str
    steps: tuple[str, ...]
    kind: TypeAdapter[Any]
    whole_part: bool = False
    absent: Value = None
    required: bool = False

    def fit(self, value: Value) -> Value:
        """The value as the record's tree holds it; None is absent.

        Raises pydantic.ValidationError, located at the path, or WrongPath when a part has another key.
        """
        if value is None and self.required:
            raise _missing(self.steps)
        if value is None:
            return self.absent
        try:
            made = self.kind.validator.validate_python(value)
        except ValidationError as error:
            raise _located(error, self.steps) from None
        if not self.whole_part:
            return self.kind.serializer.to_python(made, mode="json")
        part = as_tree(made)
        if part[PART_KEYS[self.steps[-2]]] != self.steps[-1]:
            raise WrongPath(f"{self.path}: the part has another key")
        return part


@lru_cache(maxsize=1024)
def place_of(path: str) -> Place:
    """What a path names. Raises WrongPath."""
    return _descend(path, Customer, tuple(path.split(".")), 0)


def as_tree(record: BaseModel, only: set[str] | None = None) -> Tree:
    """The record with the parts of its lists by their key; `only` these of its fields."""
    dumped = record.model_dump(mode="json", exclude_none=True, include=only)
    return {name: _keyed(name, value) for name, value in dumped.items()}


def tree_of(record: Record, only: Iterable[str]) -> Tree:
    """These fields of a record with the parts of lists by their key. What is no value of its field stays as it is,
    unless it should have parts: then raises pydantic.ValidationError, located at the field."""
    return {name: _tree_value(name, record.get(name)) for name in only}


def with_written(record: Record, tree: Tree, names: Iterable[str]) -> Record:
    """The record with these of its fields as a tree has them."""
    return record.replaced({name: as_written(tree.get(name), name) for name in names})


def with_fields(customer: Customer, tree: Tree, names: Iterable[str]) -> Customer:
    """The record with these of its fields as a tree has them. Raises pydantic.ValidationError."""
    fields = {name: _made(name, tree) for name in names}
    return customer.model_copy(update=fields) if fields else customer


def as_written(value: Value, name: str = "") -> Value:
    """A value of a tree as records write it: parts in lists."""
    if not isinstance(value, dict):
        return value
    if name in PART_KEYS:
        return [as_written(part) for part in value.values()]
    return {n: as_written(v, n if n != "attributes" else "") for n, v in value.items()}


def get(tree: Value, steps: tuple[str, ...]) -> Value:
    """What is there, or None."""
    for step in steps:
        if not isinstance(tree, dict) or step not in tree:
            return None
        tree = tree[step]
    return tree


def put(tree: Tree, steps: tuple[str, ...], value: Value) -> None:
    """Sets what a place of the record holds; None takes it away. All before the last step must be there."""
    *way, last = steps
    for step in way:
        tree = tree[step]
    if value is None:
        tree.pop(last, None)
    else:
        tree[last] = value


def _made(name: str, tree: Tree) -> Value:
    """A field of the record from its value in a tree. Raises pydantic.ValidationError, located at the field."""
    info = Customer.model_fields[name]
    if name not in tree:
        if info.is_required():
            raise _missing((name,))
        return info.get_default(call_default_factory=True)
    try:
        return _field_kind(Customer, name).validate_python(as_written(tree[name], name))
    except ValidationError as error:
        raise _located(error, (name,)) from None


def _tree_value(name: str, value: Value) -> Value:
    info, kind = Customer.model_fields[name], _field_kind(Customer, name)
    if value is None:
        value = None if info.is_required() else info.get_default(call_default_factory=True)
        return _keyed(name, value)
    try:
        made = kind.validator.validate_python(value)
    except ValidationError as error:
        if name in PART_KEYS or name == "attributes":  # nothing can be put into what is none
            raise _located(error, (name,)) from None
        return value
    return _keyed(name, kind.serializer.to_python(made, mode="json", exclude_none=True))


def _missing(steps: tuple[str, ...]) -> ValidationError:
    detail = InitErrorDetails(type="missing", loc=steps, input=None)
    return ValidationError.from_exception_data("Customer", [detail])


def _keyed(name: str, value: Value) -> Value:
    if name not in PART_KEYS:
        return value
    key = PART_KEYS[name]
    return {part[key]: {n: _keyed(n, v) for n, v in part.items()} for part in value}


def _descend(path: str, model: type[BaseModel], steps: tuple[str, ...], at: int) -> Place:
    name, *rest = steps[at:]
    info = model.model_fields.get(name)
    if info is None:
        raise WrongPath(f"{path}: a customer has no such field")
    if name in PART_KEYS:
        return _in_part(path, steps, at)
    if name == "attributes":
        return _attribute(path, steps)
    if rest:
        raise WrongPath(f"{path}: {name} has no parts")
    if at and name == PART_KEYS[steps[at - 2]]:
        raise WrongPath(f"{path}: the key of a part never changes")
    absent = None if info.is_required() else info.get_default(call_default_factory=False)
    return Place(path, steps, _field_kind(model, name), absent=absent, required=info.is_required())


def _in_part(path: str, steps: tuple[str, ...], at: int) -> Place:
    """A whole part, or a field of it."""
    if len(steps) < at + 2:
        raise WrongPath(f"{path}: {steps[at]} change part by part")
    part = _PARTS[steps[at]]
    _check_key(path, _field_kind(part, PART_KEYS[steps[at]]), steps[at + 1])
    if len(steps) == at + 2:
        return Place(path, steps, _part_kind(part), whole_part=True)
    return _descend(path, part, steps, at + 2)


def _attribute(path: str, steps: tuple[str, ...]) -> Place:
    if len(steps) != 2:
        raise WrongPath(f"{path}: attributes change one by one")
    _check_key(path, _CODE, steps[1])
    return Place(path, steps, _TEXT)


def _check_key(path: str, kind: TypeAdapter[Any], key: str) -> None:
    """Raises WrongPath unless the key is written as records write it."""
    try:
        written = kind.dump_python(kind.validate_python(key), mode="json")
    except ValidationError:
        written = None
    if written != key:
        raise WrongPath(f"{path}: {key} is no key")


@cache
def _field_kind(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    return TypeAdapter(model.model_fields[name].rebuild_annotation(), config=_STRIPPED)


@cache
def _part_kind(part: type[BaseModel]) -> TypeAdapter[Any]:
    return TypeAdapter(part)


def _located(error: ValidationError, steps: tuple[str, ...]) -> ValidationError:
    """The same error, with the path before its location."""
    details = [
        InitErrorDetails(
            type=one["type"],
            loc=(*steps, *one["loc"]),
            input=one["input"],
            ctx=one.get("ctx", {}),
        )
        for one in error.errors()
    ]
    return ValidationError.from_exception_data(error.title, details)
