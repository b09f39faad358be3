"""Generated customers, French and Polish, retail and business: the same seed gives the same ones.

Names and places are common ones put together by chance; addresses of mail are of `example` domains.
Tax numbers, national ids and telephone numbers pass the checks of their countries.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from uuid import UUID

import msgspec

from contracts.customers import Customer
from contracts.reference import (
    AttributeDefinition,
    CardType,
    Centre,
    Channel,
    Choice,
    ConsentDefinition,
    DocumentControl,
    Entry,
    Operator,
    PaymentForm,
    Right,
)
from contracts.settings import check_setting
from ops.sample_customers import COLOURS, SIZES, CustomerMaker, country_of

CENTRES = ("lyon", "krakow")


@dataclass(frozen=True, slots=True)
class SampleCustomer:
    """A customer and who may use and edit it; `editors` None: every centre that may use it."""

    id: UUID
    customer: Customer
    everywhere: bool
    centres: tuple[str, ...]
    editors: tuple[str, ...] | None


def generate_customers(
    count: int, seed: int, centres: Sequence[str] = CENTRES
) -> Iterator[SampleCustomer]:
    """The customers of `generate_json_lines`, as models."""
    read = msgspec.json.Decoder(_Line).decode
    for text in generate_json_lines(count, seed, centres):
        line = read(text)
        editors = None if line.editors is None else tuple(line.editors)
        record = Customer.model_validate_json(bytes(line.record))
        yield SampleCustomer(line.id, record, line.everywhere, tuple(line.centres), editors)


def generate_json_lines(count: int, seed: int, centres: Sequence[str] = CENTRES) -> Iterator[bytes]:
    """One line of UTF-8 JSON per customer, as `comptoir erp import` reads it; codes are unique."""
    maker = CustomerMaker(seed, centres)
    for number in range(count):
        yield maker.line(number).encode()


def write_json_lines(path: Path, count: int, seed: int, centres: Sequence[str] = CENTRES) -> None:
    """Writes so many customers to a file, without holding them all in memory."""
    with path.open("wb") as file:
        file.writelines(generate_json_lines(count, seed, centres))


def write_csv(path: Path, count: int, seed: int, centres: Sequence[str] = CENTRES) -> None:
    """Writes the same customers as a table, without what a table has no columns for: other addresses, contacts."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(_COLUMNS)
        table.writerows(_cells(sample) for sample in generate_customers(count, seed, centres))


def _cells(sample: SampleCustomer) -> list[object]:
    one = sample.customer
    main = one.main_address
    consents = {consent.definition: consent.state for consent in one.consents}
    return [
        sample.id, str(sample.everywhere).lower(), " ".join(sample.centres), " ".join(sample.editors or ()),
        *(getattr(one, name) for name in _FIELDS), " ".join(one.groups),
        *(getattr(main, name) for name in _PLACE),
        *(one.attributes.get(name) for name in ("colour", "size")),
        *(consents.get(name) for name in ("newsletter", "sms_offers", "profiling")),
    ]  # fmt: skip


_FIELDS = (
    "kind", "code", "title", "first_name", "last_name", "name", "birth_date", "tax_number", "issuing_authority",
    "phone", "extra_phone", "email", "country_code", "national_id", "siret", "identity_document", "description",
    "reverse_charge", "lowest_price",
)  # fmt: skip
_PLACE = ("country", "postal_code", "town", "street", "building")
_COLUMNS = (
    "id", "everywhere", "centres", "editors", *_FIELDS, "groups", *_PLACE, "attribute.colour", "attribute.size",
    "consent.newsletter", "consent.sms_offers", "consent.profiling",
)  # fmt: skip


class _Line(msgspec.Struct):
    id: UUID
    everywhere: bool
    centres: list[str]
    record: msgspec.Raw
    editors: list[str] | None = None


def sample_reference(
    centres: Sequence[str],
    *,
    password: str | None = None,
    hash_password: Callable[[str], str] | None = None,
) -> list[Entry]:
    """Reference data for these centres: every kind there is, with the codes that generated customers use.

    With a password and what hashes it, each centre gets a manager with every right and a trainee
    with none: `manager-<centre>`, `trainee-<centre>`.
    """
    known = [_centre(code, place) for place, code in enumerate(centres)]
    people: list[Entry] = []
    if password is not None and hash_password is not None:
        hashed = hash_password(password)
        for code in centres:
            people += [
                _operator("manager", code, hashed, _RIGHTS),
                _operator("trainee", code, hashed, []),
            ]
    return [
        *known, *people, *_choices(), *_attributes(), *_consents(), *_CARDS, *_PAYMENTS, *_CONTROLS,
        *(check_setting(name, value) for name, value in _SETTINGS.items()),
    ]  # fmt: skip


def _centre(code: str, place: int) -> Centre:
    name = code.replace("-", " ").title()
    labels = {"en": f"{name} store", "fr": f"Magasin de {name}"}
    return Centre(code=code, labels=labels, country=country_of(code, place))


def _operator(role: str, centre: str, hashed: str, rights: list[Right]) -> Operator:
    name = f"{role.title()} {centre.title()}"
    return Operator(
        code=f"{role}-{centre}", name=name, centres=[centre], password_hash=hashed, rights=rights
    )


def _choices() -> Iterator[Choice]:
    for listed, entries in _LISTS.items():
        for position, (code, english, french) in enumerate(entries):
            labels = {"en": english, "fr": french}
            yield Choice(code=code, list=listed, position=position, labels=labels)


def _attributes() -> Iterator[AttributeDefinition]:
    for code, (english, french, values) in _ATTRIBUTES.items():
        labels = {"en": english, "fr": french}
        yield AttributeDefinition(code=code, labels=labels, values=list(values))


def _consents() -> Iterator[ConsentDefinition]:
    for code, channel, english, french in _CONSENTS:
        texts = {"en": f"I agree to {english}.", "fr": f"J'accepte {french}."}
        labels = {"en": english.capitalize(), "fr": french.capitalize()}
        yield ConsentDefinition(code=code, channel=channel, labels=labels, texts=texts)


ChoiceList = Literal["title", "relationship", "function", "customer_group", "block_reason"]

_RIGHTS: list[Right] = list(get_args(Right))
_LISTS: dict[ChoiceList, tuple[tuple[str, str, str], ...]] = {
    "title": (
        ("mme", "Mrs", "Madame"), ("m", "Mr", "Monsieur"), ("pani", "Mrs (PL)", "Madame (PL)"),
        ("pan", "Mr (PL)", "Monsieur (PL)"), ("dr", "Doctor", "Docteur"),
    ),
    "relationship": (
        ("spouse", "Spouse", "Conjoint"), ("child", "Child", "Enfant"), ("parent", "Parent", "Parent"),
    ),
    "function": (
        ("owner", "Owner", "Gérant"), ("purchasing", "Purchasing", "Achats"), ("accounts", "Accounts", "Comptabilité"),
    ),
    "customer_group": (
        ("regular", "Regulars", "Habitués"), ("silver", "Silver", "Argent"), ("gold", "Gold", "Or"),
        ("wholesale", "Wholesale", "Grossistes"), ("staff", "Staff", "Personnel"),
    ),
    "block_reason": (
        ("lost", "Lost", "Perdue"), ("stolen", "Stolen", "Volée"), ("damaged", "Damaged", "Endommagée"),
    ),
}  # fmt: skip
_ATTRIBUTES = {
    "colour": ("Favourite colour", "Couleur préférée", COLOURS),
    "size": ("Size", "Taille", SIZES),
    "remark": ("Remark", "Remarque", ()),
}
_CONSENTS: tuple[tuple[str, Channel | None, str, str], ...] = (
    ("newsletter", "email", "news by e-mail", "les nouvelles par e-mail"),
    ("sms_offers", "sms", "offers by text message", "les offres par SMS"),
    ("calls", "phone", "calls by telephone", "les appels téléphoniques"),
    ("catalogue", "mail", "the catalogue by post", "le catalogue par courrier"),
    ("profiling", None, "offers chosen from my purchases", "les offres selon mes achats"),
)
_CARDS = (
    CardType(
        code="plastic", form="physical", labels={"en": "Loyalty card", "fr": "Carte de fidélité"},
        required_fields=["first_name", "last_name"],
    ),
    CardType(
        code="virtual", form="virtual", labels={"en": "Virtual card", "fr": "Carte virtuelle"},
        required_fields=["email", "last_name"],
    ),
    CardType(code="staff", form="physical", labels={"en": "Staff card", "fr": "Carte du personnel"}, visible=False),
)  # fmt: skip
_PAYMENTS = (
    PaymentForm(code="cash", labels={"en": "Cash", "fr": "Espèces"}),
    PaymentForm(code="card", labels={"en": "Bank card", "fr": "Carte bancaire"}),
    PaymentForm(code="transfer", labels={"en": "Bank transfer", "fr": "Virement"}, deposit=False),
    PaymentForm(code="cheque", labels={"en": "Cheque", "fr": "Chèque"}, deposit=False),
)
_CONTROLS = (
    DocumentControl(code="R", document="R", control="block"),
    DocumentControl(code="SI", document="SI", control="warn"),
    DocumentControl(code="SO", document="SO", control="none"),
)
_SETTINGS: dict[str, bool | float | str] = {
    "search_online": True,
    "search_wait_window_s": 1.0,
    "search_deadline_s": 10.0,
    "language": "en",
    "lowest_price_business": True,
}
