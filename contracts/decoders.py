"""Fast decoders derived from the pydantic models: one definition, two readers."""

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from annotated_types import Ge, MaxLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo


def struct_of(
    model: type[BaseModel],
    *,
    only: frozenset[str] | None = None,
    extra: dict[str, Any] | None = None,
) -> type[msgspec.Struct]:
    """A msgspec struct with the fields of a pydantic model, defaults and limits included.

    `only` keeps some of the fields; `extra` adds fields or gives them another type, for
    instance msgspec.Raw for a part that stays bytes. Unknown fields are ignored, as in pydantic.
    """
    others = extra or {}
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        _field(name, info)
        for name, info in model.model_fields.items()
        if name not in others and (only is None or name in only)
    ]
    fields.extend((name, annotation) for name, annotation in others.items())
    return msgspec.defstruct(f"{model.__name__}Struct", fields, kw_only=True, gc=False)


def _field(name: str, info: FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
    annotation = _limited(_plain(info.annotation), info)
    if info.is_required():
        return name, annotation
    if info.default_factory is not None:
        return name, annotation, msgspec.field(default_factory=info.default_factory)  # type: ignore[arg-type]
    return name, annotation, info.default


def _limited(annotation: Any, info: FieldInfo) -> Any:
    limits: dict[str, Any] = {}
    for part in info.metadata:
        match part:
            case Ge(ge=bound):
                limits["ge"] = bound
            case MaxLen(max_length=bound):
                limits["max_length"] = bound
            case _ if getattr(part, "pattern", None) is not None:
                limits["pattern"] = part.pattern
    return Annotated[annotation, msgspec.Meta(**limits)] if limits else annotation


def _plain(annotation: Any) -> Any:
    """The same type for msgspec: nested models become structs."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return struct_of(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return Union[tuple(_plain(argument) for argument in arguments)]  # noqa: UP007
    if origin in (list, tuple, dict):
        return origin[tuple(_plain(argument) for argument in arguments)]
    return annotation
