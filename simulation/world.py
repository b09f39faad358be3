"""A small world: one ERP database, one or two ERP processes, some tills of two centres, and a bus between them."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from contracts.reference import CardType, Centre, Choice, Operator
from contracts.settings import check_setting
from contracts.topology import TillAddress, Topology, erp_topology, user_of
from erp_node import reference
from erp_node.store import customers as customer_rows
from erp_node.store import tills as till_rows
from erp_node.store.customers import Held, Write
from erp_node.store.pool import Pool
from erp_node.tills import partition_of, put_user, topology_of
from messaging.memory.admin import MemoryAdmin
from messaging.observer import Observer
from ops.samples import generate_customers
from pos_node.store.errors import StoreError
from simulation.bus import ERP_USER, Bus, ErpLogin, Trap
from simulation.chance import stream
from simulation.checkers.history import History, Stored
from simulation.checkers.monotone import EPOCH
from simulation.clock import BEGAN
from simulation.database import Bells, SimulatedPool
from simulation.erp import ErpProcess
from simulation.loop import SimulatedLoop
from simulation.server import Server
from simulation.till import TillProcess

CENTRES = ("lyon", "lille")
RIGHTS = frozenset({"customer.edit", "card.assign", "card.block"})


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a world is."""

    tills: tuple[tuple[str, str, bool], ...]
    customers: int
    processes: int


def draw_settings(seed: int) -> dict[str, object]:
    """Whether the ERP must confirm cards (CARD-8), and how long their locks last."""
    rng = stream(seed, "settings")
    return {"card_verify_on_issue": rng.random() < 0.5, "card_lock_s": rng.choice((1.0, 2.0, 30.0))}


def draw_shape(seed: int) -> Shape:
    """Mostly small: what goes wrong, goes wrong between two."""
    rng = stream(seed, "shape")
    tills = tuple(
        (f"p{n}", CENTRES[n % 2], rng.random() < 0.75)
        for n in range(rng.choice((2, 2, 2, 3, 3, 4)))
    )
    return Shape(tills, rng.randint(12, 24), 2 if rng.random() < 0.3 else 1)


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
    history: History = field(default_factory=History)
    files: dict[str, int] = field(default_factory=dict)
    ended_searches: list[tuple[TillProcess, Any, UUID, Any]] = field(default_factory=list)
    met: set[str] = field(default_factory=set)
    others: list[TillProcess] = field(default_factory=list)
    """Tills that run under another's name."""
    slept: float = 0.0
    pending: list[asyncio.TimerHandle] = field(default_factory=list)
    make_till: Callable[[TillAddress, Path, str | None], TillProcess] | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def restored(self) -> bool:
        """Whether the ERP's database was ever put back to before."""
        return any(one.till is None for one in self.history.excused)

    @property
    def processes(self) -> tuple[ErpProcess | TillProcess, ...]:
        return (*self.erps, *self.tills, *self.others)

    @property
    def office(self) -> ErpProcess | None:
        """An ERP process that runs."""
        return next((one for one in self.erps if one.running), None)

    def meet(self, fault: str) -> None:
        """A fault happened."""
        self.met.add(fault)

    def start_till(self, till: TillProcess) -> None:
        """Starts it; when it cannot start now it is tried again."""
        if till.running:
            return
        try:
            till.start()
        except StoreError:
            self.later(1.0, lambda: self.start_till(till))

    def begin_file(self, label: str) -> None:
        """What a till's file holds is older from now on than it was."""
        self.files[label] = self.files.get(label, 0) + 1

    def begin_database(self) -> None:
        """What the ERP holds is older from now on than it was: rows of tills may be as well."""
        for till in self.tills:
            file = self.files.get(till.label, 0)
            self.history.stored.append(Stored(till.label, file, EPOCH, "the database", 0, ""))

    def twin_of(self, till: TillProcess) -> TillProcess:
        """Another till of the same identity, from a copy of everything it has."""
        assert self.make_till is not None
        folder = self.folder / f"{till.label}-twin"
        till.save(folder)
        twin = self.make_till(till.address, folder, f"{till.label}-twin")
        self.others.append(twin)
        return twin

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """What a fault does after a while, unless everything is healed before."""
        self.pending.append(self.loop.call_later(seconds, act))

    def heal(self) -> None:
        """Nothing is in anybody's way any more; the broker's port opens last."""
        for handle in self.pending:
            handle.cancel()
        self.bus.heal()
        self.bells.deaf = 0
        for twin in self.others:
            twin.kill()
        for erp in self.erps:
            erp.heal()
        for till in self.tills:
            till.heal()
            self.start_till(till)
        self.bus.start()

    def token(self, who: str) -> str:
        """A word no other change of this world has."""
        made = f"tk{next(self._numbers)}x"
        self.history.tokens[made] = who
        return made


@dataclass(frozen=True, slots=True)
class _Noted:
    """What one till stores goes into the world's history."""

    world: World
    label: str

    def stored(self, kind: str, key: str, version: int, state: str) -> None:
        world = self.world
        world.history.stored.append(
            Stored(self.label, world.files.get(self.label, 0), kind, key, version, state)
        )

    def journalled(self, entry: str, epoch: str, seq: int, body: bytes) -> None:
        self.world.history.journalled(
            self.label.removesuffix("-twin"), entry, (epoch, seq), body, self.world.loop.time()
        )


async def make_world(
    seed: int, server: Server, folder: Path, template: Path, observe_with: Callable[[str], Observer]
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
    await ErpLogin(bus).make_user()
    for number in range(shape.processes):
        rng = stream(seed, "erp", number)
        world.erps.append(ErpProcess(number, server, bells, bus, rng, observe_with(f"erp{number}")))

    def make_till(address: TillAddress, inside: Path, label: str | None = None) -> TillProcess:
        name = label or address.pos_id
        rng, witness = stream(seed, "till", name), _Noted(world, name)
        return TillProcess(address, inside, template, bus, rng, observe_with(name), witness, label)

    world.make_till = make_till
    for pos_id, centre, full in shape.tills:
        address = TillAddress(pos_id, centre, full=full)
        world.tills.append(make_till(address, folder / pos_id))
    bus.on_trap = lambda trap, user: _sprung(world, trap, user)
    return world


def _sprung(world: World, trap: Trap, user: str) -> None:
    world.meet(trap.mishap if trap.mishap == "sender_killed" else f"message_{trap.mishap}")
    if trap.mishap != "sender_killed":
        return
    for till in (*world.tills, *world.others):
        if user_of(till.pos_id) == user and till.running:
            world.loop.call_soon(_kill_till, world, till)
            return
    for erp in world.erps:
        if erp.running and user == ERP_USER:
            world.loop.call_soon(erp.kill)
            world.later(2.0, erp.start)
            return


def _kill_till(world: World, till: TillProcess) -> None:
    till.kill()
    if till in world.tills:
        world.later(1.0, lambda: world.start_till(till))


def declare_on(bus: Bus, topology: Topology) -> None:
    """As the ERP does when a till is enrolled."""
    for exchange in topology.exchanges:
        bus.declare_exchange(exchange)
    for queue in topology.queues:
        bus.declare_queue(queue)
    for binding in topology.bindings:
        bus.bind(binding)


async def _fill(world: World, pool: Pool) -> None:
    declare_on(world.bus, erp_topology())
    records: list[Any] = [Centre(code=one, country="FR") for one in CENTRES]
    records += [
        CardType(code="plastic", form="physical"),
        CardType(code="mail", form="virtual"),
        Choice(code="lost", list="block_reason"),
        *(check_setting(name, value) for name, value in draw_settings(world.seed).items()),
    ]
    records.append(
        Operator(
            code="anna",
            name="Anna",
            centres=list(CENTRES),
            password_hash="-",
            rights=["customer.edit"],
        )
    )
    await reference.put_all(pool, records)
    for pos_id, centre, full in world.shape.tills:
        mode: Any = "full" if full else "local_only"
        enrolled = till_rows.EnrolledTill(pos_id, centre, mode, partition_of(pos_id), "-")
        await till_rows.enrol(pool, enrolled)
        await put_user(MemoryAdmin(world.bus), enrolled)
        declare_on(world.bus, topology_of(enrolled))
    writes = []
    for sample in _samples(world.seed, world.shape.customers):
        held = Held(
            sample.id, 0, "active", True, sample.everywhere, sample.centres, sample.editors, ""
        )
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
