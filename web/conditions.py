"""Conditional requests: which version a client has seen (If-Match), and which one it is given (ETag)."""

import re
from typing import Annotated

from fastapi import Header

from web.problems import FieldProblem, Problem

IfMatch = Annotated[
    str | None, Header(max_length=200, description="the ETag, or the version, that was seen")
]

_VERSION = re.compile(r"[0-9]{1,18}")
_WRONG = FieldProblem("if-match", "request.wrong_etag")


def etag(version: int | str) -> str:
    """The entity tag of a version, or of what stands for one."""
    return f'"{version}"'


def seen_tag(if_match: str | None, form: re.Pattern[str]) -> str | None:
    """What a client says it has seen, with or without quotes; None when it says nothing, or `*`.

    Raises Problem 412 request.wrong_etag for a tag that is not of the `form` those given out have.
    """
    tag = (if_match or "*").strip().removeprefix("W/").strip('"')
    if tag == "*":
        return None
    if not form.fullmatch(tag):
        raise Problem(412, "request.wrong_etag", fields=[_WRONG])
    return tag


def seen_version(if_match: str | None) -> int | None:
    """The version a client says it has seen; None when it says nothing, or `*`. Raises as seen_tag."""
    tag = seen_tag(if_match, _VERSION)
    return None if tag is None else int(tag)
