"""What both ends hold at one moment, as values that any observer can make."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ErpCustomer:
    id: str
    version: int
    state: str
    is_customer: bool
    everywhere: bool
    centres: tuple[str, ...]
    editors: tuple[str, ...] | None
    wire: str

    @property
    def offered(self) -> bool:
        """Whether any till may hold it."""
        return self.state == "active" and self.is_customer

    def usable_at(self, centre: str) -> bool:
        return self.everywhere or centre in self.centres


@dataclass(frozen=True, slots=True)
class ErpReference:
    key: str
    version: int
    state: str
    scopes: tuple[str, ...]
    record: str


@dataclass(frozen=True, slots=True)
class HistoryLine:
    customer: str
    version: int
    where: str
    path: str
    new: str
    kept: bool


@dataclass(frozen=True, slots=True)
class ErpVerdict:
    id: str
    till: str
    epoch: str
    seq: int
    outcome: str
    code: str
    reason: str = ""
    """Why an entry was parked."""


@dataclass(frozen=True, slots=True)
class ErpCard:
    key: str
    version: int
    state: str
    customer: str | None
    wire: str


@dataclass(frozen=True, slots=True)
class CardEventSeen:
    """A line of a card's history, by card and in the order of writing."""

    card: str
    event: str
    customer: str | None
    where: str
    at: datetime
    detail: dict[str, Any]


@dataclass(frozen=True)
class ErpSeen:
    """The ERP's database. `gone`: scopes and keys of tombstones that were told. `holdings`: (till, customer).
    `heads`: of the feeds, by scope. `marks`: changes not numbered yet."""

    customers: tuple[ErpCustomer, ...]
    reference: tuple[ErpReference, ...]
    history: tuple[HistoryLine, ...]
    verdicts: tuple[ErpVerdict, ...]
    progress: dict[tuple[str, str], int]
    gone: frozenset[tuple[str, str]]
    holdings: frozenset[tuple[str, str]]
    heads: dict[str, int]
    epoch: str
    troubles: frozenset[str]
    marks: int
    cards: tuple[ErpCard, ...] = ()
    card_events: tuple[CardEventSeen, ...] = ()


@dataclass(frozen=True, slots=True)
class TillCustomer:
    id: str
    scope: str | None
    version: int
    state: str
    editors: tuple[str, ...] | None
    record: str | None
    shown: str | None
    listed: bool


@dataclass(frozen=True, slots=True)
class TillNotice:
    key: str
    code: str
    customer: str | None


@dataclass(frozen=True)
class TillSeen:
    """One till's file. `gone`: (scope, key, version, state). `cursors`: (epoch, seq) by scope."""

    pos_id: str
    centre: str
    full: bool
    scopes: tuple[str, ...]
    customers: tuple[TillCustomer, ...]
    reference: tuple[tuple[str, str, int, str, str | None], ...]
    gone: frozenset[tuple[str, str, int, str]]
    cursors: dict[str, tuple[str, int]]
    epoch: str
    last_seq: int
    applied_seq: int
    journal: int
    notices: tuple[TillNotice, ...]
    cards: tuple[tuple[str, str, int, str, str | None], ...] = ()


@dataclass(frozen=True)
class Seen:
    """The whole system, quiet."""

    erp: ErpSeen
    tills: tuple[TillSeen, ...]
