"""A till's way down on a feed that is made up: catching up, its feed queue, its sweep."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contracts.feed import State
from contracts.reference import Centre
from pos_node import loads as loads_module
from pos_node import pulling
from pos_node.catchup import CatchUp
from pos_node.feed import FeedQueue, JournalSide
from pos_node.loads import Loads
from pos_node.store.cursors import Cursor, follow_scopes, read_cursors
from pos_node.store.database import Database, Priority
from pos_node.store.digests import digest
from pos_node.sweep import Sweep
from pos_node.tidying import Tidying
from tests.pos_pages import SCOPE, FakeFeed, customer, customer_id, quiet

OWN = "centre.C1.customers"
SCOPES = ("all", OWN, SCOPE, "pos.p1")


@dataclass
class Till:
    """A till's way down: catching up, its feed queue, its sweep."""

    store: Database
    erp: FakeFeed
    side: JournalSide
    catch_up: CatchUp
    queue: FeedQueue
    sweep: Sweep
    tidying: Tidying
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        self.tasks += map(asyncio.create_task, (self.catch_up.run(), self.tidying.run()))
        self.catch_up.want_all()

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()

    async def cursors(self) -> dict[str, Cursor]:
        return {one.scope: one for one in await self.store.read(read_cursors)}

    async def level(self) -> None:
        """Returns when every scope is at the ERP's head."""
        await until(self._is_level)

    async def is_complete(self) -> bool:
        """Every scope has reached some head of the ERP's."""
        return all(one.complete for one in (await self.cursors()).values())

    async def _is_level(self) -> bool:
        cursors = await self.cursors()
        return all(
            one.complete and (one.epoch, one.seq) == (self.erp.epoch, self.erp.heads.get(scope, 0))
            for scope, one in cursors.items()
        )

    async def agrees(self) -> bool:
        ours = [await self.store.read(digest, scope) for scope in SCOPES]
        return ours == [self.erp.digest(scope) for scope in SCOPES]


async def until(holds: Callable[[], object]) -> None:
    """Returns when something holds; what is waited for has no event of its own."""
    async with asyncio.timeout(60):
        while True:
            found = holds()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.005)


def make_till(
    store: Database,
    erp: FakeFeed,
    folder: Path | None,
    side: JournalSide | None = None,
    scopes: tuple[str, ...] = SCOPES,
) -> Till:
    rng, side, tidying = random.Random(3), side or quiet(), Tidying(store)
    catch_up = CatchUp(
        store, erp, Loads(store, folder, side.fold), side, scopes, applied=tidying.note, rng=rng
    )
    sweep = Sweep(store, erp, side, SCOPES, pull=catch_up.want, rng=rng)
    return Till(
        store,
        erp,
        side,
        catch_up,
        FeedQueue(store, SCOPES, side, catch_up.want, tidying.note),
        sweep,
        tidying,
    )


@asynccontextmanager
async def open_till(folder: Path) -> AsyncIterator[Till]:
    """A till whose way down stands still until it is started."""
    store = Database(folder / "till.db")
    await store.open()
    await store.write(follow_scopes, SCOPES, priority=Priority.FEED)
    made = make_till(store, FakeFeed(), folder)
    yield made
    await made.stop()
    await store.close()


def customers(erp: FakeFeed, numbers: range, scope: str = SCOPE) -> None:
    for number in numbers:
        erp.put_customer(number, scope=scope)


def centre() -> Centre:
    return Centre(code="C1")


def change_one(erp: FakeFeed, rng: random.Random) -> None:
    """A customer is changed, deleted, or moves to the other scope, as the ERP numbers it."""
    number, there = rng.randrange(90), rng.choice((SCOPE, OWN))
    key = str(customer_id(number))
    held = [one for one in (SCOPE, OWN) if key in erp.entries[one]]
    if any(erp.entries[one][key][1].state == "deleted" for one in held):
        return
    version = max(erp.entries[one][key][1].version for one in held) + 1
    gone = rng.random() < 0.1
    for one in held:
        if one != there:
            state: State = "deleted" if gone else "withdrawn"
            erp.put_customer(number, version=version, scope=one, state=state)
    renamed = customer(number, last_name=f"V{version}")
    erp.put_customer(
        number, renamed, version=version, scope=there, state="deleted" if gone else "active"
    )


def make_loads_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first load is made of few rows already."""
    monkeypatch.setattr(loads_module, "FROM_ROWS", 10)
    monkeypatch.setattr(loads_module, "MOST_HELD", 20)
    monkeypatch.setattr(pulling, "PAGE_ROWS", 7)
