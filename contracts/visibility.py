"""Signs that nobody can see: a name made of them is none, and two codes must not differ by them alone (CUST-2, CUST-3).

These are rules for what is written anew. Records that were stored before are read whatever they hold.
"""

import unicodedata

_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by category that are drawn as nothing."""


def has_visible(text: str) -> bool:
    """Whether there is something to be seen in a text: not only spaces, control, format and lone combining signs."""
    if text.isascii() and text.isprintable():
        return bool(text.strip())
    return any(map(_is_visible, text))


def has_invisible(text: str) -> bool:
    """Whether control or format signs (Unicode's Cc and Cf) or blank letters stand in a text; spaces may."""
    if text.isascii():
        return not text.isprintable()
    return any(map(_is_invisible, text))


def _is_visible(sign: str) -> bool:
    category = unicodedata.category(sign)
    return category not in ("Cc", "Cf", "Cs") and category[0] not in "MZ" and sign not in _BLANK


def _is_invisible(sign: str) -> bool:
    return sign in _BLANK or unicodedata.category(sign) in ("Cc", "Cf")
