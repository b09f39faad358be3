"""A small world: one ERP database, one or two ERP processes, some tills of two centres, and a bus between them."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from contracts.reference import Centre, Operator
from contracts.topology import TillAddress
from erp_node import reference
from erp_node.store import customers as customer_rows
from erp_node.store import tills as till_rows
from erp_node.store.customers import Held, Write
from erp_node.store.pool import Pool
from erp_node.tills import partition_of
from messaging.observer import Observer, ignore
from ops.samples import generate_customers
from simulation.bus import Bus, ErpLogin
from simulation.chance import stream
from simulation.clock import BEGAN
from simulation.database import Bells, SimulatedPool
from simulation.erp import ErpProcess
from simulation.loop import SimulatedLoop
from simulation.server import Server
from simulation.till import TillProcess

CENTRES = ("lyon", "lille")
RIGHTS = frozenset({"customer.edit"})


@dataclass(frozen=True, slots=True)
class Stored:
    """A version of a row as a till stored it. `file`: which file of the till, as each backup begins anew."""

    till: str
    file: int
    kind: str
    key: str
    version: int
    state: str


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a world is."""

    tills: tuple[tuple[str, str, bool], ...]
    customers: int
    processes: int


def draw_shape(seed: int) -> Shape:
    """Mostly small: what goes wrong, goes wrong between two."""
    rng = stream(seed, "shape")
    tills = tuple(
        (f"p{n}", CENTRES[n % 2], rng.random() < 0.75) for n in range(rng.choice((2, 2, 3, 3, 4)))
    )
    return Shape(tills, rng.randint(12, 24), 2 if rng.random() < 0.35 else 1)


@dataclass
class World:
    """Everything of one simulation. `tokens`: what each change is known by, and who made it."""

    seed: int
    shape: Shape
    server: Server
    folder: Path
    loop: SimulatedLoop
    bus: Bus
    bells: Bells
    erps: list[ErpProcess] = field(default_factory=list)
    tills: list[TillProcess] = field(default_factory=list)
    customers: list[UUID] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def office(self) -> ErpProcess | None:
        """An ERP process that runs."""
        return next((one for one in self.erps if one.running), None)

    def token(self, who: str) -> str:
        """A word no other change of this world has."""
        made = f"tk{next(self._numbers)}x"
        self.tokens[made] = who
        return made

    def witness_of(self, label: str) -> Callable[[str, str, int, str], None]:
        def note(kind: str, key: str, version: int, state: str) -> None:
            self.stored.append(Stored(label, self.files.get(label, 0), kind, key, version, state))

        return note


async def make_world(
    seed: int, server: Server, folder: Path, template: Path, observer: Observer = ignore
) -> World:
    """Fills the database; nothing runs yet."""
    loop = cast(SimulatedLoop, asyncio.get_running_loop())
    shape = draw_shape(seed)
    shutil.rmtree(folder, ignore_errors=True)
    server.empty()
    bus, bells = Bus(stream(seed, "bus")), Bells()
    world = World(seed, shape, server, folder, loop, bus, bells)
    pool = SimulatedPool(server, bells, "work", stream(seed, "setup"))
    await _fill(world, cast(Pool, pool))
    await ErpLogin(bus)._make_user()
    for number in range(shape.processes):
        rng = stream(seed, "erp", number)
        world.erps.append(ErpProcess(number, server, bells, bus, rng, observer))
    for pos_id, centre, full in shape.tills:
        address = TillAddress(pos_id, centre, full=full)
        rng, witness = stream(seed, "till", pos_id), world.witness_of(pos_id)
        till = TillProcess(address, folder / pos_id, template, bus, rng, observer, witness)
        world.tills.append(till)
    return world


async def _fill(world: World, pool: Pool) -> None:
    records: list[Any] = [Centre(code=one, country="FR") for one in CENTRES]
    records.append(
        Operator(code="anna", name="Anna", centres=list(CENTRES), password_hash="-", rights=["customer.edit"])
    )
    await reference.put_all(pool, records)
    for pos_id, centre, full in world.shape.tills:
        mode: Any = "full" if full else "local_only"
        enrolled = till_rows.EnrolledTill(pos_id, centre, mode, partition_of(pos_id), "-")
        await till_rows.enrol(pool, enrolled)
    writes = []
    for sample in _samples(world.seed, world.shape.customers):
        held = Held(sample.id, 0, "active", True, sample.everywhere, sample.centres, sample.editors, "")
        held = held.with_customer(sample.customer)
        writes.append(Write(held, "import", "import", BEGAN, None))
        world.customers.append(sample.id)
    await customer_rows.insert_customers(pool, writes)


_SAMPLES: list[Any] = []


def _samples(seed: int, wanted: int) -> list[Any]:
    """Some of a few hundred generated customers: generating them anew would take as long as all the rest."""
    if not _SAMPLES:
        _SAMPLES.extend(generate_customers(300, 7, CENTRES))
    return stream(seed, "customers").sample(_SAMPLES, wanted)


