"""What generated customers of one country are made of."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from contracts.folding import compact, fold
from ops import sample_words as words


@dataclass(frozen=True, slots=True)
class Name:
    shown: str
    plain: str
    """As in an address of mail."""


@dataclass(frozen=True, slots=True)
class Town:
    name: str
    postal_codes: tuple[str, ...]
    area: str


@dataclass(frozen=True, slots=True)
class People:
    """What customers of one country are made of."""

    country: str
    prefix: str
    titles: tuple[str, str]
    first: tuple[list[Name], list[Name]]
    last: tuple[list[Name], list[Name]]
    towns: list[Town]
    streets: list[str]
    trades: list[str]
    forms: tuple[str, ...]


def french_people() -> People:
    """France: common surnames first, then put-together and double ones, for men and women alike."""
    joined = ("".join(parts) for parts in product(*words.FRENCH_LAST_PARTS))
    last = _names((*words.FRENCH_LAST, *joined, *_doubled(words.FRENCH_LAST)))
    return People(
        country="FR",
        prefix="CL",
        titles=("m", "mme"),
        first=(_names(words.FRENCH_MEN), _names(words.FRENCH_WOMEN)),
        last=(last, last),
        towns=[Town(name, tuple(codes.split()), area) for name, codes, area in words.FRENCH_TOWNS],
        streets=words.FRENCH_STREETS,
        trades=words.FRENCH_TRADES,
        forms=words.FRENCH_FORMS,
    )


def polish_people() -> People:
    """Poland: surnames in -ski end in -ska for women."""
    joined = ("".join(parts) for parts in product(*words.POLISH_LAST_PARTS))
    men = (*words.POLISH_LAST, *joined)
    women = [_feminine(name) for name in men]
    return People(
        country="PL",
        prefix="KL",
        titles=("pan", "pani"),
        first=(_names(words.POLISH_MEN), _names(words.POLISH_WOMEN)),
        last=(_names(men), _names((*women, *_doubled(women[:80])))),
        towns=[Town(name, tuple(codes.split()), area) for name, codes, area in words.POLISH_TOWNS],
        streets=words.POLISH_STREETS,
        trades=words.POLISH_TRADES,
        forms=words.POLISH_FORMS,
    )


def _names(listed: Iterable[str]) -> list[Name]:
    spaced = (name.replace("_", " ") for name in listed)
    return [Name(name, compact(fold(name))) for name in spaced]


def _doubled(names: list[str]) -> Iterable[str]:
    """Double names, each of two that stand far apart in the list."""
    half = len(names) // 2
    return (f"{one}-{other}" for one, other in zip(names[:half], names[half:], strict=False))


def _feminine(name: str) -> str:
    return f"{name[:-1]}a" if name.endswith(("ski", "cki", "dzki")) else name
