"""What the till's API takes and gives."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contracts.cards import CardForm, CardNumber, CardState
from contracts.customers import Address, Contact, Country, Customer, CustomerKind
from contracts.journal import LostValue
from contracts.search import FoundCustomer
from pos_node.bookmark import LONGEST, read_bookmark
from pos_node.lists import ListRow
from web.forms import ATTRIBUTE_VALUE
from web.problems import Shown

ColumnName = Annotated[
    str,
    Field(
        max_length=120,
        description="`all`, a column, or `attribute.<code>`; left out: the view's default (LIST-2)",
        examples=["all", "town", "attribute.colour"],
    ),
]
Group = Annotated[str, Field(min_length=1, max_length=60)]
AttributeChoice = Annotated[
    str,
    Field(pattern=ATTRIBUTE_VALUE, max_length=311, description="an attribute and its value"),
]


class CustomerFilter(BaseModel):
    """What is looked for: the phrase, the chosen column, the drop-down filters (LIST-2, LIST-3, SEARCH-4)."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"phrase": "dup lyo", "kind": "retail"}]}
    )

    phrase: Annotated[
        str, Field(max_length=200, description="every word must begin a word found (SEARCH-13)")
    ] = ""
    column: ColumnName | None = None
    country_shown: Annotated[
        bool | None, Field(description="All searches the country too; left out: as in the view")
    ] = None
    kind: CustomerKind | None = None
    country: Country | None = None
    groups: Annotated[list[Group], Field(max_length=20)] = []
    attributes: Annotated[
        list[AttributeChoice], Field(max_length=20, examples=[["colour:red"]])
    ] = []


def _readable(after: str | None) -> str | None:
    if after is not None:
        read_bookmark(after)
    return after


class ListWish(CustomerFilter):
    """A page of the list."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    after: Annotated[
        str | None,
        Field(max_length=LONGEST, description="`next` of the page before, as it was given"),
        AfterValidator(_readable),
    ] = None


class CustomerLine(BaseModel):
    """One line of the list or of a search, with every column that can be shown (LIST-1)."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: Annotated[int, Field(description="the ERP's; 0: it has not answered yet")]
    kind: CustomerKind
    code: str
    name: str
    tax_number: str | None = None
    country: str | None = None
    postal_code: str | None = None
    town: str | None = None
    street: str | None = None
    siret: str | None = None
    email: str | None = None
    identity_document: str | None = None
    phone: str | None = None
    attributes: dict[str, str] = {}
    held: Annotated[bool, Field(description="false: only in the ERP so far (SEARCH-9)")] = True
    usable: Annotated[bool, Field(description="this centre may use it (SEARCH-11)")] = True
    editable: Annotated[bool, Field(description="this centre may edit it (SEARCH-11)")] = True

    @classmethod
    def of(
        cls, row: ListRow | FoundCustomer, *, held: bool, usable: bool, editable: bool
    ) -> "CustomerLine":
        flags = {"held": held, "usable": usable, "editable": editable}
        return cls.model_validate(row).model_copy(update=flags)


class BannerShown(BaseModel):
    """Whether to go on searching in the ERP (SEARCH-1 to SEARCH-3)."""

    code: Annotated[str | None, Field(examples=["search.none_local"])] = None
    text: str | None = None
    button_shown: bool
    button_active: bool


class CustomerList(BaseModel):
    """Customers by name (LIST-1)."""

    rows: list[CustomerLine]
    more: Annotated[bool, Field(description="ask again with `after` = `next`")]
    next: Annotated[
        str | None, Field(description="where this page ends; look at nothing in it")
    ] = None
    banner: Annotated[BannerShown | None, Field(description="with the first page only")] = None
    columns: Annotated[list[str], Field(description="those shown, in order")]


class CustomerShown(BaseModel):
    """A customer the till holds, complete."""

    id: UUID
    version: Annotated[int, Field(description="the ERP's; 0: it has not answered yet")]
    etag: Annotated[str, Field(description="send it as If-Match when editing")]
    name: str
    editable: bool
    reason: Annotated[Shown | None, Field(description="why it cannot be edited (PREV-2)")] = None
    waiting_changes: Annotated[int, Field(description="changes made here, on their way to the ERP")]
    record: Customer


class ListEntry(BaseModel):
    """One entry of a list the ERP keeps."""

    code: str
    label: str
    values: Annotated[list[str], Field(description="the choice, of an attribute that has one")] = []
    customer_kind: CustomerKind | None = None
    text: Annotated[str | None, Field(description="the full text of a consent")] = None


class CardShown(BaseModel):
    """One of a customer's cards (CARD-10)."""

    number: Annotated[
        str | None, Field(description="null: a virtual card whose number is still to come")
    ]
    form: CardForm
    type: str | None
    label: Annotated[str | None, Field(description="of the type")]
    state: CardState
    points: int
    reason: Annotated[str | None, Field(description="why it is blocked")]
    waiting: Annotated[bool, Field(description="the ERP has not answered yet")]


class CardsShown(BaseModel):
    """A customer's cards, those that work first, and the types a new one can have (CARD-5)."""

    cards: list[CardShown]
    types: list[ListEntry]
    verify_on_issue: Annotated[
        bool, Field(description="a card is given only when the ERP confirms (CARD-8)")
    ]


class CardWanted(BaseModel):
    """The card a customer is to get; without a number it is a virtual one (CARD-9)."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"number": "2900012345"}]}
    )

    number: CardNumber | None = None
    type: Annotated[
        str | None, Field(max_length=60, description="needed where there is a choice")
    ] = None


class BlockWanted(BaseModel):
    """Why a card is blocked, and the next card if there is to be one (CARD-12, CARD-13)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "lost"}]})

    reason: Annotated[str, Field(min_length=1, max_length=120)]
    new_card: CardWanted | None = None


class CardOutcome(Shown):
    """What came of it: `card.issued`, `card.virtual_requested`, or `card.is_blocked` and no card."""

    code: str = Field(description="stable; decide by it", examples=["card.issued"])
    card: CardShown | None


class CardReserved(BaseModel):
    """A card that no other till can give for the time being (CARD-15)."""

    number: str
    lasts_s: Annotated[float, Field(description="seconds from now on, by the ERP's clock")]


class CardOwner(BaseModel):
    """A card looked up by its number, and whose it is (CARD-1)."""

    card: CardShown
    customer_id: UUID | None
    here: Annotated[bool, Field(description="the till holds this customer")]


class BasicData(BaseModel):
    kind: CustomerKind
    code: str
    name: str
    main_address: Address | None


class AttributeShown(BaseModel):
    code: str
    label: str
    value: str


class Preview(CustomerShown):
    """The preview's sections (PREV-1); those of later versions are not there yet."""

    basic: BasicData
    addresses: list[Address]
    attributes: list[AttributeShown]
    description: Annotated[str | None, Field(description="written in the ERP (CUST-11)")]
    contacts: Annotated[list[Contact], Field(description="contact persons, or family members")]
    cards: Annotated[
        list[CardShown], Field(description="loyalty cards, those that work first (CARD-10)")
    ]


class SearchShown(BaseModel):
    """An online search as it stands (SEARCH-5 to SEARCH-12)."""

    id: UUID
    state: Literal["running", "found", "too_many", "none", "unavailable", "cancelled", "expired"]
    code: Annotated[str | None, Field(examples=["search.too_many"])] = None
    text: str | None = None
    waiting_window: Annotated[bool, Field(description="it has been running for long (SEARCH-12)")]
    rows: Annotated[
        list[CustomerLine], Field(description="found here and in the ERP, each customer once")
    ]


class NoticeShown(Shown):
    """What became of a change made here, when it was not simply applied (CUST-4, CUST-13)."""

    id: int
    at: datetime
    customer_id: UUID | None
    lost: Annotated[list[LostValue], Field(description="the ERP's value stands in these fields")]
    seen: bool


class ColumnShown(BaseModel):
    name: str
    label: str


class ViewShown(BaseModel):
    """The list's view on this till (LIST-1, LIST-2)."""

    columns: list[str]
    default_column: str
    possible_columns: list[ColumnShown]


class LinkShown(BaseModel):
    up: bool
    since: datetime
    reason: str


class ScopeShown(BaseModel):
    """How far one feed is applied (SYNC-7)."""

    scope: str
    cursor: int
    head: int
    behind: int
    complete: bool


class JournalShown(BaseModel):
    """Changes made here that the ERP has not applied yet (SYNC-7)."""

    waiting: int
    oldest_at: datetime | None
    oldest_age_s: float | None
    held_back: Annotated[str | None, Field(description="why the last attempt to send failed")]


class LoadingShown(BaseModel):
    rows_done: int
    rows_to_do: int


class StorageShown(BaseModel):
    """Whether the till's file can be written. While it cannot, `behind` may be too low: what the ERP sends is not
    counted before it is written."""

    writable: bool
    reason: Annotated[str | None, Field(description="for instance: the disk is full")]


class StatusShown(BaseModel):
    """The connection with the data service, and how far behind the till is (SYNC-5, SYNC-7)."""

    pos_id: str
    centre: str
    online: Annotated[bool, Field(description="the ERP answers")]
    since: datetime
    enrolment: Annotated[
        Shown | None,
        Field(
            description="the ERP has enrolled the till otherwise than it runs: neither online nor complete"
        ),
    ]
    link: LinkShown
    complete: Annotated[bool, Field(description="every feed has reached its head once")]
    behind: int
    scopes: list[ScopeShown]
    loading: LoadingShown | None
    tidying: Annotated[
        bool, Field(description="the word index is put in order, as after a first load")
    ]
    storage: StorageShown
    journal: JournalShown
    unseen_notices: int
