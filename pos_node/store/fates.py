"""What becomes of a row that arrives when the till already has something of the same entity."""

from enum import Enum

import msgspec

from contracts.feed import ABSORBING, State


class Fate(Enum):
    """What becomes of a row that arrives."""

    TAKE = "take"
    LEAVE = "leave"


class Held(msgspec.Struct, frozen=True, gc=False):
    """What the till has of the entity a row is about."""

    scope: str | None
    version: int
    state: State


def fate_of(held: Held | None, scope: str, version: int, state: State, *, met: bool = True) -> Fate:
    """Whether a row replaces what is held.

    Deleted and anonymised absorb: they come over anything and are replaced by nothing but their like. A
    version never goes down (I3). Withdrawn says something about its own scope only: whoever came by
    another scope stays, and at equal version active beats withdrawn (SYNC-4).

    `met` False: the feeds were numbered anew and this is the first they say of the entity since. What is held
    is of a database that is no more, and its version means nothing (SYNC-6).
    """
    if held is None:
        return Fate.TAKE
    if held.state in ABSORBING:
        return Fate.TAKE if state in ABSORBING and version > held.version else Fate.LEAVE
    if state in ABSORBING:
        return Fate.TAKE
    if met and version < held.version:
        return Fate.LEAVE
    if state == "withdrawn" and held.state == "active":
        own = held.scope in (None, scope)
        return Fate.TAKE if own and (version > held.version or not met) else Fate.LEAVE
    return Fate.TAKE
