"""The one matching rule (SEARCH-13): which customers a phrase finds, on a till and in the ERP alike.

A customer is reduced to words per column when its record is written; a phrase is reduced to
clauses. Every clause must hold; a clause holds when one of its alternatives does; an alternative
holds when each of its words begins some word of the searched columns. Stores only index words
and ask for word beginnings; they decide nothing.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import phonenumbers
from babel import Locale

from contracts.customers import Customer, CustomerKind

RULE = 1
"""Grows when `words_of` changes; words written under another rule are written anew."""

Column = Literal[
    "name",
    "tax_number",
    "country",
    "postal_code",
    "town",
    "street",
    "code",
    "siret",
    "email",
    "identity_document",
    "phone",
    "national_id",
    "attributes",
    "filters",
]
COLUMNS: tuple[Column, ...] = get_args(Column)
"""The order of the words of a customer, in rows of the feed and in both indexes."""

DEFAULT_COLUMNS: tuple[Column, ...] = (
    "name", "tax_number", "postal_code", "town", "street", "attributes",
)  # fmt: skip
"""LIST-2: what *All* searches; the country joins when its column is shown."""

_WORD = re.compile(r"[^\W_]+")
_PREFIXED = re.compile(r"^[a-z]{2}(?=[0-9]{4,})")
_LANGUAGES = ("en", "fr")
_SPECIAL = str.maketrans(
    {"ł": "l", "Ł": "l", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "æ": "ae", "Æ": "ae",
     "œ": "oe", "Œ": "oe", "þ": "th", "Þ": "th", "ð": "d", "Ð": "d", "ı": "i"}
)  # fmt: skip

Alternative = tuple[str, ...]
Clause = tuple[Alternative, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A phrase made ready for an index.

    `clauses[i][j]` is the j-th alternative of the i-th clause: word beginnings that must all be
    found in `columns`. `filters` are whole words of the column `filters`, all required.
    """

    clauses: tuple[Clause, ...]
    columns: tuple[Column, ...]
    filters: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.clauses and not self.filters


def parse(
    phrase: str,
    *,
    column: Column | None = None,
    attribute: str | None = None,
    country_shown: bool = False,
    filters: Iterable[str] = (),
) -> Query:
    """Reads a phrase as typed. `column` None means *All* (LIST-2); `attribute` one attribute's column."""
    clauses = tuple(_clauses(phrase))
    if attribute is not None:
        clauses = tuple(_of_attribute(clause, attribute) for clause in clauses)
        columns: tuple[Column, ...] = ("attributes",)
    elif column is not None:
        columns = (column,)
    else:
        columns = (*DEFAULT_COLUMNS, "country") if country_shown else DEFAULT_COLUMNS
    return Query(clauses, columns, tuple(filters))


def matches(query: Query, words: Sequence[str]) -> bool:
    """Whether a customer's words satisfy a query: the rule itself, which both indexes must equal."""
    searched = [w for name in query.columns for w in words[COLUMNS.index(name)].split()]
    owned = words[COLUMNS.index("filters")].split()

    def holds(alternative: Alternative) -> bool:
        return all(any(word.startswith(start) for word in searched) for start in alternative)

    found = all(any(holds(one) for one in clause) for clause in query.clauses)
    return found and all(one in owned for one in query.filters)


def words_of(customer: Customer) -> tuple[str, ...]:
    """The words of a customer: one space-separated text per column, in the order of COLUMNS."""
    main = customer.main_address
    country = (main and main.country) or customer.country_code
    postal_code, town = (main.postal_code, main.town) if main else (None, None)
    street = " ".join(part for part in (main.street, main.building) if part) if main else None
    by_column: dict[Column, Iterable[str]] = {
        "name": _text(customer.display_name),
        "tax_number": _number(customer.tax_number, customer.country_code or country),
        "country": _country(country) if country else (),
        "postal_code": (*_text(postal_code), *_compact(postal_code)),
        "town": _text(town),
        "street": _text(street),
        "code": _text(customer.code),
        "siret": _compact(customer.siret),
        "email": _text(customer.email),
        "identity_document": _number(customer.identity_document, None),
        "phone": (*_phone(customer.phone, country), *_phone(customer.extra_phone, country)),
        "national_id": _compact(customer.national_id),
        "attributes": _attributes(customer),
        "filters": _filters(customer, country),
    }
    return tuple(" ".join(dict.fromkeys(by_column[name])) for name in COLUMNS)


def kind_filter(kind: CustomerKind) -> str:
    """The filter word of customers of a kind (LIST-3)."""
    return f"kind={kind}"


def country_filter(country: str) -> str:
    """The filter word of customers in a country (LIST-3)."""
    return f"country={country.lower()}"


def group_filter(group: str) -> str:
    """The filter word of customers of a group (LIST-3)."""
    return f"group={group.lower()}"


def attribute_filter(attribute: str, value: str) -> str:
    """The filter word of customers with a value of an attribute (LIST-3)."""
    return f"attribute.{attribute.lower()}={'_'.join(_WORD.findall(fold(value)))}"


def fold(text: str) -> str:
    """Lower case and without accents; punctuation is still there."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.translate(_SPECIAL)).casefold()
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


def _text(text: str | None) -> list[str]:
    """Words at every punctuation, then the same with punctuation left out: o, brien, obrien."""
    if not text:
        return []
    chunks = [_WORD.findall(chunk) for chunk in fold(text).split()]
    joined = ["".join(words) for words in chunks if len(words) > 1]
    return [word for words in chunks for word in words] + joined


def _compact(number: str | None) -> list[str]:
    compact = "".join(_WORD.findall(fold(number))) if number else ""
    return [compact] if compact else []


def _number(number: str | None, country: str | None) -> list[str]:
    """A number without punctuation, with and without its country prefix."""
    found = _compact(number)
    for compact in tuple(found):
        if _PREFIXED.match(compact):
            found.append(compact[2:])
        elif country:
            found.append(country.lower() + compact)
    return found


def _phone(phone: str | None, country: str | None) -> list[str]:
    """A phone number as dialled inside its country, from outside, and without either prefix."""
    digits = "".join(sign for sign in phone if sign.isdigit()) if phone else ""
    if not phone or not digits:
        return []
    dial, trunk = _dialling(country) if country else ("", "")
    if phone.lstrip().startswith("+") or digits.startswith("00"):
        outside = digits.removeprefix("00")
        bare = outside.removeprefix(dial).removeprefix(trunk)
    else:
        bare = digits.removeprefix(trunk)
        outside = dial + bare
    return [trunk + bare, outside, bare]


@cache
def _dialling(country: str) -> tuple[str, str]:
    """A country's dialling code and the digit before national numbers."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(country)
    if metadata is None:
        return "", ""
    return str(metadata.country_code), metadata.national_prefix or ""


@cache
def _country(country: str) -> tuple[str, ...]:
    names = (Locale(language).territories.get(country, "") for language in _LANGUAGES)
    return (country.lower(), *(word for name in names for word in _text(name)))


def _attributes(customer: Customer) -> list[str]:
    found: list[str] = []
    for attribute, value in customer.attributes.items():
        words = _text(value)
        found += words
        found += (f"{attribute.lower()}={word}" for word in words)
    return found


def _filters(customer: Customer, country: str | None) -> list[str]:
    found = [kind_filter(customer.kind)]
    if country:
        found.append(country_filter(country))
    found += (group_filter(group) for group in customer.groups)
    found += (attribute_filter(name, value) for name, value in customer.attributes.items())
    return found


def _clauses(phrase: str) -> Iterable[Clause]:
    """One clause per chunk between spaces; neighbouring chunks of a number make one clause."""
    chunks = [words for words in (_WORD.findall(part) for part in fold(phrase).split()) if words]
    start = 0
    while start < len(chunks):
        end = _end_of_number(chunks, start)
        yield _clause([word for chunk in chunks[start:end] for word in chunk])
        start = end


def _end_of_number(chunks: list[list[str]], start: int) -> int:
    """Where the run of number-like chunks that begins here ends; a country prefix may open it."""
    end = start
    first = "".join(chunks[start])
    if len(first) == 2 and first.isalpha() and start + 1 < len(chunks):
        end = start + 1
    while end < len(chunks) and _is_number("".join(chunks[end])):
        end += 1
    return max(end, start + 1)


def _is_number(word: str) -> bool:
    return any(sign.isdigit() for sign in word)


def _clause(words: list[str]) -> Clause:
    alternatives = [tuple(words)]
    if len(words) > 1:
        alternatives.append(("".join(words),))
    joined = alternatives[-1][0]
    dialled = joined.startswith("00") and joined.isdigit() and len(joined) > 4
    if dialled or _PREFIXED.match(joined):
        alternatives.append((joined[2:],))
    return tuple(dict.fromkeys(alternatives))


def _of_attribute(clause: Clause, attribute: str) -> Clause:
    return tuple(tuple(f"{attribute.lower()}={word}" for word in one) for one in clause)
