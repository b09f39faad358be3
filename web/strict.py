"""Bodies of requests that may name known fields only.

The models of messages ignore what they do not know: it comes from newer versions. What a person
mistypes would be lost the same way, so bodies are read strictly, at every depth.
"""

from typing import Any

from pydantic import TypeAdapter, WrapValidator


def strict(form: Any) -> WrapValidator:
    """Beside a type in Annotated: a field that `form`, the same type, does not have is refused by its path."""
    adapter: TypeAdapter[Any] = TypeAdapter(form)
    return WrapValidator(lambda given, _: adapter.validate_python(given, extra="forbid"))
