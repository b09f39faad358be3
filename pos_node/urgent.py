"""What overtakes the feed: the ERP's beat, its wish to be sent the journal again, cards that are blocked."""

from collections.abc import Sequence

import structlog

from contracts import registry
from contracts.cards import CardStopped
from contracts.envelope import MessageError
from contracts.journal import Resend
from contracts.presence import Beat
from messaging.channel import Delivery
from messaging.consumer import Bad
from pos_node.cards import Cards
from pos_node.presence import Presence
from pos_node.relay import Relay

_log = structlog.get_logger("urgent")


class Urgent:
    """Handles the till's urgent queue."""

    def __init__(self, presence: Presence, relay: Relay, cards: Cards) -> None:
        self._presence = presence
        self._relay = relay
        self._cards = cards

    async def handle(self, deliveries: Sequence[Delivery]) -> list[Bad | None]:
        """A messaging.consumer.Handle. Raises StoreError when a block cannot be written: it is then handled again."""
        return [await self._handle(one) for one in deliveries]

    async def _handle(self, delivery: Delivery) -> Bad | None:
        try:
            data = registry.decode(delivery.body).data
        except MessageError as error:
            return Bad(error.code, str(error))
        match data:
            case Beat():
                self._presence.hear_beat(data)
            case Resend():
                self._relay.resend(data)
            case CardStopped():
                await self._cards.hear_stopped(data)
            case _:
                return Bad("wrong_type", f"type: {delivery.type} is not for this queue")
        return None


async def set_aside(delivery: Delivery, bad: Bad) -> None:
    """What a till does with a message it cannot read: it says so and goes on. Nothing is lost by it:
    what the message should have told is pulled, or asked for again."""
    _log.error(
        "message set aside", action="set_aside", type=delivery.type, code=bad.code, reason=bad.text
    )
