"""Whether the ERP is there (SYNC-7): greeting it, hearing its beat, and telling since when it is or is not."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

import structlog

from contracts import envelope
from contracts.envelope import MessageError
from contracts.presence import Beat, Hello, Welcome
from messaging.channel import MessagingError
from messaging.clock import Clock
from messaging.connection import LinkState, Listener
from pos_node.contact import Contact
from pos_node.questions import Questions
from pos_node.reasons import reason_of
from pos_node.store.journal import Standing

HELLO_EVERY_S = 10.0
HELLO_TIMEOUT_S = 5.0
LEAST_WAIT_S = 0.05

_log = structlog.get_logger("presence")

ReadStanding: TypeAlias = Callable[[], Awaitable[Standing]]
OnWelcome: TypeAlias = Callable[[Welcome, Standing], Awaitable[None]]
"""Told the ERP's welcome, and where the till stood when it asked for it."""


class WatchesLink(Protocol):
    """What `messaging.connection.Link` tells about itself."""

    @property
    def state(self) -> LinkState: ...

    def listen(self, listener: Listener) -> None: ...


@dataclass(frozen=True, slots=True)
class Connection:
    """The data service as a cashier sees it: online means the ERP answers (SYNC-7)."""

    online: bool
    since: datetime
    link_up: bool
    link_since: datetime
    link_reason: str


class Presence:
    """Greets on every connection and every ten seconds, sooner when the ERP falls silent."""

    def __init__(
        self,
        questions: Questions,
        contact: Contact,
        link: WatchesLink,
        read_standing: ReadStanding,
        *,
        clock: Clock,
        rng: random.Random,
        instance: str,
        software: str,
        on_welcome: OnWelcome,
    ) -> None:
        self._questions = questions
        self._contact = contact
        self._link = link
        self._read_standing = read_standing
        self._clock = clock
        self._rng = rng
        self._instance = instance
        self._software = software
        self._on_welcome = on_welcome
        self._online = False
        self._since = clock.now()
        self._woken = asyncio.Event()
        link.listen(self._link_changed)

    @property
    def online(self) -> bool:
        """Whether the ERP answered or was heard within a few seconds."""
        self._look()
        return self._online

    @property
    def connection(self) -> Connection:
        """For the status page."""
        self._look()
        link = self._link.state
        return Connection(self._online, self._since, link.up, link.since, link.reason)

    def hear_beat(self, beat: Beat) -> None:
        """Handler of erp.beat. Beats that waited in the queue while the till was away say nothing."""
        self._contact.expect_every(beat.interval_s)
        self._contact.hear_beat(beat.now)
        self._look()

    async def run(self) -> None:
        """Greets until cancelled."""
        while True:
            self._woken.clear()
            await self._questions.wait_attached()
            if await self._try_to_greet():
                await self._wait_until_due()
            else:
                await self._wait(self._contact.silence_s / 2)

    async def _try_to_greet(self) -> bool:
        """Whether there was a welcome. What goes wrong here must not end the till: it is tried again."""
        try:
            return await self.greet()
        except Exception as error:
            _log.warning("not greeted", action="hello_failed", reason=reason_of(error))
            return False

    async def greet(self) -> bool:
        """Says hello once, takes the welcome; says whether there was one. Raises StoreError when the till cannot
        read how far it is."""
        standing = await self._read_standing()
        asked_at = asyncio.get_running_loop().time()
        try:
            answer = await self._questions.ask(self._hello(standing), HELLO_TIMEOUT_S)
            welcome = envelope.read_data(Welcome, answer.raw)
        except (MessagingError, MessageError) as error:
            _log.info("no welcome", action="hello_unanswered", reason=str(error))
            return False
        finally:
            self._look()
        self._contact.set_clock(welcome.now, asked_at)
        await self._on_welcome(welcome, standing)
        return True

    def _hello(self, standing: Standing) -> Hello:
        return Hello(
            instance=self._instance,
            software=self._software,
            epoch=standing.epoch,
            last_seq=standing.last_seq,
            waiting=standing.waiting,
            oldest_waiting_at=standing.oldest_waiting_at,
            cursors=standing.cursors,
        )

    async def _wait_until_due(self) -> None:
        """Waits for the next greeting: earlier on a new connection, or when the ERP falls silent."""
        loop = asyncio.get_running_loop()
        due = loop.time() + HELLO_EVERY_S
        while (left := min(due - loop.time(), self._until_doubtful())) > 0:
            if await self._wait(max(left, LEAST_WAIT_S)):
                return
            self._look()

    async def _wait(self, seconds: float) -> bool:
        """Waits about this long; True when the link changed meanwhile."""
        try:
            async with asyncio.timeout(seconds * self._rng.uniform(0.9, 1.1)):
                await self._woken.wait()
        except TimeoutError:
            return False
        return True

    def _until_doubtful(self) -> float:
        """Seconds until the ERP has been silent for half of what makes it offline."""
        silent_for = self._contact.silent_for
        return 0.0 if silent_for is None else self._contact.silence_s / 2 - silent_for

    def _link_changed(self, state: LinkState) -> None:
        if not state.up:
            self._contact.lose()
        self._look()
        self._woken.set()

    def _look(self) -> None:
        """Notices that the ERP came or went, and when that was."""
        online = self._link.state.up and self._contact.alive
        if online == self._online:
            return
        now, silent_for = self._clock.now(), self._contact.silent_for
        late = 0.0 if online or silent_for is None else silent_for - self._contact.silence_s
        self._online, self._since = online, now - timedelta(seconds=max(late, 0.0))
        _log.info("the ERP is there" if online else "the ERP is not there", action="online_changed")
