"""Headers that other senders wrote, as they may be sent on: of a bounded size, and of nothing that
cannot be written again. Pure.

What a broker delivers may hold bytes that are no text, numbers and depths the codec reads but does
not write, or so much that nothing of one's own fits beside it into a frame.
"""

from collections.abc import Mapping
from datetime import datetime

from messaging.channel import Headers, HeaderValue

MOST_BYTES = 32 * 1024
"""Of all foreign headers together; a frame takes 128 KiB."""
DEEPEST = 4
LONGEST_NAME = 120
_EACH = 8
"""Bytes a value takes at least, its kind and length included."""
_LARGEST_FLOAT = 3.4e38
_WHOLE = range(-(2**63), 2**63)


def writable(headers: Headers) -> dict[str, HeaderValue]:
    """These headers as any sender can write them: what is no text or no number of a known size
    becomes text, with bytes that are not UTF-8 escaped; what is too deep, or too much, is left out."""
    return _Copy().of_table(headers, DEEPEST)


def legible(value: object, longest: int = MOST_BYTES) -> str:
    """A value as text of at most so many bytes of UTF-8."""
    if isinstance(value, bytes | bytearray):
        text = bytes(value[:longest]).decode(errors="backslashreplace")
    else:
        text = str(value)
    encoded = text[:longest].encode(errors="backslashreplace")
    return encoded[:longest].decode(errors="ignore")


class _Copy:
    """One copy of a table under way, and the bytes that are left for it."""

    def __init__(self) -> None:
        self._left = MOST_BYTES

    def of_table(self, table: Mapping[str, HeaderValue], depth: int) -> dict[str, HeaderValue]:
        copied: dict[str, HeaderValue] = {}
        for name, value in table.items():
            short = legible(name, LONGEST_NAME)
            self._left -= len(short.encode()) + _EACH
            if self._left < 0:
                break
            copied[short] = self._of(value, depth - 1)
        return copied

    def _of(self, value: HeaderValue, depth: int) -> HeaderValue:
        match value:
            case None | bool():
                return value
            case int() if value in _WHOLE:
                return value
            case float() if not _LARGEST_FLOAT < abs(value) < float("inf"):
                return value
            case datetime() if value.timestamp() >= 0:
                return value
            case dict():
                return self.of_table(value, depth) if depth > 0 else None
            case list():
                return self._of_list(value, depth) if depth > 0 else None
            case _:
                return self._text(value)

    def _of_list(self, values: list[HeaderValue], depth: int) -> list[HeaderValue]:
        copied: list[HeaderValue] = []
        for value in values:
            self._left -= _EACH
            if self._left < 0:
                break
            copied.append(self._of(value, depth - 1))
        return copied

    def _text(self, value: HeaderValue) -> str:
        text = legible(value, max(0, self._left))
        self._left -= len(text.encode())
        return text
