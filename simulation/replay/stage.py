"""Fresh nodes for a trace, and whoever plays their other end: two buses, so that only the trace connects them."""

import asyncio
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from erp_node import reference
from erp_node.entries import Progress
from erp_node.store import customers as customer_rows
from erp_node.store import journal as journal_rows
from erp_node.store import tills as till_rows
from erp_node.store.customers import Held, Write
from erp_node.store.pool import Pool
from erp_node.tills import partition_of
from messaging.observer import Observer
from simulation.bus import ERP_USER
from simulation.chance import stream
from simulation.checkers.history import History, Stored
from simulation.clock import BEGAN, SimulatedClock
from simulation.database import Bells, SimulatedPool
from simulation.erp import ErpProcess
from simulation.replay.before import Before, Known
from simulation.replay.buses import Buses
from simulation.replay.erp_part import ErpPart
from simulation.replay.story import Story
from simulation.replay.till_part import TillPart
from simulation.server import Server
from simulation.till import TillProcess

SEED = 0
"""Of what the fresh nodes draw by themselves: ids, pauses, how long frames travel."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a replay is played with. `folder`: where the tills' files are made."""

    server: Server
    folder: Path
    template: Path


@dataclass
class Stage:
    """The fresh tills with `erp_part` on one bus, the fresh ERP with `till_parts` on another."""

    story: Story
    server: Server
    pool: Pool
    tills: tuple[TillProcess, ...]
    erp: ErpProcess
    erp_part: ErpPart
    till_parts: dict[str, TillPart]
    clocks: tuple[SimulatedClock, ...]
    history: History

    def set_time(self, at: datetime) -> None:
        """Nodes show the time of the trace, which never goes back."""
        wanted = at - BEGAN - timedelta(seconds=asyncio.get_running_loop().time())
        for clock in self.clocks:
            clock.wrong_by = max(clock.wrong_by, wanted)

    async def start(self) -> None:
        """Starts everything; returns when all are connected."""
        await self.erp_part.open()
        for part in self.till_parts.values():
            await part.open()
        self.erp.start()
        for till in self.tills:
            till.start()
        while not self._at_work():  # noqa: ASYNC110 - nodes tell nobody when they are ready
            await asyncio.sleep(0.05)

    def stop(self) -> None:
        """Ends the processes; their files stay."""
        self.erp.kill()
        for till in self.tills:
            till.kill()

    def _at_work(self) -> bool:
        node = self.erp.node
        ready = node is not None and all(link.state.ready for link in node.links)
        return ready and all(till.at_work for till in self.tills)


@dataclass(frozen=True, slots=True)
class _Witness:
    history: History
    till: str

    def stored(self, kind: str, key: str, version: int, state: str) -> None:
        self.history.stored.append(Stored(self.till, 0, kind, key, version, state))

    def journalled(self, entry: str, epoch: str, seq: int, body: bytes) -> None:
        """Fresh tills make no changes of their own."""


def enrol(story: Story) -> tuple[till_rows.EnrolledTill, ...]:
    """The story's tills as the ERP knows them."""
    return tuple(
        till_rows.EnrolledTill(
            one.pos_id, one.centre, "full" if one.full else "local_only",
            partition_of(one.pos_id), "-",
        )
        for one in story.tills
    )  # fmt: skip


async def make_stage(
    story: Story,
    before: Before,
    place: Place,
    buses: Buses,
    observe_with: Callable[[str], Observer],
) -> Stage:
    """Fresh nodes of a story; nothing runs yet. Raises reference.WrongRecord."""
    shutil.rmtree(place.folder, ignore_errors=True)
    place.server.empty()
    down, up = buses.down, buses.up
    bells = Bells()
    pool = cast(Pool, SimulatedPool(place.server, bells, "work", stream(SEED, "setup")))
    await _fill(pool, place.server, before, buses.enrolled)
    history = History()
    erp = ErpProcess(0, place.server, bells, up, stream(SEED, "erp"), observe_with("erp"))
    tills = tuple(
        TillProcess(
            one, place.folder / one.user, place.template, down, stream(SEED, "till", one.pos_id),
            observe_with(one.user), _Witness(history, one.pos_id),
        )
        for one in story.tills
    )  # fmt: skip
    clocks = (erp.clock, *(till.clock for till in tills))
    for clock in clocks:  # a loop of real time did not begin at 0
        clock.wrong_by = -timedelta(seconds=asyncio.get_running_loop().time())
    rng: random.Random = stream(SEED, "erp part")
    return Stage(
        story, place.server, pool, tills, erp,
        ErpPart(story, down.as_user(ERP_USER), erp.clock.now, rng),
        {one.pos_id: TillPart(one, up.as_user(one.user)) for one in story.tills},
        clocks, history,
    )  # fmt: skip


async def _fill(
    pool: Pool, server: Server, before: Before, enrolled: Sequence[till_rows.EnrolledTill]
) -> None:
    """The ERP's database as it was before the trace, as far as that is known."""
    await reference.put_all(pool, [one.record for one in before.reference if one.record])
    for till in enrolled:
        await till_rows.enrol(pool, till)
    if before.customers:
        await customer_rows.insert_customers(pool, [_write(one) for one in before.customers])
    if before.applied:
        progress = {journal: Progress(seq) for journal, seq in before.applied.items() if seq}
        await journal_rows.write_progress(pool, progress)
    statements = ["BEGIN; SET LOCAL session_replication_role = replica"]
    for listed in before.reference:
        key = listed.key.replace("'", "''")
        statements.append(f"UPDATE reference SET version = {listed.version} WHERE key = '{key}'")
    statements += [
        f"UPDATE customer SET version = {one.version} WHERE id = '{one.id}'"
        for one in before.customers
    ]
    statements += [f"UPDATE customer_words SET version = {one.version} WHERE customer_id = '{one.id}'"
                   for one in before.customers]  # fmt: skip
    statements += [
        f"INSERT INTO till_holding (pos_id, customer_id) VALUES ('{holder}', '{one.id}')"
        for one in before.customers
        for holder in one.holders
    ]
    server.run("; ".join([*statements, "COMMIT"]))


def _write(known: Known) -> Write:
    held = Held(known.id, 0, "active", True, known.everywhere, known.centres, known.editors, "")
    return Write(held.with_customer(known.customer), "replay", "replay", BEGAN, None)
