"""Publishing with confirms: many in flight, none lost without a word."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from messaging.channel import Channel, Connection, LinkDown, Message, MessagingError
from messaging.observer import Event, Observer, ignore, outcome_of


class Publisher:
    """A role. Up to `window` messages wait for their confirm at the same time."""

    def __init__(
        self,
        name: str = "publisher",
        *,
        window: int = 256,
        timeout: float = 10.0,
        observer: Observer = ignore,
    ) -> None:
        self.name = name
        self._timeout = timeout
        self._observer = observer
        self._window = asyncio.Semaphore(window)
        self._connection: Connection | None = None
        self._channel: Channel | None = None
        self._why_not = "not attached yet"
        self._attached = asyncio.Event()

    async def publish(self, message: Message) -> None:
        """Returns when the broker confirmed. Raises Returned, Refused, or LinkDown.

        LinkDown comes at once when there is no link, and after `timeout` seconds without a confirm;
        the channel is then dropped and made anew.
        """
        await self._settled(await self._begin(message))

    async def publish_all(self, messages: Iterable[Message]) -> None:
        """Publishes in order, many in flight; returns when all are confirmed. At the first failure
        no further message is sent, and it is raised once the others are settled."""
        waiting: deque[asyncio.Future[None]] = deque()
        failure: MessagingError | None = None
        for message in messages:
            try:
                waiting.append(await self._begin(message))
                while waiting and waiting[0].done():
                    waiting.popleft().result()
            except MessagingError as error:
                failure = error
                break
        for confirmed in waiting:
            try:
                await self._settled(confirmed)
            except MessagingError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    async def wait_attached(self) -> None:
        """Returns when there is a channel to publish on."""
        await self._attached.wait()
        while self._channel is None or self._channel.closed.done():
            await asyncio.sleep(0)  # its loss is being noticed
            await self._attached.wait()

    async def attach(self, connection: Connection) -> Channel:
        channel = await connection.channel(confirms=True, prefetch=0)
        self._connection, self._channel = connection, channel
        self._attached.set()
        return channel

    def detach(self, reason: MessagingError) -> None:
        self._connection = self._channel = None
        self._why_not = reason.reason
        self._attached.clear()

    async def run(self) -> None:
        """Works in the tasks of those who publish."""

    async def _begin(self, message: Message) -> asyncio.Future[None]:
        """Writes the message as soon as the window has room."""
        if self._channel is None or self._channel.closed.done():
            # Whoever tries again at once must not keep the link from noticing its loss.
            await asyncio.sleep(0)
        channel = self._need_channel()
        try:
            async with asyncio.timeout(self._timeout):
                await self._window.acquire()
        except TimeoutError:
            raise self._give_up(channel) from None
        try:
            return self._write(message)
        except BaseException:
            self._window.release()
            raise

    def _write(self, message: Message) -> asyncio.Future[None]:
        channel = self._need_channel()
        if message.user_id is None and self._connection is not None:
            message = replace(message, user_id=self._connection.user)
        confirmed = channel.publish(message)
        time = asyncio.get_running_loop().time
        written = time()

        def settle(future: asyncio.Future[None]) -> None:
            self._window.release()
            error = None if future.cancelled() else future.exception()
            outcome = "cancelled" if future.cancelled() else outcome_of(error)
            self._observer(Event("sent", outcome, message, self.name, took=time() - written))

        confirmed.add_done_callback(settle)
        return confirmed

    async def _settled(self, confirmed: asyncio.Future[None]) -> None:
        """Waits for the confirm. Whoever stops waiting leaves the message on its way."""
        channel = self._channel
        done, _ = await asyncio.wait([confirmed], timeout=self._timeout)
        if not done:
            raise self._give_up(channel)
        confirmed.result()

    def _need_channel(self) -> Channel:
        if self._channel is None:
            raise LinkDown(self._why_not)
        if self._channel.closed.done():
            raise LinkDown(self._channel.closed.result().reason)
        return self._channel

    def _give_up(self, channel: Channel | None) -> LinkDown:
        blocked = self._connection.blocked if self._connection is not None else ""
        reason = f"no confirm within {self._timeout:g} s" + (f" ({blocked})" if blocked else "")
        if channel is not None:
            channel.drop(LinkDown(reason))
        return LinkDown(reason)
