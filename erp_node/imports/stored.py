"""What becomes of rows that can be read: they are stored together, or each by itself when one is in the way."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import asyncpg

from erp_node.imports.rows import Reject
from erp_node.store.faults import is_transient
from messaging.failures import describe


class Readable(Protocol):
    """A row, and where it stands in the file."""

    @property
    def line(self) -> int: ...

    @property
    def raw(self) -> str: ...


R = TypeVar("R", bound=Readable)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row does not go in."""

    column: str
    reason: str

    def of(self, row: Readable) -> Reject:
        return Reject(row.line, self.column, self.reason, row.raw)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of readable rows."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: Sequence[Reject] = ()

    def plus(self, other: "Stored") -> "Stored":
        return Stored(
            self.created + other.created,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            (*self.bad, *other.bad),
        )


async def store_good(
    rows: Sequence[R],
    together: Callable[[Sequence[R]], Awaitable[Stored]],
    fault: Callable[[R, Exception], Fault],
) -> Stored:
    """Stores rows by `together`, in which nothing is stored when it raises; then each by itself, so that a row the
    database refuses keeps no other out. Raises what is not the rows' fault."""
    try:
        return await together(rows)
    except Exception as error:
        if is_transient(error):
            raise
    done = Stored()
    for row in rows:
        try:
            done = done.plus(await together([row]))
        except Exception as error:
            if is_transient(error):
                raise
            done = done.plus(Stored(bad=[fault(row, error).of(row)]))
    return done


def cannot_store(error: Exception) -> Fault:
    """The fault of a row that the database refused for itself."""
    match error:
        case asyncpg.PostgresError():
            return Fault("", "cannot be stored: " + str(error).partition("\n")[0])
        case _:
            return Fault("", f"cannot be stored: {describe(error)}")
