"""Sending the letters of the outbox: each at most once, unless a person wants it again (CARD-9).

A letter is marked before it is handed to the mail server, and that is committed. What the server certainly did not
accept is tried again; what it may have accepted is not.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from email.message import EmailMessage
from typing import Any, Protocol
from uuid import UUID

import structlog

from erp_node.card_letter import CannotWrite, write_card_letter
from erp_node.mail import LONGEST_S, NoMail, Outcome
from erp_node.store import letters as store
from erp_node.store.customers import load_customers
from erp_node.store.faults import is_transient
from erp_node.store.letters import DueLetter, LetterState, Settlement
from erp_node.store.pool import Pool
from messaging.failures import describe

LOOK_EVERY_S = 1.0
LONGEST_PAUSE_S = 30.0

LASTS_S = 2 * LONGEST_S
"""A letter that was taken longer ago and is not settled: its process has ended."""

TRIES = 55
FIRST_WAIT_S, LONGEST_WAIT_S = 10.0, 1_800.0
"""Waiting twice as long after each attempt, at most half an hour, that is about a day of tries."""

JITTER = 0.25

AT_ONCE = 500
"""Letters put off together when there is no mail server."""

GRACE_S = 5.0
"""When the process is to end, the letter in hand may take so long: otherwise nobody would know what became of it."""

SETTLE_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)

UNSURE = "letter may have been sent or not"

log = structlog.get_logger()


class TakesLetters(Protocol):
    """A connection to a mail server, as erp_node.mail.MailConnection is one."""

    @property
    def usable(self) -> bool: ...

    async def hand_over(self, message: EmailMessage) -> Outcome: ...


class Mail(Protocol):
    """A mail server, as erp_node.mail.MailServer is one."""

    @property
    def sender(self) -> str: ...

    def connect(self) -> AbstractAsyncContextManager[TakesLetters]: ...


def settle_attempt(outcome: Outcome, attempt: int, jitter: float) -> Settlement:
    """What a letter is after so many attempts; `jitter` between -1 and 1."""
    match outcome.fate:
        case "sent":
            return Settlement("sent")
        case "unsure":
            return Settlement("unsure", outcome.reason)
        case "later" if attempt < TRIES:
            wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1))
            return Settlement("waiting", outcome.reason, wait_s * (1 + JITTER * jitter))
        case _:
            return Settlement("given_up", outcome.reason)


async def send_again(pool: Pool, request_id: UUID) -> LetterState | None:
    """Has the letter of a request sent once more, because a person wants it. What it was until now; None when there
    is none, and while it is `sending` nothing changes."""
    before = await store.put_back(pool, request_id)
    if before not in (None, "sending"):
        log.info("letter wanted again", action="letter_again", request=str(request_id), was=before)
    return before


class Letters:
    """Sends what is due. Any number of ERP processes may: each takes other letters."""

    def __init__(
        self,
        pool: Pool,
        mail: Mail,
        *,
        rng: random.Random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pool = pool
        self._mail = mail
        self._rng = rng
        self._pause = pause
        self._missing: str | None = ""

    async def run(self) -> None:
        """Works until cancelled, and then ends the letter it has in hand first."""
        failures = 0
        while True:
            try:
                await self.send_due()
                failures = 0
            except Exception as error:
                failures = min(failures + 1, 10)
                _report(error)
            await self._pause(min(LONGEST_PAUSE_S, LOOK_EVERY_S * 2**failures))

    async def send_due(self) -> None:
        """Sends letters until none is due, or the mail server fails. Raises what the database does."""
        await self._give_up_lost()
        if not await store.is_any_due(self._pool):
            return
        try:
            async with self._mail.connect() as connection:
                self._tell_mail(None)
                while connection.usable and await _to_its_end(self._send_next(connection)):
                    pass
        except NoMail as missing:
            self._tell_mail(str(missing))
            await self._put_off(str(missing))

    async def _give_up_lost(self) -> None:
        reason = "its process ended while sending it"
        for request_id in await store.find_lost(self._pool, reason):
            log.warning(UNSURE, action="letter_unsure", request=str(request_id), reason=reason)

    async def _send_next(self, connection: TakesLetters) -> bool:
        due = await store.take_due(self._pool, LASTS_S)
        if due is None:
            return False
        outcome = await self._send(connection, due)
        settled = settle_attempt(outcome, due.attempt, self._rng.uniform(-1, 1))
        await self._settle(due, settled)
        return True

    async def _send(self, connection: TakesLetters, due: DueLetter) -> Outcome:
        try:
            customers = await load_customers(self._pool, [due.customer_id])
            message = write_card_letter(due, customers.get(due.customer_id), self._mail.sender)
        except CannotWrite as reason:
            return Outcome("never", str(reason))
        except Exception as error:  # nothing was sent, whatever it is
            return Outcome("later", describe(error))
        try:
            return await connection.hand_over(message)
        except Exception as error:
            return Outcome("unsure", describe(error))

    async def _settle(self, due: DueLetter, settled: Settlement) -> None:
        """Insists: what is not written down counts as unsure later."""
        _tell(due, settled)
        for pause_s in SETTLE_PAUSES_S:
            try:
                await store.settle(self._pool, due, settled)
                return
            except Exception as error:
                if not is_transient(error):
                    raise
                await self._pause(pause_s)
        await store.settle(self._pool, due, settled)

    async def _put_off(self, reason: str) -> None:
        """Without a mail server every letter that is due has been tried in vain."""
        failed = Outcome("later", reason)
        async with self._pool.acquire() as connection, connection.transaction():
            held = await store.hold_due(connection, AT_ONCE)
            await store.put_off(
                connection,
                [
                    (request_id, settle_attempt(failed, tried + 1, self._rng.uniform(-1, 1)))
                    for request_id, tried in held
                ],
            )

    def _tell_mail(self, missing: str | None) -> None:
        """Once per change."""
        if missing == self._missing:
            return
        self._missing = missing
        if missing is None:
            log.info("mail server reached", action="mail_up")
        else:
            log.warning("no mail server", action="mail_down", reason=missing)


async def _to_its_end(work: Coroutine[Any, Any, bool]) -> bool:
    """Does the work in one piece, also when cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=GRACE_S)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at: nobody else does
        raise


def _tell(due: DueLetter, settled: Settlement) -> None:
    about = {"request": str(due.request_id), "attempt": due.attempt, "reason": settled.reason}
    match settled.state:
        case "sent":
            log.info("letter sent", action="letter_sent", **about)
        case "unsure":
            log.warning(UNSURE, action="letter_unsure", **about)
        case "given_up":
            log.warning("letter given up", action="letter_given_up", **about)
        case _:
            log.info("letter not sent yet", action="letter_waits", **about)


def _report(error: Exception) -> None:
    if is_transient(error):
        log.info("letters wait for the database", action="letters_pause", reason=describe(error))
    else:
        log.error("sending letters failed", action="letters_failed", error=describe(error))
