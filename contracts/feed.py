"""The way down: pages of numbered rows, pulling them, and proving that both ends hold the same."""

from hashlib import md5
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from contracts.cards import Card
from contracts.customers import Customer
from contracts.decoders import struct_of
from contracts.journal import Progress, Verdict
from contracts.limits import Count, Serial, Token
from contracts.reference import ReferenceRecord

PAGE_ROWS = 500
"""Rows in a page of a pull: about 100 KiB compressed, well under envelope.MAX_BYTES."""

UNPACKED_BYTES = 4 * 1024 * 1024
"""A compressed page is at most this long once unpacked; a reader refuses what is longer."""

BUCKETS = 256
"""Rows are counted and hashed in this many buckets, by the first byte of the MD5 of their key."""

State = Literal["active", "withdrawn", "deleted", "anonymised"]
"""`withdrawn`: no longer for this scope (SYNC-4), may come back. The last two absorb: nothing undoes them."""

ABSORBING: frozenset[State] = frozenset({"deleted", "anonymised"})

Kind = Literal["customer", "reference", "card", "verdict", "progress"]


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class Row(Wire):
    """The newest state of one entity; without record unless active.

    `version` is the ERP's and never goes down. At equal version `active` beats `withdrawn`: the
    entity left one scope and came into another in the same change.
    """

    key: Annotated[str, Field(description="a customer's UUID, or kind/code of another row")]
    version: Serial
    state: State = "active"


class CustomerRow(Row):
    """A customer as one scope sees it. `words` are matching.words_of under rule `Page.rule`.

    `editors` are the centres that may edit it; None: every centre (SEARCH-11, CUST-1).
    """

    kind: Literal["customer"] = "customer"
    editors: list[str] | None = None
    words: list[str] = []
    record: Customer | None = None


class ReferenceRow(Row):
    """A centre, an operator, a setting, an entry of a list (contracts.reference)."""

    kind: Literal["reference"] = "reference"
    record: ReferenceRecord | None = None


class CardRow(Row):
    """A card (its key: cards.row_key): where its customer is, and everywhere once it is blocked (CARD-12)."""

    kind: Literal["card"] = "card"
    record: Card | None = None


class VerdictRow(Row):
    """The ERP's word on one journal entry that was not simply applied."""

    kind: Literal["verdict"] = "verdict"
    record: Verdict | None = None


class ProgressRow(Row):
    """How far the ERP has applied a till's journal."""

    kind: Literal["progress"] = "progress"
    record: Progress | None = None


AnyRow = Annotated[
    CustomerRow | ReferenceRow | CardRow | VerdictRow | ProgressRow, Field(discriminator="kind")
]


class Page(Wire):
    """Rows `(prev_seq, to_seq]` of a scope's feed, compacted to the newest per entity.

    A till drops it when `to_seq <= cursor`, applies it when `prev_seq <= cursor`, and otherwise
    pulls from its cursor. No rows and `to_seq == prev_seq == head` is a sign of life. `epoch`
    changes when the feed was numbered anew: the cursor is void. `remaining` counts rows after
    this page (SYNC-5).
    """

    scope: Token
    epoch: Token
    prev_seq: Count
    to_seq: Count
    head: Count
    remaining: Count = 0
    rule: int = 1
    rows: list[AnyRow] = []


class Pull(Wire):
    """Asks for the page after `from_seq`; the answer is a feed.page. 0 begins the snapshot.

    With `bucket` only rows of that bucket are sent and `from_seq` is a place inside the bucket:
    the answer's `to_seq` is where to go on; it does not move the cursor.
    """

    scope: Token
    epoch: Token | None = None
    from_seq: Count = 0
    limit: Annotated[int, Field(ge=1, le=2_000)] = PAGE_ROWS
    bucket: Annotated[int, Field(ge=0, lt=BUCKETS)] | None = None


class DigestAsk(Wire):
    """Asks for the hashes of a scope (SYNC-6)."""

    scope: Token


class Digest(Wire):
    """Per bucket the number of rows and the sum modulo 2**64 of their hashes (`row_hash`), at `head`.

    Counts active, deleted and anonymised rows of kind customer, reference and card; not withdrawn ones.
    """

    scope: Token
    epoch: Token
    head: Count
    counts: list[int]
    sums: list[int]


def bucket_of(key: str) -> int:
    """The bucket of a row, the same on both ends."""
    return _md5(key)[0]


def row_text(key: str, version: int, state: State, editors: str, record: str) -> str:
    """What is hashed of a row: `editors` joined by commas or `*`, `record` as the ERP sent it or empty."""
    return f"{key}|{version}|{state}|{editors}|{record}"


def row_hash(text: str) -> int:
    """The first 64 bits of the MD5 of `row_text`, unsigned; PostgreSQL computes the same."""
    return int.from_bytes(_md5(text)[:8], "big")


def _md5(text: str) -> bytes:
    return md5(text.encode(), usedforsecurity=False).digest()


class RowStruct(msgspec.Struct, kw_only=True, gc=False):
    """A row of any kind, its record left as JSON bytes: what a till stores as it came."""

    key: str
    version: int
    kind: str
    state: State = "active"
    editors: list[str] | None = None
    words: list[str] = []
    record: msgspec.Raw = msgspec.Raw()


PageStruct: Any = struct_of(Page, extra={"rows": list[RowStruct]})
read_page = msgspec.json.Decoder(PageStruct).decode
"""Reads a page's data at the speed a million rows need; equal to Page.model_validate_json."""
