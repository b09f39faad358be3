"""Fast decoders derived from the pydantic models: one definition, two readers."""

from collections.abc import Callable, Iterable
from datetime import datetime
from types import UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

import msgspec
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo


class NotMirrored(TypeError):
    """The fast reader cannot check this as pydantic does."""


Limits: TypeAlias = Callable[[object], bool]
"""Tells some parts of a field's annotation from the others."""


def struct_of(
    model: type[BaseModel],
    *,
    only: frozenset[str] | None = None,
    extra: dict[str, Any] | None = None,
    limits: bool = True,
    unchecked: Limits = lambda part: False,
) -> type[msgspec.Struct]:
    """A msgspec struct with the fields of a pydantic model, defaults and limits included.

    `only` keeps some of the fields; `extra` adds fields or gives them another type, for instance
    msgspec.Raw for a part that stays bytes. Unknown fields are ignored, as in pydantic. It accepts
    nothing that pydantic refuses, with two exceptions: bounds of times are left to the caller, and
    without `limits` (for data that was checked before) all bounds, patterns and validators are. Of those
    that are `unchecked` the caller takes care.
    Raises NotMirrored for what it cannot check.
    """
    others = extra or {}
    left_out: Limits = unchecked if limits else lambda part: True
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        _field(name, info, left_out)
        for name, info in model.model_fields.items()
        if name not in others and (only is None or name in only)
    ]
    fields.extend((name, annotation) for name, annotation in others.items())
    return msgspec.defstruct(f"{model.__name__}Struct", fields, kw_only=True, gc=False)


def _field(name: str, info: FieldInfo, left_out: Limits) -> tuple[str, Any] | tuple[str, Any, Any]:
    annotation = _limited(info.annotation, info.metadata, left_out)
    if info.is_required():
        return name, annotation
    if info.default_factory is not None:
        return name, annotation, msgspec.field(default_factory=info.default_factory)  # type: ignore[arg-type]
    return name, annotation, info.default


def _limited(annotation: Any, metadata: Iterable[Any], left_out: Limits) -> Any:
    plain = _plain(annotation, left_out)
    bounds: dict[str, Any] = {}
    for part in metadata:
        for one in part.metadata if isinstance(part, FieldInfo) else (part,):
            bounds |= {} if left_out(one) else _bound(one)
    return Annotated[plain, msgspec.Meta(**bounds)] if bounds else plain


def _bound(part: Any) -> dict[str, Any]:
    match part:
        case Ge(datetime()) | Lt(datetime()):
            return {}
        case Ge(bound):
            return {"ge": bound}
        case Gt(bound):
            return {"gt": bound}
        case Le(bound):
            return {"le": bound}
        case Lt(bound):
            return {"lt": bound}
        case MinLen(bound):
            return {"min_length": bound}
        case MaxLen(bound):
            return {"max_length": bound}
    pattern = getattr(part, "pattern", None)
    if not isinstance(pattern, str):
        raise NotMirrored(repr(part))
    return {"pattern": _to_the_end(pattern)}


def _to_the_end(pattern: str) -> str:
    """pydantic's `$` is the end of the text; Python's also stands before a last line break."""
    return f"{pattern[:-1]}\\Z" if pattern.endswith("$") else pattern


def _plain(annotation: Any, left_out: Limits) -> Any:
    """The same type for msgspec: nested models become structs."""
    if annotation is AwareDatetime:
        return Annotated[datetime, msgspec.Meta(tz=True)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return struct_of(annotation, unchecked=left_out)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _limited(arguments[0], arguments[1:], left_out)
    if origin in (Union, UnionType):
        return Union[tuple(_plain(argument, left_out) for argument in arguments)]  # noqa: UP007
    if origin in (list, tuple, dict):
        return origin[tuple(_plain(argument, left_out) for argument in arguments)]
    return annotation
