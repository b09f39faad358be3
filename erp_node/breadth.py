"""How broad a search is, and how to find its first rows fast however broad it is. Pure.

The index collects every row of every word beginning before the first row comes out, so a beginning
that many customers have must not be asked of it. Two ways around: look at a piece of the table
first, where the few rows wanted of a broad search are found at once; and ask the index only for
what is selective, checking the rest on the rows it finds.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, prod

from contracts.matching import Query
from erp_node.tsquery import Condition, conditions_of, tsquery

FEW_ENTRIES = 5_000
"""So many index entries are collected before much of the table has been looked at."""

LOOK_COST = 4.0
"""Looking at a row of the table costs so much more than collecting one entry of the index."""

WANTED_ROWS = 20
"""A look at the table should meet so many rows, to find the seven that are wanted with some luck."""

LEAST_LOOK = 500
"""Rows of the table that are looked at, if any: statistics are no more than a guess."""

LEAST_MET = 0.5
"""A look that would not even meet so many rows is spared: the index would be asked all the same."""

CHECK_COST = 5.0
"""Checking a condition on a row costs so much more than collecting one entry of the index."""

_RARE = {1: 0.2, 2: 0.01, 3: 0.0005}
"""What words too rare for the statistics may add, by the letters of a beginning."""

_LEAST_SHARE = 0.0001
_RARER = 10
_UNKNOWN_ROWS, _UNKNOWN_PAGES = 1_000_000.0, 200_000
_END = "\U0010ffff"


class Frequencies:
    """How many customers have the commoner lexemes, by PostgreSQL's statistics."""

    def __init__(
        self,
        rows: float,
        pages: int,
        lexemes: Sequence[str] = (),
        shares: Sequence[float] = (),
    ) -> None:
        """`rows` below 0: never counted. `shares[i]`: the part of all rows that has `lexemes[i]`."""
        known = sorted(zip(lexemes, shares, strict=False))
        self.rows, self.pages = (rows, pages) if rows >= 0 else (_UNKNOWN_ROWS, _UNKNOWN_PAGES)
        self._lexemes = [lexeme for lexeme, _ in known]
        self._sums = [0.0, *accumulate(share for _, share in known)]
        least = min((share for _, share in known), default=_LEAST_SHARE)
        self._unknown = least / _RARER

    def of_beginning(self, beginning: str) -> float:
        """The part of all rows that has a lexeme with this beginning, about; never nothing."""
        first = bisect_left(self._lexemes, beginning)
        end = bisect_left(self._lexemes, beginning + _END, lo=first)
        letters = len(beginning.partition(":")[2] or beginning)
        return self._sums[end] - self._sums[first] + _RARE.get(letters, self._unknown)

    def of_lexeme(self, lexeme: str) -> float:
        """The part of all rows that has this lexeme, about; never nothing."""
        place = bisect_left(self._lexemes, lexeme)
        known = self._lexemes[place : place + 1] == [lexeme]
        return self._sums[place + 1] - self._sums[place] if known else self._unknown


@dataclass(frozen=True, slots=True)
class Plan:
    """`indexed` is asked of the index, `checked` of the rows it finds; as tsquery, None for nothing.

    `look_pages`: so many pages of the table are looked at before the index is asked.
    """

    indexed: str | None
    checked: str | None = None
    look_pages: int = 0


@dataclass(frozen=True, slots=True)
class _Estimate:
    """Of one condition: the part of rows that satisfies it, and the index entries to collect for it."""

    condition: Condition
    share: float
    entries: float


def plan_search(query: Query, frequencies: Frequencies) -> Plan:
    """How to find the first rows of a query."""
    estimates = sorted(
        (_estimate(one, frequencies) for one in conditions_of(query)), key=lambda one: one.share
    )
    indexed, checked = _divide(estimates)
    entries = sum(one.entries for one in indexed) if indexed else 1.0
    return Plan(
        tsquery(one.condition for one in indexed),
        tsquery(one.condition for one in checked),
        _look_pages(entries, prod(one.share for one in estimates), frequencies),
    )


def _divide(estimates: Iterable[_Estimate]) -> tuple[list[_Estimate], list[_Estimate]]:
    """The most selective condition goes to the index, others where they cost less."""
    indexed: list[_Estimate] = []
    checked: list[_Estimate] = []
    left = 1.0
    for one in estimates:
        if indexed and one.entries > left * CHECK_COST:
            checked.append(one)
        else:
            indexed.append(one)
            left *= one.share
    return indexed, checked


def _look_pages(entries: float, share: float, frequencies: Frequencies) -> int:
    """Enough of the table to meet the rows wanted, but no more work than the index would have; else none."""
    collected = entries * frequencies.rows
    if collected < FEW_ENTRIES:
        return 0
    looked = min(max(WANTED_ROWS / share, LEAST_LOOK), collected / LOOK_COST)
    if looked * share < LEAST_MET:
        return 0
    return ceil(looked * frequencies.pages / frequencies.rows)


def _estimate(condition: Condition, frequencies: Frequencies) -> _Estimate:
    share_of = frequencies.of_lexeme if condition.whole else frequencies.of_beginning
    words = [
        [sum(map(share_of, lexemes)) for lexemes in alternative]
        for alternative in condition.lexemes
    ]
    share = sum(min(alternative) for alternative in words)
    return _Estimate(condition, min(1.0, share), sum(map(sum, words)))
