"""What the ERP's API takes and gives about loyalty cards."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.cards import CardForm, CardNumber, CardState, Value
from contracts.customers import Code
from contracts.limits import Count
from erp_node.card_changes import CardEdit
from erp_node.card_rules import HeldCard
from erp_node.store.cards import EventLine

AT_ONCE = 5_000
"""Cards predefined in one request."""

OpenState = Literal["active", "inactive", "confirmed", "received"]
"""What a card that is not blocked can be; the last two are a voucher's (CARD-4)."""

_CENT = Decimal("0.01")


class NewCard(BaseModel):
    """A card to be known before anybody has it (CARD-6)."""

    model_config = ConfigDict(extra="forbid")

    number: CardNumber
    form: CardForm = "physical"
    type: Annotated[Code | None, Field(description="one of this form; a voucher has none")] = None
    state: OpenState = "active"
    points: Count = 0
    reusable: Annotated[
        bool, Field(description="of a voucher: only such a one serves as a card")
    ] = False
    value: Annotated[Value | None, Field(description="of a voucher")] = None

    def held(self) -> HeldCard:
        return HeldCard(**dict(self))


class NewCards(BaseModel):
    """Cards to be predefined, all or none."""

    model_config = ConfigDict(extra="forbid")

    cards: Annotated[list[NewCard], Field(min_length=1, max_length=AT_ONCE)]


class CardPatch(BaseModel):
    """What is not named stays as it is."""

    model_config = ConfigDict(extra="forbid")

    state: OpenState | None = None
    points: Count | None = None
    value: Annotated[Value | None, Field(description="of a voucher")] = None
    reusable: Annotated[bool | None, Field(description="of a voucher")] = None

    def edit(self) -> CardEdit:
        return CardEdit(**dict(self))


class CardGiven(BaseModel):
    """The card a customer is to get; `type` of one whose number comes into being (CARD-6)."""

    model_config = ConfigDict(extra="forbid")

    number: CardNumber
    type: Code | None = None


class BlockWanted(BaseModel):
    """Why a card is blocked (CARD-12)."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Code, Field(description="of the list `block_reason`")]


class CardShown(BaseModel):
    """A card as the ERP has it; without `customer_id` it is nobody's."""

    number: str
    version: int
    form: CardForm
    type: str | None
    state: CardState
    customer_id: UUID | None
    points: int
    reason: Annotated[str | None, Field(description="why it is blocked")]
    reusable: bool
    value: Annotated[Decimal | None, Field(examples=["5.00"])]

    @staticmethod
    def of(card: HeldCard) -> "CardShown":
        return CardShown(
            number=card.number,
            version=card.version,
            form=card.form,
            type=card.type,
            state=card.state,
            customer_id=card.customer_id,
            points=card.points,
            reason=card.reason,
            reusable=card.reusable,
            value=None if card.value is None else card.value.quantize(_CENT),
        )


class CardPage(BaseModel):
    """Cards ordered by number; `next` goes into `after` for the page behind this one."""

    rows: list[CardShown]
    next: str | None = None


class CardEventShown(BaseModel):
    """What happened to a card, or was asked of it. `detail`: of a change, old and new by column."""

    id: int
    at: datetime
    event: Annotated[str, Field(examples=["made", "assigned", "blocked", "refused"])]
    customer_id: UUID | None
    changed_by: str
    changed_where: Annotated[str, Field(examples=["erp", "pos.lyon-1", "sql", "import"])]
    detail: dict[str, Any]

    @staticmethod
    def of(line: EventLine) -> "CardEventShown":
        return CardEventShown(
            id=line.id,
            at=line.at,
            event=line.event,
            customer_id=line.customer_id,
            changed_by=line.by,
            changed_where=line.where,
            detail=json.loads(line.detail or "{}"),
        )


class CardHistory(BaseModel):
    """The newest events first; `next` goes into `before` for older ones."""

    rows: list[CardEventShown]
    next: int | None = None
