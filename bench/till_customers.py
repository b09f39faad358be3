"""Generated customers and feed pages as the ERP would send them, without the ERP: about 1 KiB of JSON each, 25
fields, 2 addresses, 3 consents. The same seed gives the same customers."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import md5
from uuid import UUID

from contracts.customers import Customer
from contracts.matching import COLUMNS, RULE, words_of


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words("""
    Jean Marie Pierre Anne Michel Françoise Zoé Élodie André Hélène Luc Inès Noël Chloé Théo Léa Hugo Emma Louis
    Alice Jan Anna Piotr Katarzyna Łukasz Małgorzata Paweł Agnieszka Krzysztof Zofia Stanisław Ewa Tomasz Żaneta
    Michał Ola
""")
_LAST = _words("""
    Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefèvre Michel García David
    Bertrand Roux Vincent Fournier Girard Bonnet Dupont Lambert Fontaine Rousseau Blanc Guérin Müller Henry Nowak
    Kowalski Wiśniewski Wójcik Kowalczyk Kamiński Lewandowski Zieliński Szymański Woźniak Dąbrowski Kozłowski Mazur
    Jankowski Kwiatkowski Krawczyk O'Brien D'Artagnan Le-Gall De-La-Tour
""")
_SYLLABLES = _words("""
    ba be bo ca co da de du fa fi ga go ja jo ka ko la le li lo ma mi mo na ne no pa pe po ra re ri ro sa se so ta te
    to va vi wa za zo
""")
_TOWNS = _words("""
    Lyon Paris Marseille Lille Nantes Toulouse Nice Strasbourg Montpellier Bordeaux Rennes Reims Saint-Étienne
    Le-Havre Warszawa Kraków Łódź Wrocław Poznań Gdańsk Szczecin Bydgoszcz Lublin Białystok Katowice Gdynia
    Częstochowa Radom
""")
_STREETS = _words("rue avenue boulevard place chemin ulica aleja plac")
_TRADES = _words("""
    Boulangerie Garage Menuiserie Plomberie Pharmacie Librairie Fleurs Transport Sklep Piekarnia Hurtownia Apteka
""")
_COLOURS = _words("red green blue black white gold silver")
_GROUPS = ("regular", "wholesale", "vip", "staff")


@dataclass(frozen=True, slots=True)
class MadeCustomer:
    """A customer and what its feed row carries."""

    id: UUID
    record: str
    words: tuple[str, ...]


POOL = 25_000
"""So many customers are made one by one; further ones are these with other numbers in them, which is a hundred
times faster and leaves the distribution of words as it is."""


class Customers:
    """Customer number n, for any n, always the same."""

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._pool: dict[int, MadeCustomer] = {}

    @cached_property
    def _surnames(self) -> list[str]:
        rng = random.Random(self._seed)
        made = {
            "".join(rng.choices(_SYLLABLES, k=rng.randint(2, 4))).title() for _ in range(20_000)
        }
        return sorted(made)

    @cached_property
    def _places(self) -> list[str]:
        rng = random.Random(self._seed + 1)
        made = {"".join(rng.choices(_SYLLABLES, k=rng.randint(2, 4))).title() for _ in range(3_000)}
        return sorted(made)

    def make(self, number: int) -> Customer:
        """The record of customer `number`."""
        rng = random.Random(self._seed * 1_000_003 + number)
        country = "FR" if rng.random() < 0.6 else "PL"
        business = rng.random() < 0.3
        common = rng.random() < 0.35
        last = rng.choice(_LAST) if common else rng.choice(self._surnames)
        first = rng.choice(_FIRST)
        fields = {
            "kind": "business" if business else "retail",
            "code": f"C{number:07d}",
            "title": "Mme" if rng.random() < 0.5 else "M.",
            "first_name": None if business else first,
            "last_name": None if business else last,
            "name": f"{rng.choice(_TRADES)} {last} {number % 97}" if business else None,
            "birth_date": None if business else f"19{rng.randint(40, 99)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}",
            "tax_number": f"{country}{rng.randrange(10**10):011d}" if business else None,
            "phone": _phone(rng, country),
            "extra_phone": _phone(rng, country),
            "email": f"{first}.{last}{number}@example.test".replace("'", ""),
            "country_code": country,
            "national_id": f"{rng.randrange(10**11):011d}",
            "siret": f"{rng.randrange(10**14):014d}" if business else None,
            "identity_document": f"{'ABCDEFG'[number % 7]}K{rng.randrange(10**7):07d}",
            "description": "Prefers deliveries in the morning, pays at once.",
            "reverse_charge": False,
            "lowest_price": rng.random() < 0.1,
            "groups": [rng.choice(_GROUPS)],
            "attributes": {"colour": rng.choice(_COLOURS), "size": str(rng.randint(30, 50))},
            "consents": _consents(rng),
            "addresses": [self._address(rng, "main", country), self._address(rng, "billing", country)],
        }  # fmt: skip
        return Customer.model_validate(
            {key: value for key, value in fields.items() if value is not None}
        )

    def make_row(self, number: int) -> MadeCustomer:
        """Customer `number` as a feed row has it."""
        made_id = _id_of(f"{self._seed}/{number}")
        model = self._model(number % POOL)
        if number < POOL:
            return MadeCustomer(made_id, model.record, model.words)
        return _renumbered(model, made_id, _other_digits(number // POOL), f"C{number:07d}")

    def _model(self, number: int) -> MadeCustomer:
        if number not in self._pool:
            customer = self.make(number)
            fields = customer.model_dump(mode="json", exclude_none=True)
            record = json.dumps(fields, ensure_ascii=False)
            self._pool[number] = MadeCustomer(_NOBODY, record, words_of(customer))
        return self._pool[number]

    def _address(self, rng: random.Random, kind: str, country: str) -> dict[str, object]:
        town = rng.choice(_TOWNS) if rng.random() < 0.5 else rng.choice(self._places)
        return {
            "id": str(UUID(int=rng.getrandbits(128), version=4)),
            "type": kind,
            "country": country,
            "postal_code": _postal_code(rng, country),
            "town": town,
            "street": f"{rng.choice(_STREETS)} {rng.choice(self._places)}",
            "building": str(rng.randint(1, 200)),
        }  # fmt: skip


_NOBODY = UUID(int=0)
_CODE = COLUMNS.index("code")


def _id_of(name: str) -> UUID:
    return UUID(bytes=md5(name.encode(), usedforsecurity=False).digest(), version=4)


@cache
def _other_digits(variant: int) -> bytes:
    digits = bytes(random.Random(variant).sample(b"0123456789", 10))
    return bytes.maketrans(b"0123456789", digits)


def _renumbered(model: MadeCustomer, made_id: UUID, digits: bytes, code: str) -> MadeCustomer:
    """The same customer with other numbers, its own code, and the same date of birth."""
    head, mark, tail = model.record.encode().partition(b'"birth_date": "')
    record = head.translate(digits) + mark + tail[:10] + tail[10:].translate(digits)
    old = model.words[_CODE].upper().encode().translate(digits)
    words = "\n".join(model.words).encode().translate(digits).decode().split("\n")
    words[_CODE] = code.lower()
    return MadeCustomer(made_id, record.replace(old, code.encode(), 1).decode(), tuple(words))


def pages(
    customers: Customers, scope: str, rows: int, *, page_rows: int, epoch: str = "e1"
) -> Iterator[bytes]:
    """The data of the pages that bring customers 0…rows-1 to an empty till, as JSON."""
    for start in range(0, rows, page_rows):
        stop = min(rows, start + page_rows)
        head = {
            "scope": scope, "epoch": epoch, "prev_seq": start, "to_seq": stop, "head": rows,
            "remaining": rows - stop, "rule": RULE,
        }  # fmt: skip
        body = ",".join(row_json(customers.make_row(number)) for number in range(start, stop))
        yield f'{json.dumps(head)[:-1]},"rows":[{body}]}}'.encode()


def row_json(made: MadeCustomer, version: int = 1) -> str:
    """A feed row whose record is left byte for byte as it is."""
    words = json.dumps(made.words, ensure_ascii=False)
    return f'{{"kind":"customer","key":"{made.id}","version":{version},"state":"active","words":{words},"record":{made.record}}}'  # noqa: E501


def _consents(rng: random.Random) -> list[dict[str, str]]:
    return [
        {"definition": name, "state": rng.choice(("given", "refused"))}
        for name in ("newsletter", "profiling", "partners")
    ]


def _phone(rng: random.Random, country: str) -> str:
    if country == "FR":
        return f"0{rng.randint(1, 7)} " + " ".join(f"{rng.randrange(100):02d}" for _ in range(4))
    return "+48 " + " ".join(f"{rng.randrange(1000):03d}" for _ in range(3))


def _postal_code(rng: random.Random, country: str) -> str:
    if country == "FR":
        return f"{rng.randrange(10**5):05d}"
    return f"{rng.randrange(100):02d}-{rng.randrange(1000):03d}"
