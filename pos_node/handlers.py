"""Which function handles which message: the one table to look into."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pos_node.cards import Cards
from pos_node.feed import apply_page
from pos_node.presence import Presence
from pos_node.relay import Relay

HANDLED: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "feed.page": apply_page,
        "erp.beat": Presence.hear_beat,
        "journal.resend": Relay.resend,
        "card.stopped": Cards.hear_stopped,
    }
)
