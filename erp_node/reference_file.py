"""Reference data from a file, one JSON object per line: read strictly, so that a slip of the pen is told and not lost.

Tills read the same rows leniently (contracts.reference): an older one must take what a newer ERP adds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from contracts.reference import Centre, Operator, ReferenceRecord, Setting, reference_key
from erp_node.centres import known_centres, unknown_place
from erp_node.reference import WrongRecord, check_record, put_all
from erp_node.store.pool import Pool
from web.passwords import is_hash

FORMS = {form.model_fields["kind"].default: form for form in get_args(get_args(ReferenceRecord)[0])}

_READER: TypeAdapter[ReferenceRecord] = TypeAdapter(ReferenceRecord)


class WrongLine(ValueError):
    """A line cannot be loaded; the text names the line, the field and the reason."""

    def __init__(self, number: int, where: str, text: str) -> None:
        super().__init__(f"line {number}: {where}: {text}")


@dataclass(frozen=True, slots=True)
class ReferenceLine:
    """A row and the number of its line."""

    number: int
    record: ReferenceRecord


async def load_reference(pool: Pool, lines: Iterable[str]) -> int:
    """Stores the rows of a file, all or none; how many they are. Raises WrongLine."""
    read = list(read_lines(lines))
    check_centres(read, await known_centres(pool))
    await put_all(pool, [line.record for line in read])
    return len(read)


def read_lines(lines: Iterable[str]) -> Iterator[ReferenceLine]:
    """The rows that stand in lines of text; empty lines are none. Raises WrongLine."""
    seen: dict[str, int] = {}
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        line = ReferenceLine(number, _read(number, text))
        _check(line)
        key = reference_key(line.record)
        if key in seen:
            raise WrongLine(number, "code", f"{key} stands in line {seen[key]} already")
        seen[key] = number
        yield line


def check_centres(lines: Iterable[ReferenceLine], known: Iterable[str]) -> None:
    """Raises WrongLine for an operator or a setting of a centre that neither the ERP nor the file defines."""
    read = list(lines)
    centres = {*known, *(one.record.code for one in read if isinstance(one.record, Centre))}
    for line in read:
        field, named = _centres_of(line.record)
        if (place := unknown_place(named, centres)) is not None:
            raise WrongLine(line.number, field, f"there is no centre {named[place]}")


def _centres_of(record: ReferenceRecord) -> tuple[str, list[str]]:
    """The field in which a row names centres, and those."""
    if isinstance(record, Operator):
        return "centres", record.centres
    if isinstance(record, Setting) and record.level.startswith("centre."):
        return "level", [record.level.removeprefix("centre.")]
    return "", []


def _read(number: int, text: str) -> ReferenceRecord:
    try:
        return _READER.validate_json(text, extra="forbid")
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        raise WrongLine(number, *_words(found)) from None


def _words(found: ErrorDetails) -> tuple[str, str]:
    """Where pydantic found what, in words of the file: the kind leads its places, and stands in no line."""
    kind, *steps = found["loc"] or ("",)
    where = ".".join(map(str, steps if kind in FORMS else [kind, *steps])) or "line"
    if found["type"] == "extra_forbidden" and kind in FORMS and len(steps) == 1:
        return where, f"{kind} has no such field, only {', '.join(FORMS[str(kind)].model_fields)}"
    return where, found["msg"]


def _check(line: ReferenceLine) -> None:
    record = line.record
    try:
        check_record(record)
    except WrongRecord as error:
        raise WrongLine(line.number, error.field, error.text) from None
    if isinstance(record, Operator) and record.password_hash and not is_hash(record.password_hash):
        text = "is no argon2id hash in PHC form ($argon2id$v=19$m=…); empty: nobody can log in yet"
        raise WrongLine(line.number, "password_hash", text)
