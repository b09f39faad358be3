"""Conditional requests: which version a client has seen (If-Match), and which one it is given (ETag)."""

from typing import Annotated

from fastapi import Header

from web.problems import Problem

IfMatch = Annotated[
    str | None, Header(max_length=200, description="the ETag, or the version, that was seen")
]


def etag(version: int | str) -> str:
    """The entity tag of a version, or of what stands for one."""
    return f'"{version}"'


def seen_tag(if_match: str | None) -> str | None:
    """What a client says it has seen, with or without quotes; None when it says nothing, or `*`."""
    tag = (if_match or "*").strip().removeprefix("W/").strip('"')
    return None if tag == "*" else tag


def seen_version(if_match: str | None) -> int | None:
    """The version a client says it has seen; None when it says nothing, or `*`.

    Raises Problem 412 request.wrong_etag for a tag that no version has.
    """
    tag = seen_tag(if_match)
    if tag is None:
        return None
    if not (tag.isascii() and tag.isdigit() and len(tag) < 19):
        raise Problem(412, "request.wrong_etag")
    return int(tag)
