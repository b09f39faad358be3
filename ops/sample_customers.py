"""One generated customer after the other, as text (ops.samples says what they are)."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TypeVar

from ops import sample_numbers as numbers
from ops.sample_people import Name, People, Town, french_people, polish_people

T = TypeVar("T")

COUNTRIES = {
    "lyon": "FR", "lille": "FR", "nantes": "FR", "nice": "FR",
    "krakow": "PL", "gdansk": "PL", "poznan": "PL", "lodz": "PL",
}  # fmt: skip


def country_of(centre: str, place: int) -> str:
    """The country a centre stands in; those that are not named above alternate."""
    return COUNTRIES.get(centre, ("FR", "PL")[place % 2])


_FIRST_BIRTH = date(1935, 1, 1)
_BIRTH_DAYS = 70 * 365
COLOURS = ("Bleu ciel", "Rouge", "Vert", "Écru", "Noir", "Blanc", "Gris", "Złoty")
SIZES = ("XS", "S", "M", "L", "XL", "XXL")
_NOTES = (
    "Prefers to be called in the afternoon. Invoice by post.",
    "Livraison le matin, entrée par la cour. Ne pas appeler le lundi.",
    "Stały klient, prosi o kontakt tylko przez e-mail.",
    "Demande toujours un paquet cadeau. Très fidèle depuis l'ouverture du magasin.",
)
_GROUPS = ("[]", '["regular"]', '["regular","gold"]', '["silver"]', '["staff"]', '["wholesale"]')
_STATES = ("given", "refused", "unknown")
_MAIL_HOSTS = ("example.com", "example.org", "example.net")


class CustomerMaker:
    """Draws one customer after the other. Text is put together by hand: a million dumps cost minutes."""

    def __init__(self, seed: int, centres: Sequence[str]) -> None:
        self._rng = random.Random(seed)
        self._draw = self._rng.random
        self._shift = seed * 1_009
        homes = [country_of(one, place) for place, one in enumerate(centres)]
        self._people = {"FR": french_people(), "PL": polish_people()}
        self._stores = {
            country: [one for one, home in zip(centres, homes, strict=True) if home == country]
            or list(centres)
            for country in self._people
        }

    def line(self, number: int) -> str:
        """The next customer, with this number, as a line of JSON."""
        people = self._people["FR" if self._draw() < 0.6 else "PL"]
        return (
            f'{{"id":"{self._uuid()}",{self._availability(people.country)},'
            f'"record":{self._record(number, people)}}}\n'
        )

    def _availability(self, country: str) -> str:
        draw = self._draw()
        if draw < 0.2:
            return '"everywhere":true,"centres":[]'
        stores = self._stores[country]
        home = self._pick(stores)
        if draw < 0.9 or len(stores) == 1:
            editors = f',"editors":["{home}"]' if draw < 0.25 else ""
            return f'"everywhere":false,"centres":["{home}"]{editors}'
        other = self._pick([one for one in stores if one != home])
        return f'"everywhere":false,"centres":["{home}","{other}"],"editors":["{home}"]'

    def _record(self, number: int, people: People) -> str:
        pick, draw = self._pick, self._draw
        woman = draw() < 0.5
        first, last = pick(people.first[woman]), self._common(people.last[woman])
        town = self._common(people.towns)
        if draw() < 0.8:
            own = self._retail(number, people, first, last, woman)
        else:
            own = self._business(number, people, first, last, town)
        document = number * 7_919 % 900_000 + 100_000
        return (
            f'{{{own},"phone":"{self._mobile(people)}","extra_phone":"{self._landline(people, town)}",'
            f'"email":"{first.plain}.{last.plain}{number}@{pick(_MAIL_HOSTS)}","country_code":"{people.country}",'
            f'"identity_document":"{people.prefix}A{document}","description":"{pick(_NOTES)}",'
            f'"reverse_charge":false,"lowest_price":{"true" if draw() < 0.1 else "false"},"groups":{pick(_GROUPS)},'
            f'"attributes":{{"colour":"{pick(COLOURS)}","size":"{pick(SIZES)}"}},"consents":{self._consents()},'
            f'"addresses":[{self._address("main", people, town)},'
            f"{self._address('shipping', people, pick(people.towns))}]{self._contacts(people, last)}}}"
        )

    def _retail(self, number: int, people: People, first: Name, last: Name, woman: bool) -> str:
        born = _FIRST_BIRTH + timedelta(int(self._draw() * _BIRTH_DAYS))
        national_id = ""
        if people.country == "PL":
            serial = (number + self._shift) % 5_000
            national_id = f',"national_id":"{numbers.pesel(born, serial, woman=woman)}"'
        return (
            f'"kind":"retail","code":"{people.prefix}-{number:07d}","title":"{people.titles[woman]}",'
            f'"first_name":"{first.shown}","last_name":"{last.shown}","birth_date":"{born}"{national_id}'
        )

    def _business(self, number: int, people: People, first: Name, last: Name, town: Town) -> str:
        pick = self._pick
        name = f"{pick(people.trades)} {last.shown if self._draw() < 0.7 else town.name} {pick(people.forms)}"
        unique = number + self._shift
        if people.country == "FR":
            company = numbers.siren(unique)
            ids = (
                f'"tax_number":"{numbers.french_vat(company)}","issuing_authority":"DGFiP {town.name}",'
                f'"siret":"{numbers.siret(company, 1)}"'
            )
        else:
            tax = numbers.nip(unique)
            ids = (
                f'"tax_number":"{tax[:3]}-{tax[3:6]}-{tax[6:8]}-{tax[8:]}",'
                f'"issuing_authority":"Urząd Skarbowy {town.name}"'
            )
        return f'"kind":"business","code":"{people.prefix}-{number:07d}","name":"{name}",{ids}'

    def _address(self, kind: str, people: People, town: Town) -> str:
        draw = self._draw
        postal_code = self._pick(town.postal_codes)
        if len(postal_code) == 2:
            postal_code = f"{postal_code}-{1 + int(draw() * 990):03d}"
        building = int(draw() * 180) + 1
        return (
            f'{{"id":"{self._uuid()}","type":"{kind}","country":"{people.country}","postal_code":"{postal_code}",'
            f'"town":"{town.name}","street":"{self._pick(people.streets)}","building":"{building}"}}'
        )

    def _consents(self) -> str:
        pick = self._pick
        return (
            f'[{{"definition":"newsletter","state":"{pick(_STATES)}"}},'
            f'{{"definition":"sms_offers","state":"{pick(_STATES)}"}},'
            f'{{"definition":"profiling","state":"{pick(_STATES)}"}}]'
        )

    def _contacts(self, people: People, last: Name) -> str:
        if self._draw() > 0.15:
            return ""
        woman = self._draw() < 0.5
        return (
            f',"contacts":[{{"id":"{self._uuid()}","origin":"erp","title":"{people.titles[woman]}",'
            f'"first_name":"{self._pick(people.first[woman]).shown}","last_name":"{last.shown}",'
            f'"phone":"{self._mobile(people)}"}}]'
        )

    def _mobile(self, people: People) -> str:
        make = numbers.french_mobile if people.country == "FR" else numbers.polish_mobile
        return make(self._draw())

    def _landline(self, people: People, town: Town) -> str:
        make = numbers.french_landline if people.country == "FR" else numbers.polish_landline
        return make(town.area, self._draw())

    def _pick(self, some: Sequence[T]) -> T:
        return some[int(self._draw() * len(some))]

    def _common(self, some: Sequence[T]) -> T:
        """What stands in front is drawn more often, as with names and towns in life."""
        draw = self._draw()
        return some[int(draw * draw * len(some))]

    def _uuid(self) -> str:
        digits = f"{self._rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
