"""Random customers and texts for property tests: every field, every script, signs that make trouble."""

from collections.abc import Callable
from datetime import date
from random import Random
from typing import Any, get_args
from uuid import UUID

from hypothesis import strategies as st

from contracts.customers import (
    Address,
    AddressType,
    Consent,
    ConsentState,
    Contact,
    Customer,
    CustomerKind,
    second_main,
)

_TROUBLE = "-'’ʼ.,/\\\"*:&|!()=_%$#@+ \t\u00a0\u00ad\u200b\u0301éèŁłØøßœŒæÆıİ①½²０１٣ﬁ王й🌸"
_SIGNS = st.one_of(
    st.sampled_from("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789"),
    st.sampled_from(_TROUBLE),
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
)


def texts(min_size: int = 0, max_size: int = 40) -> st.SearchStrategy[str]:
    return st.text(_SIGNS, min_size=min_size, max_size=max_size)


def _filled(max_size: int) -> st.SearchStrategy[str]:
    """A text that is not empty once spaces around it are gone."""
    return texts(1, max_size).map(str.strip).filter(bool)


def _codes() -> st.SearchStrategy[str]:
    return st.text("abcXYZ019_-", min_size=1, max_size=12)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


_COUNTRIES = st.sampled_from(["FR", "PL", "GR", "HU", "US", "RU", "IT", "XX"])
_DATES = st.dates()
_EMAILS = st.sampled_from(["a@b", "jean.dupont@exemple.fr", "zażółć@gęślą.pl", "A+b_c@d-e.eu"])
_PHONES = st.text("0123456789+() -./", min_size=1, max_size=30).map(str.strip).filter(
    bool
) | _filled(20)


def _parts(part: st.SearchStrategy[Any], key: str) -> st.SearchStrategy[Any]:
    return st.lists(part, max_size=2, unique_by=lambda one: str(getattr(one, key)))


def consents() -> st.SearchStrategy[Any]:
    made = st.builds(
        Consent,
        definition=_codes(),
        state=st.sampled_from(get_args(ConsentState)),
        signature=_maybe(_filled(40)),
    )
    return _parts(made, "definition")


def addresses() -> st.SearchStrategy[Any]:
    texts_of_it = ("town", "locality", "street", "continuation_1", "region")
    made = st.builds(
        Address,
        id=st.uuids(),
        type=st.sampled_from(get_args(AddressType)),
        country=_maybe(_COUNTRIES),
        postal_code=_maybe(_filled(12)),
        building=_maybe(_filled(8)),
        phone=_maybe(_PHONES),
        email=_maybe(_EMAILS),
        consents=consents(),
        **{name: _maybe(_filled(30)) for name in texts_of_it},
    )
    return _parts(made, "id")


def contacts() -> st.SearchStrategy[Any]:
    made = st.builds(
        Contact,
        id=st.uuids(),
        origin=st.sampled_from(["erp", "pos"]),
        state=st.sampled_from(["active", "deleted"]),
        first_name=_maybe(_filled(20)),
        last_name=_maybe(_filled(20)),
        birth_date=_maybe(_DATES),
        phone=_maybe(_PHONES),
        consents=consents(),
    )
    return _parts(made, "id")


def customers() -> st.SearchStrategy[Customer]:
    """Customers as the contracts allow them; parts have identities of their own."""
    texts_of_it = ("first_name", "last_name", "name", "issuing_authority", "description")
    numbers_of_it = ("tax_number", "national_id", "siret", "identity_document")
    return st.builds(
        Customer,
        kind=st.sampled_from(get_args(CustomerKind)),
        code=_filled(20),
        birth_date=_maybe(_DATES),
        phone=_maybe(_PHONES),
        extra_phone=_maybe(_PHONES),
        email=_maybe(_EMAILS),
        country_code=_maybe(_COUNTRIES),
        reverse_charge=_maybe(st.booleans()),
        groups=st.lists(_codes(), max_size=3),
        attributes=st.dictionaries(_codes(), _filled(30), max_size=3),
        consents=consents(),
        addresses=addresses(),
        contacts=contacts(),
        **{name: _maybe(_filled(30)) for name in texts_of_it},
        **{name: _maybe(_filled(20)) for name in numbers_of_it},
    )


def small_customer(random: Random) -> Customer:
    """A customer out of few values and few keys, so that two of them have much in common and much not."""

    def some(*values: Any) -> Any:
        return random.choice((None, *values))

    def parts(make: Callable[[int], Any]) -> list[Any]:
        return [make(number) for number in random.sample(range(3), random.randrange(4))]

    def consent(number: int) -> Consent:
        return Consent(definition=f"c{number}", state=random.choice(get_args(ConsentState)))

    def address(number: int) -> Address:
        made = {
            "town": some("Lyon", "Łódź"),
            "street": some("a.b", "x"),
            "country": some("FR", "PL"),
        }
        type_ = random.choice(("main", "billing", "shipping"))
        return Address(id=UUID(int=number), type=type_, consents=parts(consent), **made)

    def one_main(made: list[Address]) -> list[Address]:
        at = second_main(made)
        if at is None:
            return made
        return one_main(
            [*made[:at], made[at].model_copy(update={"type": "mailing"}), *made[at + 1 :]]
        )

    def contact(number: int) -> Contact:
        made = {"first_name": some("Anne", "Zoé"), "birth_date": some(date(2000, 2, 29))}
        return Contact(id=UUID(int=number), origin="pos", consents=parts(consent), **made)

    return Customer(
        kind=random.choice(("retail", "business")),
        code=random.choice("abc"),
        phone=some("1", "2"),
        birth_date=some(date(1980, 1, 1), date(1990, 12, 31)),
        reverse_charge=some(True, False),
        groups=random.sample(["g", "h", "i"], random.randrange(4)),
        attributes={
            name: random.choice("xy") for name in random.sample("pqr", random.randrange(4))
        },
        consents=parts(consent),
        addresses=one_main(parts(address)),
        contacts=parts(contact),
    )


def small_customers() -> st.SearchStrategy[Customer]:
    return st.randoms(use_true_random=True).map(small_customer)
