"""Pages kept for those who ask for the same."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from erp_node.pages import KEPT_S, BuiltPage, PageBuilder, PageShelf
from erp_node.store.feed import FeedState, Reading
from tests.erp import Time

STATE = FeedState("now", 100, 0)


class Gated:
    """A builder whose pages are ready when the gate opens."""

    def __init__(self) -> None:
        self.gate, self.both = asyncio.Event(), asyncio.Event()
        self.built: list[Reading] = []

    async def build(self, readings: Sequence[Reading]) -> list[BuiltPage]:
        self.built += readings
        if len(self.built) == 2:
            self.both.set()
        await self.gate.wait()
        return [BuiltPage(one.scope, b"", None, 60, True, STATE) for one in readings]


async def test_i7_a_page_let_go_of_while_somebody_waited_for_it_is_built_anew() -> None:
    time, builder = Time(), Gated()
    shelf = PageShelf(cast(PageBuilder, builder), time.monotonic)
    mine, other = Reading("all.customers", 0, 500), Reading("centre.C1.customers", 0, 500)
    erased = replace(STATE, erasures=1)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(shelf.get(mine, STATE))
        later = group.create_task(shelf.get(mine, erased))
        third = group.create_task(shelf.get(other, STATE))
        await builder.both.wait()
        time.move(KEPT_S + 1)
        builder.gate.set()
    assert builder.built == [mine, other, mine]
    assert later.result() is not first.result()
    assert third.result().scope == other.scope
