"""The whole customer record as it travels (CUST-2, ADDR-2, CONTACT-1, CONS-1), and reading parts of it fast."""

from collections.abc import Callable, Sequence
from datetime import date
from string import ascii_lowercase, ascii_uppercase
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from contracts.decoders import struct_of
from contracts.limits import NO_NUL
from contracts.visibility import has_visible

CustomerKind = Literal["retail", "business"]
AddressType = Literal["main", "billing", "mailing", "residence", "shipping", "subsidiary"]
ConsentState = Literal["given", "refused", "unknown"]
Side = Literal["erp", "pos"]

Short = Annotated[str, Field(min_length=1, max_length=60, pattern=NO_NUL)]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,60}$", description="a code of the ERP")]
Text = Annotated[str, Field(min_length=1, max_length=250, pattern=NO_NUL)]
LongText = Annotated[str, Field(min_length=1, max_length=8_000, pattern=NO_NUL)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2")]
Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]


P = TypeVar("P", bound=BaseModel)

_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


def _each_once(key: str) -> AfterValidator:
    """Parts are told apart by their key: of two with the same, one would be lost at the next change."""

    def check(parts: list[P]) -> list[P]:
        if len(parts) > 1 and len({getattr(part, key) for part in parts}) < len(parts):
            raise PydanticCustomError("part_twice", "{key} must be different in each", {"key": key})
        return parts

    return AfterValidator(check)


class Record(BaseModel):
    """Part of the customer record: unknown fields are ignored, absent ones are None."""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True)


class Consent(Record):
    """One consent of a person; `definition` names the ERP's consent definition (CONS-1, CONS-4)."""

    definition: Code
    state: ConsentState
    signature: Annotated[str, Field(max_length=40_000, pattern=NO_NUL)] | None = None


Consents = Annotated[list[Consent], _each_once("definition")]


class Address(Record):
    """An address (ADDR-1, ADDR-2); one of a customer's is of type main: the default (see `second_main`)."""

    id: UUID
    type: AddressType = "main"
    country: Country | None = None
    postal_code: Short | None = None
    town: Text | None = None
    locality: Text | None = None
    street: Text | None = None
    building: Short | None = None
    flat: Short | None = None
    continuation_1: Text | None = None
    continuation_2: Text | None = None
    commune: Text | None = None
    district: Text | None = None
    post_office: Text | None = None
    region: Text | None = None
    phone: Short | None = None
    email: Email | None = None
    consents: Consents = []


class Contact(Record):
    """A contact person (business) or family member (retail); `origin` is where it was born (CONTACT-5)."""

    id: UUID
    origin: Side
    state: Literal["active", "deleted"] = "active"
    title: Short | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    relationship: Short | None = None
    function: Short | None = None
    birth_date: date | None = None
    phone: Short | None = None
    extra_phone: Short | None = None
    email: Email | None = None
    consents: Consents = []


class Customer(Record):
    """A customer, without what the ERP alone decides (identity, version, state, availability)."""

    kind: CustomerKind
    code: Short
    title: Short | None = None
    academic_title: Short | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    name: Text | None = None
    birth_date: date | None = None
    tax_number: Short | None = None
    issuing_authority: Text | None = None
    phone: Short | None = None
    extra_phone: Short | None = None
    email: Email | None = None
    country_code: Country | None = None
    national_id: Short | None = None
    siret: Short | None = None
    identity_document: Short | None = None
    description: LongText | None = None
    reverse_charge: bool | None = None
    lowest_price: bool | None = None
    groups: list[Code] = []
    attributes: dict[Code, Text] = {}
    consents: Consents = []
    addresses: Annotated[list[Address], _each_once("id")] = []
    contacts: Annotated[list[Contact], _each_once("id")] = []

    @property
    def display_name(self) -> str:
        return display_name(self.kind, self.name, self.first_name, self.last_name)

    @property
    def main_address(self) -> Address | None:
        return next((one for one in self.addresses if one.type == "main"), None)


def second_main(addresses: Sequence[Address]) -> int | None:
    """Where a list has a main address beside another one, which no customer has (ADDR-1). A rule for what is entered:
    records that were stored with two are read as they are."""
    mains = [at for at, one in enumerate(addresses) if one.type == "main"]
    return mains[1] if len(mains) > 1 else None


REQUIRED: dict[CustomerKind, tuple[str, ...]] = {
    "retail": ("code", "first_name", "last_name"),
    "business": ("code", "name"),
}
"""CUST-2: the fields without which a customer of this kind is not saved."""

ERP_ONLY = frozenset({"description", "lowest_price"})
"""CUST-9, CUST-11: written by the ERP, read-only at a till."""


def display_name(
    kind: str | None, name: str | None, first_name: str | None, last_name: str | None
) -> str:
    """The name as lists show and order it: a company's name, or last name and first name."""
    if kind == "business":
        return name or ""
    return " ".join(part for part in (last_name, first_name) if part)


def missing_fields(kind: CustomerKind, value_of: Callable[[str], object]) -> tuple[str, ...]:
    """Names the required fields of a kind of customer that have no value, or none that can be seen (CUST-2)."""
    return tuple(name for name in REQUIRED[kind] if not _is_there(value_of(name)))


def _is_there(value: object) -> bool:
    return has_visible(value) if isinstance(value, str) else bool(value)


CustomerKeys: Any = struct_of(Customer, only=frozenset({"code", "tax_number"}), limits=False)
"""The two fields that must be unique or are warned about, read without reading the rest."""

read_keys = msgspec.json.Decoder(CustomerKeys).decode


def code_key(code: str) -> str:
    """Two codes with the same key are the same code (CUST-3); PostgreSQL makes the same of them.

    Only A to Z are also a to z: what else is one letter, two programs seldom agree on.
    """
    return code.strip(" ").translate(_LOWER)


def tax_key(tax_number: str | None) -> str | None:
    """Two tax numbers with the same key are the same number (CUST-5)."""
    if not tax_number:
        return None
    return "".join(sign for sign in tax_number.upper() if sign.isalnum()) or None
