"""What the ERP defines and every till knows: centres, operators and rights, settings, lists."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.customers import Code, CustomerKind
from contracts.topology import ALL, centre_scope

Right = Literal["customer.edit", "consent.edit", "card.assign", "card.block", "contact.edit"]
"""`customer.edit` is *Addition and edition of a customer* (CUST-1)."""

Channel = Literal["email", "sms", "phone", "mail"]


class Entry(BaseModel):
    """A row of reference data; its key in the feed is `<kind>/<code>`."""

    model_config = ConfigDict(frozen=True)

    code: Annotated[str, Field(max_length=120)]


class Labelled(Entry):
    """A row shown to people: its name by language (`en`, `fr`, …)."""

    labels: dict[str, str] = {}


class Centre(Labelled):
    """A store; `country` is its default for new customers."""

    kind: Literal["centre"] = "centre"
    country: str | None = None


class Operator(Entry):
    """A person at the tills of `centres`; only these learn of it. `password_hash` is argon2id in PHC form."""

    kind: Literal["operator"] = "operator"
    name: str
    centres: list[str] = []
    password_hash: str
    rights: list[Right] = []
    active: bool = True


class Setting(Entry):
    """One value of contracts.settings.Settings; `code` is `<level>/<name>`, level all, centre.X or pos.X."""

    kind: Literal["setting"] = "setting"
    level: str
    name: str
    value: bool | int | float | str | list[str]


class Choice(Labelled):
    """An entry of a simple list: titles, relationships, functions, customer groups, block reasons."""

    kind: Literal["choice"] = "choice"
    list: Literal["title", "relationship", "function", "customer_group", "block_reason"]
    position: int = 0


class AttributeDefinition(Labelled):
    """A customer attribute; `values` closes the choice when not empty."""

    kind: Literal["attribute"] = "attribute"
    customer_kind: CustomerKind | None = None
    values: list[str] = []


class ConsentDefinition(Labelled):
    """A consent (CONS-1): its full text by language, and the channel it is about, if any (CONS-2)."""

    kind: Literal["consent"] = "consent"
    channel: Channel | None = None
    texts: dict[str, str] = {}


class CardType(Labelled):
    """A loyalty card type (CARD-5) and the customer fields it requires (CARD-3).

    `predefined`: only numbers that the ERP knows already; otherwise one comes into being when it is assigned (CARD-6).
    """

    kind: Literal["card_type"] = "card_type"
    form: Literal["physical", "virtual"]
    visible: bool = True
    predefined: bool = False
    required_fields: list[Code] = []


class PaymentForm(Labelled):
    """A payment form; without deposit it settles a document without taking money now."""

    kind: Literal["payment_form"] = "payment_form"
    deposit: bool = True


class DocumentControl(Entry):
    """What a credit limit does to a document type (CREDIT-3)."""

    kind: Literal["document_control"] = "document_control"
    document: Literal["R", "SI", "SO"]
    control: Literal["none", "warn", "block"] = "none"


ReferenceRecord = Annotated[
    Centre
    | Operator
    | Setting
    | Choice
    | AttributeDefinition
    | ConsentDefinition
    | CardType
    | PaymentForm
    | DocumentControl,
    Field(discriminator="kind"),
]

REFERENCE_KINDS = (
    "centre", "operator", "setting", "choice", "attribute", "consent", "card_type",
    "payment_form", "document_control",
)  # fmt: skip


def scopes_of(record: Entry) -> tuple[str, ...]:
    """The feeds a row goes down: an operator's centres, everybody for all else."""
    if isinstance(record, Operator):
        return tuple(centre_scope(centre) for centre in record.centres)
    return (ALL,)


def reference_key(record: Entry) -> str:
    """The key of a reference row in the feed."""
    kind: str = getattr(record, "kind")  # noqa: B009
    return f"{kind}/{record.code}"
