"""The way up: a till's numbered changes, how far the ERP has applied them, and what it refused.

A journal entry is an envelope of one of the types below with `epoch`, `seq` (1, 2, 3 … without a
gap within an epoch) and `key` (the customer's id). The ERP takes entries of one till in order.
"""

from hashlib import blake2b
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.changes import Change
from contracts.customers import Customer
from contracts.limits import NO_NUL, Count, Moment, Serial, Token

CONTENT_LETTERS = 8

NUMBER_USED = "sequence_reused"
"""Why an entry is parked whose number was applied with other content: a till acts upon it (I1)."""


def content_of(body: bytes) -> str:
    """Tells two entries under one number apart: CONTENT_LETTERS of a hash of the envelope as it is sent."""
    return blake2b(body, digest_size=CONTENT_LETTERS // 2).hexdigest()


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class Author(Wire):
    """Who made a change at the till, on the till's clock (SYNC-3)."""

    operator: Annotated[str, Field(min_length=1, max_length=60, pattern=NO_NUL)]
    at: Moment


class CustomerAdded(Wire):
    """A customer made at a till (CUST-1); its id is the till's and stays."""

    customer_id: UUID
    record: Customer
    author: Author


class CustomerEdited(Wire):
    """Fields of a customer changed at a till, with the values the till saw before (CUST-13)."""

    customer_id: UUID
    base_version: Annotated[Count, Field(description="0: the ERP had not answered yet")]
    changes: Annotated[list[Change], Field(min_length=1, max_length=500)]
    author: Author


class Progress(Wire):
    """Every entry of `epoch` up to `applied_seq` is applied or refused in the ERP.

    `heads` are the feeds' heads after those entries were numbered: a till whose cursors have
    reached them holds the outcome, and may let go of what it showed meanwhile. `content` is that of the
    entry `applied_seq`: a till that has another under this number was restored from a backup.
    """

    epoch: Token
    applied_seq: Count
    content: Token | None = None
    heads: dict[Token, Count] = {}


class Resend(Wire):
    """Asks a till to send its journal again from `from_seq`: something in between was lost."""

    epoch: Token
    from_seq: Serial


Outcome = Literal["refused", "conflict", "renamed", "parked"]


class LostValue(Wire):
    """A field where the ERP's value stood against the till's (CUST-13)."""

    path: str
    stands: object = None
    lost: object = None


class Verdict(Wire):
    """The ERP's answer to an entry that was not simply applied; told to the operator.

    `refused`: nothing of it was applied; `code` says why. `conflict`: `lost` values did not go in.
    `renamed`: the customer's code became `params["code"]` (CUST-4). `parked`: the entry could not
    be read and waits in the dead-letter queue; with the reason NUMBER_USED its number was applied with other
    content before: `content` is that of the entry that is parked, and whose it is gives it another number.
    """

    epoch: Token
    seq: Serial
    content: Token | None = None
    customer_id: UUID | None = None
    outcome: Outcome
    code: Annotated[str, Field(description="stable text code, see contracts.texts")]
    params: dict[str, str] = {}
    lost: list[LostValue] = []
