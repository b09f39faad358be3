"""The one matching rule (SEARCH-13): which customers a phrase finds, on a till and in the ERP alike.

A customer is reduced to words per column when its record is written; a phrase is reduced to
clauses. Every clause must hold; a clause holds when one of its alternatives does; an alternative
holds when each of its words begins some word of the searched columns. Stores only index words
and ask for word beginnings; they decide nothing.

A word is made of letters and digits that folding leaves as they are. Two kinds of words have more
signs, `=._-`, which no phrase can contain: an attribute's value with its name before it
(`=colour=red`, in the column attributes) and filters (`kind=retail`).
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, Literal, get_args

from babel import Locale

from contracts import numbers
from contracts.customers import Customer, CustomerKind, display_name
from contracts.folding import LONGEST_WORD, compact, cut, find_words, fold, words_in
from contracts.stored import StoredCustomer

RULE = 1
"""Grows when `words_of` changes. A till makes words of another rule anew; the ERP needs a migration that does."""

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

_COUNTRY = frozenset({"country_code", "addresses"})
_SOURCES: Mapping[Column, frozenset[str]] = {
    "name": frozenset({"kind", "name", "first_name", "last_name"}),
    "tax_number": _COUNTRY | {"tax_number"},
    "country": _COUNTRY,
    "postal_code": frozenset({"addresses"}),
    "town": frozenset({"addresses"}),
    "street": frozenset({"addresses"}),
    "code": frozenset({"code"}),
    "siret": frozenset({"siret"}),
    "email": frozenset({"email"}),
    "identity_document": frozenset({"identity_document"}),
    "phone": _COUNTRY | {"phone", "extra_phone"},
    "national_id": frozenset({"national_id"}),
    "attributes": frozenset({"attributes"}),
    "filters": _COUNTRY | {"kind", "groups", "attributes"},
}
"""The fields of a customer that the words of a column are made of."""

SEARCHED: frozenset[str] = frozenset().union(*_SOURCES.values())
"""The fields that somebody is found by."""

DEFAULT_COLUMNS: tuple[Column, ...] = (
    "name", "tax_number", "postal_code", "town", "street", "attributes",
)  # fmt: skip
"""LIST-2: what *All* searches; the country joins when its column is shown."""

_NOT_IN_CODES = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_CODE = 64
_LONGEST_VALUE = 250
_LANGUAGES = ("en", "fr")

_NUMBERED: frozenset[Column] = frozenset(
    ("tax_number", "national_id", "siret", "identity_document")
)

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
    if attribute is not None:
        columns: tuple[Column, ...] = ("attributes",)
    elif column is not None:
        columns = (column,)
    else:
        columns = (*DEFAULT_COLUMNS, "country") if country_shown else DEFAULT_COLUMNS
    clauses = tuple(_clauses(phrase, columns))
    if attribute is not None:
        clauses = tuple(_of_attribute(clause, attribute) for clause in clauses)
    return Query(clauses, columns, tuple(filters))


def matches(query: Query, words: Sequence[str]) -> bool:
    """Whether a customer's words satisfy a query: the rule itself, which both indexes must equal."""
    searched = [w for name in query.columns for w in words[COLUMNS.index(name)].split()]
    owned = words[COLUMNS.index("filters")].split()

    def holds(alternative: Alternative) -> bool:
        return all(any(word.startswith(start) for word in searched) for start in alternative)

    found = all(any(holds(one) for one in clause) for clause in query.clauses)
    return found and all(one in owned for one in query.filters)


def words_of(customer: Customer | StoredCustomer) -> tuple[str, ...]:
    """The words of a customer: one space-separated text per column, in the order of COLUMNS."""
    main = next((one for one in customer.addresses if one.type == "main"), None)
    country = (main and main.country) or customer.country_code
    place = (main.postal_code, main.town, main.street, main.building) if main else _NOWHERE
    own = (
        display_name(customer.kind, customer.name, customer.first_name, customer.last_name),
        customer.tax_number, customer.code, customer.siret, customer.email,
        customer.identity_document, customer.phone, customer.extra_phone, customer.national_id,
    )  # fmt: skip
    postal_code, town, street, building, *folded = _folded((*place, *own))
    name, tax_number, code, siret, email, document, phone, extra_phone, national_id = folded
    # In one order, whatever order a database keeps them in: words that are equal need not be indexed anew.
    attributes = [_attribute(*one) for one in sorted(customer.attributes.items())]
    return (
        _text(name),
        _tax_number(tax_number, customer.country_code or country),
        _country(country) if country else "",
        _postal_code(postal_code),
        _place(town),
        f"{_place(street)} {_text(building)}".strip(),
        _text(code),
        _number(siret),
        _text(email),
        _number(document),
        _phones(phone, extra_phone, country),
        _number(national_id),
        " ".join([words for words, _ in attributes if words]),
        _filters(customer, country, [word for _, word in attributes]),
    )


def renewed_words(
    customer: Customer | StoredCustomer, before: Sequence[str], changed: Collection[str]
) -> tuple[str, ...]:
    """`words_of` a customer, from those it had before these of its fields changed: in a third of the time."""
    columns = [at for at, name in enumerate(COLUMNS) if not _SOURCES[name].isdisjoint(changed)]
    part = _Part()
    for name in {field for at in columns for field in _SOURCES[COLUMNS[at]]}:
        setattr(part, name, getattr(customer, name))
    words, made = list(before), words_of(part)
    for at in columns:
        words[at] = made[at]
    return tuple(words)


class _Part:
    """A customer without its fields, to be given some of them."""

    kind = "retail"
    code = name = first_name = last_name = tax_number = country_code = phone = extra_phone = None
    siret = email = identity_document = national_id = None
    groups: Sequence[str] = ()
    addresses: Sequence[Any] = ()
    attributes: Mapping[str, str] = MappingProxyType({})


def kind_filter(kind: CustomerKind) -> str:
    """The filter word of customers of a kind (LIST-3)."""
    return f"kind={kind}"


def country_filter(country: str) -> str:
    """The filter word of customers in a country (LIST-3)."""
    return f"country={_code(country)}"


def group_filter(group: str) -> str:
    """The filter word of customers of a group (LIST-3)."""
    return f"group={_code(group)}"


def attribute_filter(attribute: str, value: str) -> str:
    """The filter word of customers with a value of an attribute (LIST-3)."""
    folded = "_".join(find_words(fold(value)))[:_LONGEST_VALUE]
    return f"attribute.{_code(attribute)}={folded}"


_NOWHERE = (None, None, None, None)


def _folded(texts: Sequence[str | None]) -> list[str]:
    """Folds many short texts in one go, which costs less than one by one."""
    folded = fold("\n".join([text or "" for text in texts])).split("\n")
    return folded if len(folded) == len(texts) else [fold(text or "") for text in texts]


def _text(folded: str) -> str:
    return " ".join(words_in(folded)) if folded else ""


_place = lru_cache(maxsize=8192)(_text)
"""Towns and streets come again and again."""


def _postal_code(folded: str) -> str:
    """A postal code's words and the code in one piece: 00-950, sw1a 1aa."""
    if not folded or folded.isalnum():
        return folded[:LONGEST_WORD]
    return " ".join(dict.fromkeys((*words_in(folded), compact(folded))))


def _number(folded: str) -> str:
    """A number in one piece, with and without the country before it."""
    if not folded:
        return ""
    piece = compact(folded)
    bare = numbers.without_prefix(piece)
    return f"{piece} {bare}" if bare else piece


def _tax_number(folded: str, country: str | None) -> str:
    piece = compact(folded)
    return " ".join(numbers.tax_forms(piece, country)) if piece else ""


def _phones(phone: str, extra: str, country: str | None) -> str:
    forms = numbers.phone_forms(phone, country) if phone else []
    if extra:
        forms += numbers.phone_forms(extra, country)
    return " ".join(forms)


@cache
def _country(country: str) -> str:
    names = (Locale(language).territories.get(country, "") for language in _LANGUAGES)
    words = [word for name in names for word in words_in(fold(name))]
    return " ".join(dict.fromkeys([country.lower(), *words]))


@lru_cache(maxsize=4096)
def _attribute(name: str, value: str) -> tuple[str, str]:
    """The words of one attribute's value, alone and with its name; and its filter word."""
    words = words_in(fold(value))
    named = [f"={name.lower()}={word}" for word in words]
    return " ".join([*words, *named]), attribute_filter(name, value)


def _filters(
    customer: Customer | StoredCustomer, country: str | None, attributes: list[str]
) -> str:
    found = [kind_filter(customer.kind)]
    if country:
        found.append(country_filter(country))
    found += [group_filter(group) for group in customer.groups]
    return " ".join(found + attributes)


@lru_cache(maxsize=4096)
def _code(code: str) -> str:
    """A code as it stands in words. One that no record can have becomes one that no record has."""
    return _NOT_IN_CODES.sub(".", code[:_LONGEST_CODE]).lower()


def _clauses(phrase: str, columns: Sequence[Column]) -> Iterator[Clause]:
    """One clause per chunk between spaces; neighbouring chunks of a number make one clause."""
    folded = fold(phrase)
    abroad = "phone" in columns and "+" in folded
    if "phone" in columns:
        folded = numbers.drop_written_trunk(folded)
    chunks = [words for chunk in folded.split() if (words := find_words(chunk))]
    start = 0
    while start < len(chunks):
        end = _end_of_number(chunks, start)
        words = [word for chunk in chunks[start:end] for word in chunk]
        yield _clause(tuple(cut(words)), columns, abroad=abroad)
        start = end


def _end_of_number(chunks: list[list[str]], start: int) -> int:
    """Where the run of number-like chunks that begins here ends; a country prefix may open it."""
    end = start
    first = "".join(chunks[start])
    if len(first) == 2 and first.isalpha():
        end = start + 1
    while end < len(chunks) and _is_number(chunks[end]):
        end += 1
    return max(end, start + 1)


def _is_number(chunk: list[str]) -> bool:
    return not all(word.isalpha() for word in chunk)


def _clause(words: Alternative, columns: Sequence[Column], *, abroad: bool) -> Clause:
    """The ways to read a chunk: its words, or one number, with and without its country's prefix."""
    joined = "".join(words)[:LONGEST_WORD]
    readings = [words, (joined,)] if len(words) > 1 else [words]
    if joined.isalpha():
        return tuple(readings)
    if "phone" in columns and (abroad or joined.startswith("00")) and numbers.is_dialled(joined):
        readings += ((form,) for form in numbers.dialled_forms(joined))
    elif not _NUMBERED.isdisjoint(columns):
        readings += ((form,) for form in (numbers.without_prefix(joined),) if form)
    return tuple(dict.fromkeys(readings))


def _of_attribute(clause: Clause, attribute: str) -> Clause:
    return tuple(tuple(f"={_code(attribute)}={word}" for word in one) for one in clause)
