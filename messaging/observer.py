"""The one place where whatever watches messages (traces, counters) hooks in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from messaging.channel import Delivery, LinkDown, Message, NoAnswer, Refused, Returned

Action: TypeAlias = Literal["sent", "handled", "asked", "answered"]
Outcome: TypeAlias = Literal[
    "ok",
    "returned",
    "refused",
    "link_down",
    "no_answer",
    "cancelled",
    "retry",
    "parked",
    "expired",
    "late",
    "failed",
]


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to one message. `attempt` counts from 1; `place` is a queue or a role.

    `sent`: it was written, and where the broker confirms, it was confirmed `took` seconds later.
    `handled`: it was taken care of; an answer, that somebody waited for it. `asked` and `answered` are
    the ends of a question at either side, told with the question.
    """

    action: Action
    outcome: Outcome
    what: Message | Delivery
    place: str
    attempt: int = 1
    took: float = 0.0


Observer: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The observer of those who do not watch."""


def outcome_of(error: BaseException | None) -> Outcome:
    match error:
        case None:
            return "ok"
        case Returned():
            return "returned"
        case Refused():
            return "refused"
        case LinkDown():
            return "link_down"
        case NoAnswer():
            return "no_answer"
        case _:
            return "failed"
