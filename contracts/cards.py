"""Loyalty cards: what travels of a card, and what tills ask and are told about one (CARD-1 … CARD-15).

A card identifies its customer and grants nothing by itself. The ERP decides whose it is: a till asks for the card's
lock, confirms or releases it, or writes into its journal what it did without asking.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.customers import Code
from contracts.journal import Author
from contracts.limits import Count, Serial, Token

LONGEST_NUMBER = 1_000
"""No number is that long; a message has to end somewhere."""

CardNumber = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_NUMBER,
        pattern=r"^[0-9A-Za-z]+$",
        description="letters A to Z and digits; capitals and small letters are one (CARD-1)",
    ),
]

CardForm = Literal["physical", "virtual", "voucher"]

CardState = Literal["active", "inactive", "blocked", "confirmed", "received"]
"""`confirmed` and `received` are a voucher's that is not active yet (CARD-4); `blocked` is for ever."""

ASSIGNABLE: frozenset[CardState] = frozenset({"active", "confirmed", "received"})

Value = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class Card(Wire):
    """A card as the ERP has it; without `customer_id` it is nobody's.

    A voucher serves as a card when it is `reusable`; `value` is a voucher's (CARD-4). `reason` is why it is blocked.
    """

    number: CardNumber
    form: CardForm = "physical"
    type: Code | None = None
    state: CardState = "active"
    customer_id: UUID | None = None
    points: Count = 0
    reason: Code | None = None
    reusable: bool = False
    value: Value | None = None

    @property
    def points_shown(self) -> int:
        """CARD-10: 0 for a voucher."""
        return 0 if self.form == "voucher" else self.points


def refuse_voucher(
    form: CardForm, state: CardState, value: Decimal | None, *, reusable: bool
) -> str | None:
    """The code of why a voucher cannot be somebody's card (CARD-4), or None."""
    if form != "voucher":
        return None
    if not reusable:
        return "card.voucher_not_reusable"
    return "card.voucher_has_value" if state != "active" and value else None


def card_key(number: str) -> str:
    """Two numbers with the same key are the same card."""
    return number.upper()


def row_key(number: str) -> str:
    """The key of a card's row in the feed."""
    return f"card/{card_key(number)}"


class Wanted(Wire):
    """The card that a customer is to get; `type` of one whose number comes into being (CARD-6)."""

    number: CardNumber
    type: Code | None = None


class CardAssigned(Wire):
    """A journal entry: a till gave a customer a card (CARD-8).

    With the `token` of the card's lock it counts only while that lock is held; without it the first to arrive keeps
    the card.
    """

    customer_id: UUID
    card: Wanted
    token: Serial | None = None
    author: Author


class CardBlocked(Wire):
    """A journal entry: a till blocked a customer's card (CARD-12), and gave the next one with it (CARD-13)."""

    customer_id: UUID
    number: CardNumber
    reason: Code
    replacement: Wanted | None = None
    token: Annotated[Serial | None, Field(description="of the replacement's lock")] = None
    author: Author


class CardRequested(Wire):
    """A journal entry: a till asked for a virtual card (CARD-9). One `request_id` leads to one card."""

    customer_id: UUID
    request_id: UUID
    type: Code
    author: Author


CardChange: TypeAlias = CardAssigned | CardBlocked | CardRequested
"""What a till did with a card, in its journal."""


class CardLock(Wire):
    """Asks the ERP to verify a card for a customer and to lock it for this till (CARD-15).

    A till that asks again while it holds the lock gets a new token, and the old one is void.
    """

    customer_id: UUID
    card: Wanted


class CardLocked(Wire):
    """The lock's token and how long it lasts from now on, on the ERP's clock; or why there is none.

    `refusal`: card.in_use, card.blocked, card.inactive, card.unknown, card.no_type, card.locked (`params["until"]`),
    card.voucher_not_reusable, card.voucher_has_value.
    """

    number: CardNumber
    token: Serial | None = None
    lasts_s: Annotated[float, Field(ge=0)] = 0.0
    refusal: str | None = None
    params: dict[str, str] = {}


class CardConfirm(Wire):
    """Gives the card to the customer for whom it is locked. Sent again it changes nothing, and is answered alike for
    as long as the customer has the card.

    `blocks`: the customer's present card is blocked in the same step, for `reason` (CARD-13).
    """

    customer_id: UUID
    card: Wanted
    token: Serial
    blocks: CardNumber | None = None
    reason: Code | None = None
    author: Author


class CardIssue(Wire):
    """Asks for a virtual card (CARD-9): the ERP makes its number and sends it by e-mail."""

    customer_id: UUID
    request_id: UUID
    type: Code
    author: Author


class CardGiven(Wire):
    """What became of a confirmation or of a request: the card as it is now, to be stored, or the refusal's code.

    Refusals: those of CardLocked, and card.lock_lost, card.customer_has_one, card.field_required (`params["field"]`),
    card.not_theirs (the one to be blocked), customer.unknown, customer.not_available, customer.deleted,
    customer.anonymised.
    """

    number: CardNumber | None = None
    refusal: str | None = None
    params: dict[str, str] = {}
    scope: Token | None = None
    version: Count = 0
    card: Card | None = None
    blocked: Annotated[
        Card | None,
        Field(description="the one that was blocked in the same step; its scope is `all`"),
    ] = None
    blocked_version: Count = 0


class CardRelease(Wire):
    """Gives a lock back before its time is over."""

    number: CardNumber
    token: Serial


class CardReleased(Wire):
    """`released` is false when the lock had ended before, or was never this one."""

    number: CardNumber
    released: bool


class CardStopped(Wire):
    """A card was blocked: told to every till at once, whether or not it knows the card (CARD-12).

    `version` and `card` are those of the card's row in the feed of scope `all`, which brings the same.
    """

    version: Serial
    card: Card
    at: datetime
