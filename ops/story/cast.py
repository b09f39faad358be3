"""Who plays in the story, and how a step is played and told."""

import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from ops.clients import Client, Json, NotSeen, Refused, until
from ops.mail import MailSink
from ops.system import System


class StepFailed(AssertionError):
    """The story saw something else than the specification says."""


@dataclass
class Cast:
    """An ERP user, a cashier at each till, and the system under them.

    `lyon` and `krakow` hold all customers of their store; `kiosk` stands in the first store and
    holds only what was made or fetched there.
    """

    system: System
    admin: Client
    lyon: Client
    krakow: Client
    kiosk: Client
    trainee: Client
    stores: tuple[str, str]
    stop_broker: Callable[[], Awaitable[None]]
    start_broker: Callable[[], Awaitable[None]]
    customers: int
    mail: MailSink

    async def online(self, *tills: Client) -> None:
        """Returns when the tills hear the ERP."""
        for till in tills or (self.lyon, self.krakow, self.kiosk):
            await until(till.status, lambda s: s["online"], "till online")

    async def offline(self, *tills: Client) -> None:
        for till in tills or (self.lyon, self.krakow, self.kiosk):
            await until(till.status, lambda s: not s["online"], "till offline")


@dataclass(frozen=True, slots=True)
class Step:
    """`ids` of the specification, what is done, and the function that does it and tells what it saw."""

    ids: str
    title: str
    act: Callable[[Cast], Awaitable[str]]


def expect(holds: object, otherwise: str) -> None:
    """Raises StepFailed unless `holds`."""
    if not holds:
        raise StepFailed(otherwise)


async def refused(request: Awaitable[Any], code: str) -> Json:
    """The problem a request was refused with. Raises StepFailed when it was not, or for another reason."""
    try:
        answer = await request
    except Refused as problem:
        expect(problem.code == code, f"refused with {problem.code} instead of {code}")
        return problem.problem
    raise StepFailed(f"not refused with {code}: {str(answer)[:200]}")


async def play(steps: Sequence[Step], cast: Cast, console: Console) -> tuple[int, int]:
    """Plays the steps in order, a line each; how many passed and failed."""
    passed = 0
    for step in steps:
        began = time.monotonic()
        try:
            seen, word, style = await step.act(cast), "ok  ", "green"
            passed += 1
        except (StepFailed, Refused, NotSeen) as error:
            seen, word, style = str(error), "FAIL", "bold red"
        except Exception:  # one broken step must not hide the others
            seen, word, style = traceback.format_exc(limit=-3), "FAIL", "bold red"
        took = time.monotonic() - began
        console.print(
            f"[{style}]{word}[/] [bold]{step.ids}[/]  {step.title}: ", end="", soft_wrap=True
        )
        console.print(f"{seen} ({took:.1f} s)", markup=False, highlight=False, soft_wrap=True)
    return passed, len(steps) - passed
