"""What any value that travels must keep to, so that every store and every language can hold it."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

NO_NUL = r"^[^\x00]*$"
"""Neither PostgreSQL's text nor its JSON holds the character NUL."""

_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

BIGGEST = 2**53 - 1
"""The largest whole number that JSON carries unharmed into every language."""

RECORD_BYTES = 128 * 1024
"""Of a customer's record as it travels down, PostgreSQL's text of it: with its words it then fits into a
message even where it cannot be compressed."""

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(3000, 1, 1, tzinfo=UTC)

Count = Annotated[int, Field(ge=0, le=BIGGEST)]
Serial = Annotated[int, Field(ge=1, le=BIGGEST)]
"""A number given out from 1 on: versions, places in a feed or journal."""

Moment = Annotated[AwareDatetime, Field(ge=EARLIEST, lt=LATEST)]
"""A point in time with its zone; others could not be compared, or not be stored."""

Token = Annotated[str, Field(max_length=120, pattern=NO_NUL)]
"""A short name made by a program: epochs, keys, scopes."""


def within_time(moment: datetime) -> bool:
    """Whether a time with a zone is a Moment."""
    return EARLIEST <= moment < LATEST


def escapes_nul(json: bytes) -> bool:
    """Whether the character NUL is written as an escape in JSON; behind an escaped backslash, u0000 is only text."""
    return b"\\" in json and b"\\u0000" in json and _ESCAPED_NUL.search(json) is not None
