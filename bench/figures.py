"""The figures: what each is compared to, and the bound it is held to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from bench.asking import search_rtt_vs_raw_rpc
from bench.cards import card_lock_rtt_vs_raw_rpc, card_lock_vs_raw_rpc
from bench.down import initial_sync_vs_sqlite_insert, propagation_vs_raw_consume
from bench.listing import local_search_vs_like
from bench.stand import Stand
from bench.up import journal_vs_raw_pg

Measure = Callable[[Stand], Awaitable[tuple[float, float, str]]]
"""Measures product and floor in turn: both in the figure's unit, and a note for the table."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One ratio, product over floor. `unit`: seconds, or operations per second."""

    name: str
    title: str
    floor: str
    unit: Literal["s", "/s"]
    bound: float
    most: bool
    measure: Measure

    @property
    def bound_text(self) -> str:
        return f"{'≤' if self.most else '≥'} {self.bound:g}"

    def show(self, value: float) -> str:
        """A value in a unit people read."""
        if self.unit == "/s":
            return f"{value:,.0f}/s"
        return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.2f} ms"


@dataclass(frozen=True, slots=True)
class Result:
    figure: Figure
    product: float
    floor: float
    notes: str
    took_s: float

    @property
    def ratio(self) -> float:
        return self.product / self.floor

    @property
    def holds(self) -> bool:
        bound = self.figure.bound
        return self.ratio <= bound if self.figure.most else self.ratio >= bound


FIGURES = (
    Figure(
        "initial_sync_vs_sqlite_insert", "an empty till becomes complete and searchable",
        "SQLite inserting the same rows as ready tuples into one plain table", "s", 5.0, True,
        initial_sync_vs_sqlite_insert,
    ),
    Figure(
        "local_search_vs_like", "the list while typing",
        "LIKE '%x%' on the same table, p99", "s", 0.05, True, local_search_vs_like,
    ),
    Figure(
        "search_rtt_vs_raw_rpc", "an online search",
        "an empty request-reply with plain aio-pika, p50", "s", 2.0, True, search_rtt_vs_raw_rpc,
    ),
    Figure(
        "propagation_vs_raw_consume", "ERP changes applied at a till",
        "plain aio-pika consuming messages of one change's size, an ack each", "/s", 1.0, False,
        propagation_vs_raw_consume,
    ),
    Figure(
        "journal_vs_raw_pg", "till changes applied in the ERP",
        "one-statement transactions on one asyncpg connection", "/s", 1.0, False, journal_vs_raw_pg,
    ),
    Figure(
        "card_lock_vs_raw_rpc", "cards locked, 32 in flight",
        "empty request-replies with plain aio-pika, 32 in flight", "/s", 0.4, False, card_lock_vs_raw_rpc,
    ),
    Figure(
        "card_lock_rtt_vs_raw_rpc", "one card locked",
        "an empty request-reply with plain aio-pika, p50", "s", 4.0, True, card_lock_rtt_vs_raw_rpc,
    ),
)  # fmt: skip
