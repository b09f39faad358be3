"""Stable, keyed stand-ins for personal values that keep joins and word beginnings.

Each sign of a word is exchanged by a permutation of the letters or digits (one of 312, or of 40) that
HMAC-SHA256 gives for the key and all signs before it: equal words get equal stand-ins, and one word
begins another exactly when its stand-in begins the other's (SEARCH-13 works on stand-ins). Letters stay
letters, digits digits; what is neither stays. Nobody without the key can undo it, but lengths and
common beginnings show.
"""

import hmac
import os
import re
import secrets
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from functools import lru_cache
from pathlib import Path

import phonenumbers

from contracts import numbers
from contracts.folding import fold

KEY_BYTES = 32
_REMEMBERED = 65_536
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_LETTER_FACTORS = (1, 3, 5, 7, 9, 11, 15, 17, 19, 21, 23, 25)
_DIGIT_FACTORS = (1, 3, 7, 9)
"""A place times one of these, and shifted, is a permutation: of 26, and of 10."""
_OTHERS = 0x4E00
"""Signs of other scripts become one of the 20,000 ideographs from here: folding leaves those alone."""
_MANY_OTHERS = 20_000
_FIRST_DAY = date(1930, 1, 1).toordinal()
_DAYS = 80 * 365
_RUN = re.compile(r"[^\W_]+")
_SHORTEST_PHONE = 6


class WrongKey(ValueError):
    """The file holds no key for pseudonyms."""


class Pseudonyms:
    """The stand-ins of one key (KEY_BYTES bytes). To be used from one thread."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise WrongKey(f"a key has {KEY_BYTES} bytes, this one {len(key)}")
        self._key = key
        self.id = self._digest("id", "").hex()[:8]
        """Tells apart keys without telling them: only traces with the same id can be joined."""
        self.word: Callable[[str], str] = lru_cache(_REMEMBERED)(self._word)
        self._drawn: Callable[[str], tuple[int, int]] = lru_cache(_REMEMBERED)(self._draw)

    def text(self, text: str) -> str:
        """Word by word; punctuation, spaces and capitals stay, accents do not."""
        return _RUN.sub(lambda run: self._run(run[0]), unicodedata.normalize("NFC", text))

    def number(self, text: str) -> str:
        """One number, however it is written: `12 345` and `12345` get the same digits in the same
        places. The two letters of a country before it stay, and so do leading zeros."""
        return self._in_place(text, self._head_of_number)

    def phone(self, text: str) -> str:
        """As `number`; of one written as dialled from abroad the country's code stays as well."""
        return self._in_place(text, self._head_of_phone)

    def phone_words(self, words: str) -> str:
        """The forms of a customer's phone numbers (contracts.numbers.phone_forms), each made of the
        same stand-in, so that a search finds any of them."""
        forms = words.split()
        return " ".join(self._phone_form(form, forms) for form in forms)

    def day(self, iso: str) -> str:
        """Another day for a date; text that is none is taken as a number."""
        try:
            date.fromisoformat(iso)
        except ValueError:
            return self.number(iso)
        place = int.from_bytes(self._digest("day", iso)[:8], "big") % _DAYS
        return date.fromordinal(_FIRST_DAY + place).isoformat()

    def seal(self, text: str) -> str:
        """Sixteen hexadecimal digits that tell equal from different, and nothing else."""
        return self._digest("seal", text).hex()[:16]

    def _run(self, run: str) -> str:
        made = self.word(fold(run))
        if run.isupper() and len(run) > 1:
            return made.upper()
        return made[:1].upper() + made[1:] if run[0].isupper() else made

    def _word(self, word: str) -> str:
        return "".join([self._sign(sign, word[:at]) for at, sign in enumerate(word)])

    def _sign(self, sign: str, before: str) -> str:
        if "a" <= sign <= "z":
            factor, shift = self._drawn(before)
            return _LETTERS[(_LETTER_FACTORS[factor % 12] * (ord(sign) - 97) + shift) % 26]
        if "0" <= sign <= "9":
            factor, shift = self._drawn(before)
            return _DIGITS[(_DIGIT_FACTORS[factor % 4] * (ord(sign) - 48) + shift) % 10]
        if not sign.isalnum():
            return sign
        drawn = int.from_bytes(self._digest("other", before + sign)[:8], "big")
        return chr(_OTHERS + drawn % _MANY_OTHERS)

    def _draw(self, before: str) -> tuple[int, int]:
        """What makes the permutation of the sign after these."""
        drawn = int.from_bytes(self._digest("sign", before)[:8], "big")
        return drawn >> 32, drawn & 0xFFFFFFFF

    def _digest(self, of: str, text: str) -> bytes:
        return hmac.digest(self._key, f"{of}\0{text}".encode(errors="surrogatepass"), "sha256")

    def _in_place(self, text: str, head_of: Callable[[str, str], int]) -> str:
        """Exchanges what counts of a number, and puts it back between its punctuation."""
        folded = fold(text)
        piece = "".join(sign for sign in folded if sign.isalnum())
        head = head_of(folded, piece)
        made = iter(piece[:head] + self.word(piece[head:]))
        shown = "".join(next(made) if sign.isalnum() else sign for sign in folded)
        return shown.upper() if text.isupper() else shown

    def _head_of_number(self, folded: str, piece: str) -> int:
        del folded
        prefix = 2 if numbers.without_prefix(piece) else 0
        return prefix + _zeros(piece[prefix:])

    def _head_of_phone(self, folded: str, piece: str) -> int:
        abroad = 2 if piece.startswith("00") else 0
        if not abroad and not folded.lstrip().startswith("+"):
            return _zeros(piece)
        for length in (1, 2, 3):
            code = piece[abroad : abroad + length]
            if code.isdigit() and int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
                return abroad + length + _zeros(piece[abroad + length :])
        return abroad

    def _phone_form(self, form: str, forms: list[str]) -> str:
        inner = [one for one in forms if one != form and form.endswith(one)]
        shortest = min(inner, key=len, default="")
        if len(shortest) < _SHORTEST_PHONE:
            return self.number(form)
        return form.removesuffix(shortest) + self.number(shortest)


def load_key(path: Path) -> bytes:
    """The key of a file: 64 hexadecimal digits; made when there is none, readable by its owner alone.

    Raises WrongKey, and OSError.
    """
    with suppress(FileExistsError):
        _make_key(path)
    try:
        key = bytes.fromhex(path.read_text("utf-8"))
    except ValueError:
        raise WrongKey(f"{path}: not 64 hexadecimal digits") from None
    if len(key) != KEY_BYTES:
        raise WrongKey(f"{path}: not 64 hexadecimal digits")
    return key


def _make_key(path: Path) -> None:
    """Whole or not at all: another process may read it at this moment."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
    try:
        os.link(draft, path)
    finally:
        draft.unlink()


def _zeros(text: str) -> int:
    return len(text) - len(text.lstrip("0"))
