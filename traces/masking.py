"""A message with its personal values replaced: the models of contracts say where, contracts.personal what.

Works on JSON, so that a message no model accepts is masked too: what stands where no model expects
it is taken for personal.
"""

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel

from contracts import personal
from contracts.customers import Address, Consent, Contact, Customer
from contracts.envelope import Headers
from contracts.matching import COLUMNS
from contracts.paths import PART_KEYS
from contracts.registry import MESSAGES
from traces.pseudonyms import Pseudonyms

Json: TypeAlias = Any
"""What JSON can hold; nothing about it is sure."""

PARTS: Mapping[str, type[BaseModel]] = {
    "addresses": Address,
    "contacts": Contact,
    "consents": Consent,
}
_NUMBERS = frozenset({"tax_number", "national_id", "siret", "identity_document"})
_PLAIN_COLUMNS = frozenset({"country"})


def mask(message: Json, names: Pseudonyms) -> Json:
    """A message of the registry, or of a stranger, without personal values."""
    masking = _Masking(names)
    if not isinstance(message, dict):
        return masking.unknown(message)
    kind = MESSAGES.get(message["type"]) if isinstance(message.get("type"), str) else None
    return {
        name: value if name in Headers.model_fields else _data(masking, kind, name, value)
        for name, value in message.items()
    }


def _data(masking: "_Masking", kind: Any, name: str, value: Json) -> Json:
    if name != "data" or kind is None:
        return masking.unknown(value)
    return masking.of_model(kind.model, value)


class _Masking:
    def __init__(self, names: Pseudonyms) -> None:
        self._names = names

    def unknown(self, value: Json) -> Json:
        match value:
            case str():
                return self._names.text(value)
            case list():
                return [self.unknown(one) for one in value]
            case dict():
                return {name: self.unknown(one) for name, one in value.items()}
            case _:
                return value

    def of_model(self, model: type[BaseModel], value: Json) -> Json:
        if not isinstance(value, dict):
            return self.unknown(value)
        shapes = _shapes(model)
        masked = {}
        for name, one in value.items():
            shape = shapes.get(name)
            masked[name] = self.unknown(one) if shape is None else self._of(shape, one, value)
        return masked

    def _of(self, shape: "_Shape", value: Json, beside: Mapping[str, Json]) -> Json:
        if isinstance(value, list):
            if shape.kind == "words":
                return self._words(value)
            return [self._of(shape, one, beside) for one in value]
        if shape.models:
            return self._of_one(shape.models, value)
        if shape.kind == "plain" or value is None or isinstance(value, bool):
            return value
        if shape.kind == "named" and isinstance(value, dict):
            return {name: self._named(name, one) for name, one in value.items()}
        if shape.kind == "at_path":
            return self._at(beside.get("path"), value)
        if isinstance(value, dict):
            return {name: self._of(shape, one, beside) for name, one in value.items()}
        if shape.kind == "phrase":
            return self._phrase(str(value), beside.get("column"))
        return self.leaf(shape.kind, value)

    def leaf(self, kind: personal.Kind, value: Json) -> Json:
        """One value of a kind; a number where text belongs is personal as well."""
        if not isinstance(value, str):
            digits = self._names.number(str(abs(value))) if isinstance(value, int) else ""
            return int(digits) if digits.isdigit() else self.unknown(value)
        match kind:
            case "plain":
                return value
            case "number":
                return self._names.number(value)
            case "phone":
                return self._names.phone(value)
            case "date":
                return self._names.day(value)
            case "sealed":
                return self._names.seal(value)
            case "row_key":
                return self._row_key(value)
            case _:
                return self._names.text(value)

    def _of_one(self, models: tuple[type[BaseModel], ...], value: Json) -> Json:
        """The one of several models that the field `kind` names."""
        if len(models) == 1:
            return self.of_model(models[0], value)
        said = value.get("kind") if isinstance(value, dict) else None
        for model in models:
            info = model.model_fields.get("kind")
            if info is not None and info.default == said:
                return self.of_model(model, value)
        return self.unknown(value)

    def _named(self, name: str, value: Json) -> Json:
        return self.leaf(personal.NAMED_PARAMS.get(name, "text"), value) if value else value

    def _row_key(self, key: str) -> str:
        kind, slash, code = key.partition("/")
        looks = personal.PERSONAL_ENTRIES.get(kind)
        return key if looks is None or not slash else f"{kind}/{self.leaf(looks, code)}"

    def _phrase(self, phrase: str, column: Json) -> str:
        """As the words it will be compared with (`_column`)."""
        if column == "phone":
            return self._names.phone(phrase)
        return self._names.number(phrase) if column in _NUMBERS else self._names.text(phrase)

    def _words(self, words: list[Json]) -> list[Json]:
        texts = [one if isinstance(one, str) else "" for one in words]
        if len(texts) > len(COLUMNS):
            return [self.unknown(one) for one in texts]
        return [self._column(name, one) for name, one in zip(COLUMNS, texts, strict=False)]

    def _column(self, column: str, words: str) -> str:
        if column in _PLAIN_COLUMNS:
            return words
        if column == "phone":
            return self._names.phone_words(words)
        each = self._names.number if column in _NUMBERS else self._word
        return " ".join(each(word) for word in words.split())

    def _word(self, word: str) -> str:
        """A word, an attribute's value with its name (`=colour=red`), or a filter (`kind=retail`)."""
        name, equals, value = word.rpartition("=")
        if equals and not name.startswith(("=", "attribute.")):
            return word
        parts = "_".join(self._names.word(part) for part in value.split("_"))
        return f"{name}{equals}{parts}"

    def _at(self, path: Json, value: Json) -> Json:
        """What a path of contracts.paths names: a field, or a whole part."""
        model: type[BaseModel] = Customer
        steps = path.split(".") if isinstance(path, str) else []
        while len(steps) > 1 and steps[0] in PART_KEYS:
            model, steps = PARTS[steps[0]], steps[2:]
        if not steps:
            return self.of_model(model, value)
        shape = _shapes(model).get(steps[0])
        return self.unknown(value) if shape is None else self._of(shape, value, {})


class _Shape:
    """What a field holds: models, or values of one kind, alone or in lists and mappings."""

    def __init__(self, kind: personal.Kind, models: tuple[type[BaseModel], ...]) -> None:
        self.kind = kind
        self.models = models


@cache
def _shapes(model: type[BaseModel]) -> dict[str, _Shape]:
    shapes = {}
    for name, info in model.model_fields.items():
        leaves = leaves_of(info.annotation)
        models = tuple(
            one for one in leaves if isinstance(one, type) and issubclass(one, BaseModel)
        )
        kind = personal.KINDS.get(f"{model.__name__}.{name}")
        readable = not any(may_be_personal(one) for one in leaves)
        shapes[name] = _Shape(kind or ("plain" if readable else "text"), models)
    return shapes


def leaves_of(annotation: Any) -> tuple[Any, ...]:
    """The types at the ends of an annotation: of lists their elements, of mappings their values."""
    origin = get_origin(annotation)
    if annotation is NoneType or annotation is None:
        return ()
    if origin is Annotated:
        return leaves_of(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return tuple(leaf for one in get_args(annotation) for leaf in leaves_of(one))
    if origin in (list, tuple):
        return tuple(leaf for one in get_args(annotation) for leaf in leaves_of(one))
    if origin is dict:
        return leaves_of(get_args(annotation)[1])
    if origin is Literal:
        return (str,)
    return (annotation,)


def may_be_personal(leaf: Any) -> bool:
    """Whether a value of this type can say something about a person."""
    if leaf is Any or not isinstance(leaf, type):
        return True
    return leaf is object or (issubclass(leaf, str | date) and not issubclass(leaf, datetime))
