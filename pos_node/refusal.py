"""What a till says no to: a stable code, what the text is about, and the fields at fault."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from web.problems import FieldProblem

_NONE: Mapping[str, str] = MappingProxyType({})


class Refusal(Exception):
    """What was asked for is not done; nothing was stored."""

    def __init__(
        self, code: str, params: Mapping[str, str] = _NONE, fields: Sequence[FieldProblem] = ()
    ) -> None:
        super().__init__(code)
        self.code = code
        self.params = dict(params)
        self.fields = tuple(fields)
