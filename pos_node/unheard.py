"""What the ERP has applied and the till has never been told: its own feed is then read from the beginning (I1).

A database put back to before gives numbers again that the till has seen. Customers are compared by digest; progress
and verdicts are not, and the change they are about would wait for ever.
"""

from collections.abc import Callable

import structlog

from contracts.presence import Welcome
from pos_node.store.cursors import begin_again
from pos_node.store.database import Priority, Store
from pos_node.store.journal import Standing

GREETINGS = 2
"""So many in a row that know more than the till, which has not moved between them, are no delay. The next time takes
twice as many: an ERP with a million changes to number is late for longer, and has enough to do."""
MOST_GREETINGS = 64

_log = structlog.get_logger("journal")


class Unheard:
    """`scope`: the till's own. `pull` is told of it when it is to be read again."""

    def __init__(self, scope: str, store: Store, pull: Callable[[str], None]) -> None:
        self._scope = scope
        self._store = store
        self._pull = pull
        self._stood: tuple[int, int] | None = None
        self._met = 0
        self._wanted = GREETINGS

    async def hear(self, welcome: Welcome, asked: Standing) -> None:
        """Takes a welcome and how the till stood when it asked. Raises StoreError."""
        stands = asked.applied_seq, asked.cursors.get(self._scope, 0)
        if welcome.epoch != asked.epoch or welcome.applied_seq <= asked.applied_seq:
            self._met, self._wanted = 0, GREETINGS
            return
        self._met = self._met + 1 if stands == self._stood else 1
        self._stood = stands
        if self._met >= self._wanted:
            _log.warning("progress never heard", action="journal_unheard", scope=self._scope)
            await self._store.write(begin_again, self._scope, priority=Priority.FEED)
            self._pull(self._scope)
            self._met, self._wanted = 0, min(2 * self._wanted, MOST_GREETINGS)
