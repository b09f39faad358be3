"""What of a text counts when it is searched: letters and digits, without case, accents or punctuation (SEARCH-13)."""

import re
import unicodedata
from collections.abc import Iterable

LONGEST_WORD = 64
"""Longer words are cut, in records and phrases alike: an index takes no words without end."""

_MOST_JOINED = 8
"""From so many beginnings of a chunk its pieces are written together."""

_WORD = re.compile(r"[^\W_]+")
_OTHER_SIGN = re.compile(r"[^\x00-\x7f]")
_LETTERS = {
    "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ı": "i", "ħ": "h", "ŧ": "t",
}  # fmt: skip
"""Letters that Unicode does not take apart."""

_PUNCTUATION = bytes(sign for sign in range(128) if not chr(sign).isalnum())
_APART = bytes.maketrans(_PUNCTUATION, b" " * len(_PUNCTUATION))


class _Folding(dict[str, str]):
    """What each sign becomes, found out when it is first met."""

    def __missing__(self, sign: str) -> str:
        folded = self[sign] = _fold_sign(sign)
        return folded


def _fold_sign(sign: str) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", sign).casefold())
    return "".join(_counted(one) for one in plain)


def _counted(sign: str) -> str:
    """A sign as far as it counts: marks and invisible signs do not, digits of any script are 0 to 9."""
    if "\u02b0" <= sign <= "\u02ff":
        return "'"  # letters by category, apostrophes by use: ʼ ʻ ʹ
    category = unicodedata.category(sign)
    if category[0] == "M" or category == "Cf":
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(sign))
    return _LETTERS.get(sign, sign)


_FOLDING = _Folding()


def fold(text: str) -> str:
    """Lower case, plain digits, no accents and no invisible signs; punctuation is still there."""
    if text.isascii():
        return text.lower()
    return _OTHER_SIGN.sub(lambda found: _FOLDING[found[0]], text.lower())


def find_words(text: str) -> list[str]:
    """The runs of letters and digits of a folded text."""
    if text.isascii():  # as most folded texts are; bytes are many times faster than a pattern
        return text.encode().translate(_APART).decode().split()
    return _WORD.findall(text)


def compact(text: str) -> str:
    """A folded text in one piece, without spaces and punctuation."""
    if text.isascii():
        return text.encode().translate(None, _PUNCTUATION).decode()[:LONGEST_WORD]
    return "".join(_WORD.findall(text))[:LONGEST_WORD]


def words_in(text: str) -> list[str]:
    """The words of a folded text, then those that punctuation parts in one piece.

    `jean-o'neill`: jean, o, neill, jeanoneill, oneill; so that any neighbours are found written together.
    """
    if text.isalnum() or text.replace(" ", "").isalnum():
        words = text.split()
    else:
        words, together = [], []
        for chunk in text.split():
            pieces = find_words(chunk)
            words += pieces
            starts = range(min(len(pieces) - 1, _MOST_JOINED))
            together += ["".join(pieces[start:]) for start in starts]
        words += together
    return cut(words) if len(text) > LONGEST_WORD else words


def cut(words: Iterable[str]) -> list[str]:
    return [word[:LONGEST_WORD] for word in words]
