"""SQL as named text in `.sql` files: `-- name: take_marks` begins a query, the next name ends it."""

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load_sql(file: str) -> Mapping[str, str]:
    """The queries of one file beside this one, by name. Raises ValueError when a name is there twice."""
    return parse_sql((files(__package__) / file).read_text("utf-8"))


def parse_sql(text: str) -> Mapping[str, str]:
    """The queries of a text, by name; what stands before the first name is for readers only."""
    _, *parts = _NAME.split(text)
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) < len(names):
        raise ValueError(f"a query's name is there twice: {', '.join(names)}")
    return MappingProxyType({name: body.strip() for name, body in zip(names, bodies, strict=True)})
