"""What the HTTP API of a till needs of it."""

from collections.abc import Callable
from dataclasses import dataclass

from messaging.clock import Clock
from pos_node.cards import Cards
from pos_node.customers import Customers
from pos_node.enrolment import Moved
from pos_node.operators import Operators
from pos_node.presence import Presence
from pos_node.pulling import Loading
from pos_node.relay import Relay
from pos_node.search import Searches
from pos_node.store.database import Store
from web.sessions import Gate, Sessions


def not_loading() -> Loading | None:
    """Of a till that is complete, or that cannot tell."""
    return None


def no_trouble() -> str | None:
    """Of a till whose file can be written."""
    return None


def not_moved() -> Moved | None:
    """Of a till that the ERP has enrolled as it runs."""
    return None


@dataclass(frozen=True, slots=True)
class Till:
    """The parts of one till that its API speaks to; made by the wiring."""

    pos_id: str
    centre: str
    store: Store
    customers: Customers
    cards: Cards
    searches: Searches
    presence: Presence
    relay: Relay
    operators: Operators
    sessions: Sessions
    gate: Gate
    clock: Clock
    loading: Callable[[], Loading | None] = not_loading
    tidying: Callable[[], bool] = lambda: False
    storage: Callable[[], str | None] = no_trouble
    moved: Callable[[], Moved | None] = not_moved
