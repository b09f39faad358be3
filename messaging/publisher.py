"""Publishing with confirms: many in flight, none lost without a word."""

from collections.abc import Iterable

from messaging.channel import Message
from messaging.observer import Observer, ignore


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
        raise NotImplementedError

    async def publish(self, message: Message) -> None:
        """Returns when the broker confirmed. Raises Returned, Refused, or LinkDown.

        LinkDown comes at once when there is no link, and after `timeout` seconds without a confirm;
        the channel is then dropped and made anew.
        """
        raise NotImplementedError

    async def publish_all(self, messages: Iterable[Message]) -> None:
        """Publishes in order, many in flight; returns when all are confirmed. At the first failure
        no further message is sent, and it is raised once the others are settled."""
        raise NotImplementedError

    async def send(self, message: Message) -> None:
        """Writes without waiting for a confirm; failures are only observed. Raises LinkDown."""
        raise NotImplementedError

    async def wait_attached(self) -> None:
        raise NotImplementedError
