"""The matching rule's questions in PostgreSQL's words: which lexemes of `customer.search` a query asks for. Pure.

The first migration says what the lexemes are: every word with the letter of its column before it
(`a:dupont`), and words of the columns that All searches also alone (`dupont`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from contracts.matching import COLUMNS, DEFAULT_COLUMNS, Clause, Column, Query

_LETTERS: dict[Column, str] = {
    column: chr(ord("a") + place) for place, column in enumerate(COLUMNS)
}
_ALL = frozenset(DEFAULT_COLUMNS)

LexemeSets: TypeAlias = tuple[tuple[tuple[str, ...], ...], ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """One clause: `lexemes[i][j]` are the beginnings, any of which is the i-th alternative's j-th word.

    A filter is one lexeme, `whole`.
    """

    lexemes: LexemeSets
    whole: bool = False

    @property
    def text(self) -> str:
        """The clause as tsquery."""
        sign = _quoted if self.whole else _beginning
        return _any(_all(_any(map(sign, some)) for some in words) for words in self.lexemes)


def conditions_of(query: Query) -> tuple[Condition, ...]:
    """The clauses and filters of a query, all of which must hold."""
    filters = (Condition((((f"{_LETTERS['filters']}:{one}",),),), True) for one in query.filters)
    return (*filters, *(_condition(clause, query.columns) for clause in query.clauses))


def tsquery(conditions: Iterable[Condition]) -> str | None:
    """All of these as one tsquery; None when there is none."""
    return _all(one.text for one in conditions) or None


def _condition(clause: Clause, columns: tuple[Column, ...]) -> Condition:
    return Condition(
        tuple(tuple(_lexemes(start, columns) for start in alternative) for alternative in clause)
    )


def _lexemes(start: str, columns: tuple[Column, ...]) -> tuple[str, ...]:
    """The lexeme beginnings that stand for: some word of these columns begins with `start`.

    A single letter alone would also begin the lexemes of the column with that letter.
    """
    if set(columns) >= _ALL and start not in _LETTERS.values():
        others = (name for name in columns if name not in _ALL)
        return (start, *(f"{_LETTERS[name]}:{start}" for name in others))
    return tuple(f"{_LETTERS[name]}:{start}" for name in columns)


def _beginning(lexeme: str) -> str:
    return f"{_quoted(lexeme)}:*"


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def _all(parts: Iterable[str]) -> str:
    return _joined(" & ", parts)


def _any(parts: Iterable[str]) -> str:
    return _joined(" | ", parts)


def _joined(sign: str, parts: Iterable[str]) -> str:
    found = tuple(parts)
    return found[0] if len(found) == 1 else sign.join(f"({part})" for part in found)
