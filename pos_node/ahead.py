"""Pages of a first load that are asked for before those in front of them have come (SYNC-5)."""

import asyncio
from collections.abc import Awaitable, Callable

from pos_node.pages import Page

PAGES_AHEAD = 2
"""While the till reads one page and the ERP makes the next, neither waits for the other."""


class Ahead:
    """Pages on their way: the one that follows and, while it can be told where it begins, the one after it.

    Places of a feed that was never changed have no holes, so that a page reaches as far as the one before it did.
    The first that does not ends the guessing; what was guessed wrongly is not taken.
    """

    def __init__(self, ask: Callable[[str, int], Awaitable[Page]], head: int) -> None:
        """`ask(epoch, seq)`: the page after a place. Nothing is asked for from `head` on."""
        self._ask = ask
        self._head = head
        self._depth = PAGES_AHEAD
        self._asked: dict[int, asyncio.Future[Page]] = {}

    def expect(self, page: Page) -> None:
        """Asks for what follows a page."""
        length = page.to_seq - page.prev_seq
        starts = [page.to_seq + length * one for one in range(self._depth)] if length > 0 else []
        if not self._asked.keys() <= set(starts):
            self.cancel()
            self._depth = 1
        for start in starts[: self._depth]:
            if start < self._head and start not in self._asked:
                self._asked[start] = asyncio.ensure_future(self._ask(page.epoch, start))

    async def take(self, page: Page) -> Page:
        """The page that follows one, asked for now unless it was before. Raises what asking raises; then nothing
        is on its way any more."""
        asked = self._asked.pop(page.to_seq, None)
        try:
            return await (asked or self._ask(page.epoch, page.to_seq))
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Nothing that was asked for is wanted any more."""
        for asked in self._asked.values():
            asked.cancel()
            asked.add_done_callback(_look_at)
        self._asked.clear()


def _look_at(asked: "asyncio.Future[Page]") -> None:
    """A page nobody wants any more may have failed: that is no error."""
    if not asked.cancelled():
        asked.exception()
