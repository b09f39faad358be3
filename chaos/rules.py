"""What a proxy does to the frames that pass it. Pure: a rule looks at one frame, and says what becomes of it."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

from chaos.frames import is_body, is_confirm, is_content_header, is_publish


class Way(Enum):
    """Where a frame goes."""

    UP = "to the broker"
    DOWN = "to the node"


@dataclass(frozen=True, slots=True)
class Fate:
    """How many bytes of a frame pass, all when None; and whether the connection is cut behind them."""

    passing: int | None = None
    cut: bool = False


PASSED = Fate()
SWALLOWED = Fate(0)


class Rule(Protocol):
    """Judges every frame of every connection of one proxy, for as long as it holds."""

    def judge(self, way: Way, frame: bytes) -> Fate: ...


@dataclass(slots=True)
class Silence:
    """A half-open link: what goes these ways never arrives, and nobody is told. `swallowed`: frames so far."""

    ways: frozenset[Way]
    swallowed: int = 0

    def judge(self, way: Way, frame: bytes) -> Fate:
        if way not in self.ways:
            return PASSED
        self.swallowed += 1
        return SWALLOWED


@dataclass(slots=True)
class NoConfirms:
    """The broker has the messages, and its word for it is lost. `swallowed`: confirms so far."""

    swallowed: int = 0

    def judge(self, way: Way, frame: bytes) -> Fate:
        if way is Way.UP or not is_confirm(frame):
            return PASSED
        self.swallowed += 1
        return SWALLOWED


Place = Literal["method", "header", "body"]


@dataclass(slots=True)
class PublishCut:
    """The next publish is cut: behind its method frame, behind its header, or half way through its first body frame.

    Once: `sprung` then, and everything passes.
    """

    place: Place
    sprung: bool = False

    def judge(self, way: Way, frame: bytes) -> Fate:
        if self.sprung or way is Way.DOWN:
            return PASSED
        match self.place:
            case "method" if is_publish(frame):
                fate = Fate(cut=True)
            case "header" if is_content_header(frame):
                fate = Fate(cut=True)
            case "body" if is_body(frame):
                fate = Fate(len(frame) // 2, cut=True)
            case _:
                return PASSED
        self.sprung = True
        return fate


def fate_of(frame: bytes, way: Way, rules: tuple[Rule, ...]) -> Fate:
    """What becomes of a frame that all these rules judge: the first that does not let it pass decides."""
    return next((fate for rule in rules if (fate := rule.judge(way, frame)) != PASSED), PASSED)
