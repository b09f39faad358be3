"""The forms in which people write one number: with or without spaces, country prefix, trunk digit (SEARCH-13).

Everything here takes folded text (contracts.folding.fold): lower case, plain digits, no accents.
"""

import re
from functools import cache

import phonenumbers

_VAT_PREFIXES = frozenset(
    ("at", "be", "bg", "ch", "cy", "cz", "de", "dk", "ee", "el", "es", "fi", "fr", "gb", "gr", "hr", "hu",
     "ie", "it", "lt", "lu", "lv", "mt", "nl", "no", "pl", "pt", "ro", "se", "si", "sk", "xi")
)  # fmt: skip
_PREFIXED = re.compile(r"[a-z]{2}(?=[a-z0-9]{0,2}[0-9]{4})")
_WRITTEN_TRUNK = re.compile(r"(?<=[0-9])([^0-9(]*)\(0\)")
_NO_DIGITS = bytes(sign for sign in range(256) if not 48 <= sign <= 57)
_PLUS = re.compile(r"[^0-9+]*\+")
_LONGEST_PHONE = 40


def without_prefix(compact: str) -> str | None:
    """A number without the two letters of a country before it; None when there are none."""
    return compact[2:] if _PREFIXED.match(compact) else None


def tax_forms(compact: str, country: str | None) -> list[str]:
    """A tax number with and without the prefix of its country."""
    own = ("el" if country == "GR" else country.lower()) if country else None
    bare = without_prefix(compact)
    if bare and (compact[:2] == own or compact[:2] in _VAT_PREFIXES):
        return [compact, bare]
    with_own = [compact, own + compact] if own else [compact]
    return [*with_own, bare] if bare else with_own


def phone_forms(phone: str, country: str | None) -> list[str]:
    """A phone number as written, as dialled inside its country, from outside, and without either prefix."""
    if "(0)" in phone:
        phone = drop_written_trunk(phone)
    digits = phone.encode().translate(None, _NO_DIGITS).decode()[:_LONGEST_PHONE]
    if not digits:
        return []
    dial, trunk = _dialling(country) if country else ("", "")
    if digits.startswith("00") or _PLUS.match(phone):
        outside = digits.removeprefix("00")
        if not dial or not outside.startswith(dial):
            dial, trunk = _dialled(outside)
        bare = outside.removeprefix(dial).removeprefix(trunk)
    else:
        bare = digits.removeprefix(trunk)
    forms = dict.fromkeys((trunk + bare, dial + bare, bare, digits))
    forms.pop("", None)
    return list(forms)


def is_dialled(text: str) -> bool:
    """Whether there are digits alone."""
    return text.isascii() and text.isdigit()


def dialled_forms(digits: str) -> list[str]:
    """The stored beginnings that a number dialled from outside may mean, still being typed or not."""
    outside = digits.removeprefix("00")
    dial, trunk = _dialled(outside)
    rest = outside.removeprefix(dial)
    inside = [dial + rest.removeprefix(trunk)] if trunk and rest.startswith(trunk) else []
    return [outside, *inside] if len(outside) > 2 else []


def drop_written_trunk(phone: str) -> str:
    """Leaves out the `(0)` that is only dialled inside the country: `+33 (0)4 …` is `+33 4 …`."""
    return _WRITTEN_TRUNK.sub(r"\1", phone)


@cache
def _dialling(country: str) -> tuple[str, str]:
    """A country's dialling code and the digits before national numbers."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(country)
    if metadata is None:
        return "", ""
    return str(metadata.country_code), metadata.national_prefix or ""


def _dialled(digits: str) -> tuple[str, str]:
    """The dialling code an international number begins with, and its country's trunk digits."""
    for length in (1, 2, 3):
        code = digits[:length]
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code)) if code else None
        if regions:
            return code, _dialling(regions[0])[1]
    return "", ""
