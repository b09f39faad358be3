"""The dead-letter queue: messages that cannot be handled, kept with the reason for operators."""

from messaging.channel import Delivery
from messaging.clock import Clock
from messaging.consumer import Bad, Park
from messaging.publisher import Publisher


class DeadLetters:
    """Parks deliveries of one queue in comptoir.dead."""

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        raise NotImplementedError

    async def park(self, queue: str, delivery: Delivery, bad: Bad) -> None:
        """Returns when the broker confirmed the copy. Raises LinkDown, Returned, Refused."""
        raise NotImplementedError

    def of(self, queue: str) -> Park:
        """`park` for one queue, as consumers and responders take it."""
        raise NotImplementedError
