"""Where the sign NUL stands in a request."""

import json
from typing import Any
from urllib.parse import parse_qsl

from contracts.limits import escapes_nul

NUL = "\0"


def has_nul(body: bytes) -> bool:
    """Whether a body holds NUL, as it is or escaped in JSON."""
    return b"\0" in body or escapes_nul(body)


def fields_with_nul(body: bytes) -> list[str]:
    """The paths of a JSON body's fields that hold NUL, in order; none when it is no JSON."""
    try:
        waiting: list[tuple[str, Any]] = [("", json.loads(body, strict=False))]
    except (ValueError, RecursionError):
        return []
    found = []
    while waiting:
        path, value = waiting.pop()
        match value:
            case dict():
                inner = [(str(name), one) for name, one in value.items()]
            case list():
                inner = [(str(place), one) for place, one in enumerate(value)]
            case _:
                if isinstance(value, str) and NUL in value:
                    found.append(path or "body")
                continue
        if any(NUL in name for name, _ in inner):
            found.append(path or "body")
        start = f"{path}." if path else ""
        waiting += [(start + name, one) for name, one in reversed(inner) if NUL not in name]
    return found


def params_with_nul(query: bytes) -> list[str]:
    """The names of a query's parameters that hold NUL."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return list(dict.fromkeys(name for name, value in pairs if NUL in value and NUL not in name))
