"""Brings the journal to the broker, in order; an entry is sent again until the ERP has applied it."""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import structlog

from contracts.journal import Resend
from contracts.presence import Welcome
from contracts.topology import JOURNAL, user_of
from messaging.channel import LinkDown, Message, MessagingError
from messaging.connection import LinkState
from pos_node.epoch import begin_epoch, is_restored, keep_epoch
from pos_node.presence import WatchesLink
from pos_node.reasons import reason_of
from pos_node.store import journal as rows
from pos_node.store.database import Priority, Store
from pos_node.store.journal import Entry, Standing

BATCH = 256
"""Entries in flight; the publisher's window limits them further."""

PATIENCE_S = 10.0
LONGEST_PATIENCE_S = 300.0
"""How long a confirmed entry waits to be applied before it is sent again: doubled each time, up to this."""

PAUSE_S = 0.1
LONGEST_PAUSE_S = 4.0
"""Between attempts that fail: well under the ten seconds within which traffic must flow again (I11)."""

_log = structlog.get_logger("journal")


class Publishes(Protocol):
    """What `messaging.publisher.Publisher` does."""

    async def publish_all(self, messages: Iterable[Message]) -> None: ...

    async def wait_attached(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The lowest entry that was confirmed but is not applied, since when, and how long to wait for it."""

    first: int
    since: float
    patience: float = PATIENCE_S

    def due(self, now: float) -> bool:
        return now >= self.since + self.patience


@dataclass(frozen=True, slots=True)
class RelayState:
    """Why entries do not leave the till, or None (SYNC-7)."""

    reason: str | None


def look_at(
    known: Unanswered | None, first: int | None, place: int, now: float
) -> Unanswered | None:
    """What waits to be applied now. Progress of any kind makes the till patient again."""
    if known is not None and known.first == first:
        return known
    return Unanswered(first, now) if first is not None and first <= place else None


def lose_patience(known: Unanswered, now: float) -> Unanswered:
    """It is sent again; the next time the till waits longer."""
    longer = min(known.patience * 2, LONGEST_PATIENCE_S)
    return replace(known, since=now, patience=longer)


class Relay:
    """Publishes the journal. `online` tells whether the ERP answers: while it does not, what the broker
    has confirmed stays there and is not sent again and again."""

    def __init__(
        self,
        store: Store,
        publisher: Publishes,
        link: WatchesLink,
        pos_id: str,
        *,
        at_start: Standing,
        epoch_file: Path,
        online: Callable[[], bool],
        rng: random.Random,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._pos_id = pos_id
        self._epoch_file = epoch_file
        self._online = online
        self._rng = rng
        self._epoch = at_start.epoch
        self._sent_at_most: int | None = at_start.last_seq
        self._welcome: tuple[Welcome, Standing] | None = None
        self._greeted = False
        self._place = 0
        self._lost = False
        self._again_from: int | None = None
        self._unanswered: Unanswered | None = None
        self._failures = 0
        self._reason: str | None = None
        self._woken = asyncio.Event()
        link.listen(self._link_changed)

    @property
    def state(self) -> RelayState:
        return RelayState(self._reason)

    def wake(self) -> None:
        """There is a new entry."""
        self._woken.set()

    def resend(self, asked: Resend) -> None:
        """Handler of journal.resend: the ERP misses entries from a number on.

        When the till no longer has them the next welcome shows that the ERP is from a backup.
        """
        if asked.epoch != self._epoch:
            return
        before = asked.from_seq if self._again_from is None else self._again_from
        self._again_from = min(before, asked.from_seq)
        self._woken.set()

    async def hear_welcome(self, welcome: Welcome, asked: Standing) -> None:
        """The ERP told how far it is. The first welcome lets the relay begin: only then is it known
        that the numbers given since the start are not taken (a restored backup)."""
        self._welcome = (welcome, asked)
        self._woken.set()

    async def run(self) -> None:
        """Publishes until cancelled; what the disk does not allow now is tried again."""
        while True:
            self._woken.clear()
            try:
                await self._go_on()
            except Exception as error:  # whatever it is, the cashier goes on
                await self._rest(error)

    async def _go_on(self) -> None:
        await self._take_welcome()
        self._take_place()
        if self._greeted:
            await self._step()
        else:
            await self._woken.wait()

    async def _take_welcome(self) -> None:
        """Kept until all it asks for is done: a full disk may be in the way for a while."""
        if self._welcome is None:
            return
        taken = welcome, asked = self._welcome
        now = await self._store.read(rows.read_standing)
        last_seq = now.last_seq if self._sent_at_most is None else self._sent_at_most
        if now.epoch != self._epoch:  # begun already, but not yet written down beside the database
            await keep_epoch(self._epoch_file, now.epoch)
            self._epoch, self._lost = now.epoch, True
        elif is_restored(welcome, asked, last_seq) or await self._is_anothers(welcome):
            self._epoch = await begin_epoch(
                self._store, self._epoch_file, self._rng, welcome.applied_seq
            )
            self._lost = True
        unproven = await self._store.read(rows.read_limit) is not None
        if unproven and welcome.applied_seq and welcome.content is None:
            # An ERP of before contents were told: nothing better will come.
            await self._store.write(rows.lift_limit, priority=Priority.JOURNAL)
        self._sent_at_most, self._greeted = None, True
        if self._welcome is taken:
            self._welcome = None

    async def _is_anothers(self, welcome: Welcome) -> bool:
        """Whether the number the ERP is at was given to something else before this file was put back."""
        told = welcome.epoch, welcome.applied_seq, welcome.content
        ours = None if welcome.content is None else await self._store.read(rows.is_ours, *told)
        return welcome.epoch == self._epoch and ours is False

    def _take_place(self) -> None:
        """Goes back: all the way when the link was lost, or to where the ERP asked for."""
        if self._lost:
            self._place, self._unanswered = 0, None
        elif self._again_from is not None:
            self._place = min(self._place, self._again_from - 1)
        self._lost, self._again_from = False, None

    async def _step(self) -> None:
        entries, first = await self._store.read(_read_next, self._epoch, self._place)
        now = asyncio.get_running_loop().time()
        self._unanswered = look_at(self._unanswered, first, self._place, now)
        if entries:
            await self._send(entries)
            return
        self._failures, self._reason = 0, None
        if self._unanswered is None:
            await self._woken.wait()
        elif self._unanswered.due(now):
            self._send_again(self._unanswered, now)
        else:
            await self._wait(self._unanswered.since + self._unanswered.patience - now)

    async def _send(self, entries: Sequence[Entry]) -> None:
        try:
            await self._publisher.publish_all([self._message(entry) for entry in entries])
        except MessagingError as error:
            self._lost = self._lost or isinstance(error, LinkDown)
            await self._pause(error)
        else:
            self._place = entries[-1].seq
            self._failures, self._reason = 0, None

    def _send_again(self, unanswered: Unanswered, now: float) -> None:
        if not self._online():
            self._unanswered = replace(unanswered, since=now)
            return
        _log.info("sending again", action="journal_unanswered", first=unanswered.first)
        self._place = 0
        self._unanswered = lose_patience(unanswered, now)

    async def _pause(self, error: MessagingError) -> None:
        """As `_rest`; and waits for the link, when that is down."""
        await self._rest(error)
        await self._publisher.wait_attached()

    async def _rest(self, error: Exception) -> None:
        """Waits longer after each failure."""
        self._reason = reason_of(error)
        if self._failures == 0:
            _log.warning("journal held back", action="journal_held", reason=self._reason)
        pause = min(PAUSE_S * 2**self._failures, LONGEST_PAUSE_S)
        self._failures = min(self._failures + 1, 10)
        await asyncio.sleep(pause * self._rng.uniform(0.5, 1.0))

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds * self._rng.uniform(1.0, 1.2)):
                await self._woken.wait()

    def _message(self, entry: Entry) -> Message:
        return Message(
            body=entry.body,
            exchange=JOURNAL,
            key=self._pos_id,
            mandatory=True,
            persistent=True,
            user_id=user_of(self._pos_id),
            type=entry.type,
        )

    def _link_changed(self, state: LinkState) -> None:
        """What was confirmed on a lost link may be lost with the broker's disk."""
        if not state.up:
            self._lost = True
        self._woken.set()


def _read_next(
    connection: sqlite3.Connection, epoch: str, place: int
) -> tuple[tuple[Entry, ...], int | None]:
    """The next entries to send, and the lowest that is not applied."""
    entries = rows.read_waiting(connection, epoch, place, BATCH)
    return entries, rows.read_first_waiting(connection, epoch)
