"""A planted bug: what is put in the place of what."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Swap:
    """`make` gets what is there and gives what stands there instead."""

    target: Any
    name: str
    make: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Mutant:
    """`says`: the bug in words. Several swaps are one bug."""

    name: str
    says: str
    swaps: tuple[Swap, ...]

    @contextmanager
    def switched_on(self) -> Iterator[None]:
        with ExitStack() as stack:
            for swap in self.swaps:
                stack.enter_context(_swapped(swap))
            yield


@contextmanager
def _swapped(swap: Swap) -> Iterator[None]:
    """A function in a class comes back as it was: a static one as static."""
    own = vars(swap.target)
    before = own[swap.name]
    setattr(swap.target, swap.name, swap.make(before))
    try:
        yield
    finally:
        setattr(swap.target, swap.name, before)


def sql_without(module_sql: Any, query: str, old: str, new: str) -> Any:
    """The named statements of a module with one of them changed. ValueError when `old` is not in it."""
    if old not in module_sql[query]:
        raise ValueError(f"{query} does not say {old!r}")
    return {**module_sql, query: module_sql[query].replace(old, new)}
