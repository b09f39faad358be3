"""What tills asked about cards and were answered, as their own traces tell it."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from simulation.checkers.linear import Act, Kind
from traces.record import Line

KINDS: dict[str, Kind] = {
    "card.lock": "lock",
    "card.confirm": "confirm",
    "card.release": "release",
}
ANSWERS = ("card.locked", "card.given", "card.released")


def card_acts(lines: Iterable[Line]) -> dict[str, list[Act]]:
    """By card, as the traces name it. A question whose answer was not taken, or came late, has no end."""
    asked: dict[str, Line] = {}
    answers: dict[str, Line] = {}
    for line in lines:
        if line.action == "sent" and line.type in KINDS and line.id is not None:
            asked[line.id] = line
        elif line.action == "handled" and line.type in ANSWERS and line.cause is not None:
            answers[line.cause] = line
    acts: dict[str, list[Act]] = defaultdict(list)
    for key, question in asked.items():
        card = question.data.get("card", question.data)["number"]
        acts[card].append(_act(question, answers.get(key)))
    return acts


def _act(question: Line, answer: Line | None) -> Act:
    """It began before it was sent, and ended after the answer was taken from the till's queue."""
    asked, told = question.data, answer.data if answer else {}
    kind = KINDS[question.type]
    return Act(
        till=question.node,
        kind=kind,
        began=question.at.timestamp(),
        ended=answer.at.timestamp() if answer else None,
        token=told.get("token") if kind == "lock" else asked["token"],
        customer=asked.get("customer_id", ""),
        refusal=_refusal(kind, told) if answer else None,
    )


def _refusal(kind: Kind, told: dict[str, Any]) -> str | None:
    if kind == "release":
        return None if told["released"] else "lost"
    refusal: str | None = told.get("refusal")
    return refusal
