"""Which language a client is answered in."""

import re
from collections.abc import Iterator

from starlette.requests import HTTPConnection

from contracts.texts import FALLBACK, LANGUAGES, Language

_LONGEST = 400
"""Signs of Accept-Language that are read; browsers send fewer than 100."""

_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


def language_of(request: HTTPConnection, otherwise: Language = FALLBACK) -> Language:
    """The best of our languages for a request; `otherwise` when it asks for none of them."""
    return negotiate(request.headers.get("accept-language", ""), otherwise)


def negotiate(header: str, otherwise: Language = FALLBACK) -> Language:
    """Reads Accept-Language (RFC 9110 §12.5.4): quality first, then the order written.

    A region counts as its language (`fr-CA` is French); `*` is `otherwise`.
    """
    wanted = sorted(_wanted(header[:_LONGEST]), key=lambda one: -one[1])
    for tag, quality in wanted:
        if quality <= 0:
            break
        if tag == "*":
            return otherwise
        for language in LANGUAGES:
            if tag.partition("-")[0] == language:
                return language
    return otherwise


def _wanted(header: str) -> Iterator[tuple[str, float]]:
    for part in header.split(","):
        tag, _, weight = part.partition(";")
        if tag.strip():
            yield tag.strip().lower(), _quality(weight)


def _quality(weight: str) -> float:
    name, _, value = weight.partition("=")
    if name.strip().lower() != "q":
        return 1.0
    return float(value) if _WEIGHT.fullmatch(value.strip()) else 0.0
