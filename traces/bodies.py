"""Bodies of messages as traces hold them: unpacked, read, and without personal values. Pure."""

import base64
from dataclasses import dataclass
from typing import Any

import msgspec
import zstandard

from contracts.envelope import Malformed, MessageError, Oversized
from contracts.feed import UNPACKED_BYTES
from traces.masking import mask
from traces.pseudonyms import Pseudonyms

_NO_TEXT = b"\xff"
"""Begins every stand-in for a body: no reader of messages takes it for one."""


@dataclass(frozen=True, slots=True)
class Body:
    """Either a message, or why there is none and bytes that stand in for it."""

    message: dict[str, Any] | None = None
    unreadable: str | None = None
    stand_in: str | None = None


def read_body(body: bytes, encoding: str | None, names: Pseudonyms | None) -> Body:
    """Reads a body; `names` None leaves personal values as they are (generated data only)."""
    try:
        message = _read(body, encoding)
    except MessageError as error:
        return Body(unreadable=error.code, stand_in=_stand_in(body, names))
    return Body(message=message if names is None else mask(message, names))


def _read(body: bytes, encoding: str | None) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(_unpacked(body) if encoding == "zstd" else body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(str(error)) from None
    if not isinstance(message, dict):
        raise Malformed("no object")
    return message


def _unpacked(body: bytes) -> bytes:
    try:
        if zstandard.frame_content_size(body) > UNPACKED_BYTES:
            raise Oversized("unpacked")
        return zstandard.ZstdDecompressor().decompress(body, max_output_size=UNPACKED_BYTES)
    except zstandard.ZstdError as error:
        raise Malformed(str(error)) from None


def _stand_in(body: bytes, names: Pseudonyms | None) -> str:
    """Equal for equal bodies. Nobody knows what is personal in bytes that are no message."""
    kept = body if names is None else _NO_TEXT + names.seal(body.decode("latin-1")).encode()
    return base64.b64encode(kept).decode()
