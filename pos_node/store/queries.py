"""SQL as named text in `.sql` files: `-- name: waiting_after` begins a query, the next name ends it."""

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load_sql(file: str) -> Mapping[str, str]:
    """The queries of one file beside this one, by name."""
    _, *parts = _NAME.split((files(__package__) / file).read_text("utf-8"))
    names, bodies = parts[::2], parts[1::2]
    return MappingProxyType({name: body.strip() for name, body in zip(names, bodies, strict=True)})
