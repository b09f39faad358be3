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

_log = structlog.get_logger("journal")


class Unheard:
    """`scope`: the till's own. `pull` is told of it when it is to be read again."""

    def __init__(self, scope: str, store: Store, pull: Callable[[str], None]) -> None:
        self._scope = scope
        self._store = store
        self._pull = pull
        self._stood: tuple[int, int] | None = None

    async def hear(self, welcome: Welcome, asked: Standing) -> None:
        """Takes a welcome and how the till stood when it asked. Two in a row that know more than the till, which
        has not moved between them, are no delay. Raises StoreError."""
        stands = asked.applied_seq, asked.cursors.get(self._scope, 0)
        behind = welcome.epoch == asked.epoch and welcome.applied_seq > asked.applied_seq
        if behind and self._stood == stands:
            _log.warning("progress never heard", action="journal_unheard", scope=self._scope)
            await self._store.write(begin_again, self._scope, priority=Priority.FEED)
            self._pull(self._scope)
        self._stood = stands if behind and self._stood != stands else None
