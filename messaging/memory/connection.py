"""A connection to the memory broker: two pipes, some channels, one reason to end."""

import asyncio
from typing import TYPE_CHECKING

from messaging.channel import LinkDown, MessagingError, OnReturn
from messaging.memory.channel import MemoryChannel
from messaging.memory.pipe import Act, Pipe
from messaging.memory.session import Session

if TYPE_CHECKING:
    from messaging.memory.broker import MemoryBroker


class MemoryConnection:
    """messaging.channel.Connection, and the broker's side of it."""

    def __init__(self, broker: "MemoryBroker", name: str, user: str) -> None:
        self.name = name
        self.broker = broker
        self.user = user
        self.blocked = ""
        self.channels: list[MemoryChannel] = []
        self.sessions: list[Session] = []
        self._closed: asyncio.Future[MessagingError] = asyncio.get_running_loop().create_future()
        self._up = Pipe(broker.delay)
        self._down = Pipe(broker.delay)

    @property
    def closed(self) -> asyncio.Future[MessagingError]:
        return self._closed

    async def channel(
        self, *, confirms: bool, prefetch: int, on_return: OnReturn | None = None
    ) -> MemoryChannel:
        if self._closed.done():
            raise LinkDown(self._closed.result().reason)
        channel = MemoryChannel(self, prefetch, on_return)
        self.channels.append(channel)
        self.sessions.append(channel.session)
        await channel.open()
        return channel

    def forget(self, channel: MemoryChannel) -> None:
        self.channels.remove(channel)

    def drop(self, reason: MessagingError) -> None:
        self.cut(reason)

    async def close(self) -> None:
        self._up.send(self._leave)
        self._end_here(LinkDown("closed here"))

    # The broker's side, and what is done to the connection

    def to_broker(self, act: Act) -> None:
        self._up.send(act)

    def to_client(self, act: Act) -> None:
        self._down.send(act)

    def block(self, first: Act) -> None:
        """The broker reads no more from it; `first` is what it was about to read."""
        reason = self.broker.alarm
        self._up.hold(first)
        self.to_client(lambda: self._tell_blocked(reason))

    def unblock(self) -> None:
        self._up.release()
        self.to_client(lambda: self._tell_blocked(""))

    def end(self, reason: MessagingError) -> None:
        """The broker closes it, and says why."""
        self._leave()
        self._up.cut()
        self.to_client(lambda: self._end_here(reason))

    def end_politely(self, reason: str) -> None:
        """An operator closes it."""
        self.end(LinkDown(f"CONNECTION_FORCED - {reason}"))

    def cut(self, reason: MessagingError) -> None:
        """The line is lost; both sides notice at once."""
        self._up.cut()
        self._down.cut()
        self._leave()
        self._end_here(reason)

    def fall_silent(self) -> None:
        """Half open: nothing arrives in either direction, until the heartbeats are missed."""
        self._up.cut()
        self._down.cut()
        reason = LinkDown("silent for too long")
        asyncio.get_running_loop().call_later(2 * self.broker.heartbeat, self.cut, reason)

    def _tell_blocked(self, reason: str) -> None:
        self.blocked = reason

    def _leave(self) -> None:
        if self in self.broker.connections:
            self.broker.connections.remove(self)
        for session in self.sessions:
            session.leave()
        self.sessions.clear()

    def _end_here(self, reason: MessagingError) -> None:
        if self._closed.done():
            return
        self._closed.set_result(reason)
        for channel in tuple(self.channels):
            channel.end_here(reason)
