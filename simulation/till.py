"""One simulated till: pos_node's parts on a simulated bus and a real file."""

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from contracts.topology import TillAddress
from messaging.observer import Observer
from pos_node.app import DATABASE_FILE, EPOCH_FILE, Node, Outside, make_node
from pos_node.store.errors import StoreError
from simulation.bus import AnyBus
from simulation.checkers.observed import TillSeen
from simulation.clock import SimulatedClock
from simulation.erp import Labelled
from simulation.observing import observe_till
from simulation.tasks import Owner
from simulation.till_file import TillFile, Witness, copy_file

AGAIN_S = 1.0
"""A till that cannot start is started again after this long."""


class TillProcess:
    """`start`, `kill`, and what may be done to its files meanwhile."""

    def __init__(
        self, address: TillAddress, folder: Path, template: Path, bus: AnyBus, rng: random.Random,
        observer: Observer, witness: Witness, label: str | None = None,
    ) -> None:  # fmt: skip
        self.address = address
        self.label = label or address.pos_id
        self.folder = folder
        self.clock = SimulatedClock()
        self.node: Node | None = None
        self.store: TillFile | None = None
        self.failure: BaseException | None = None
        self.starts = 0
        self.rebuilt = 0
        self.on_killed: Callable[[], None] = lambda: None
        """Called when a failpoint has killed it."""
        self._bus = bus
        self._rng = rng
        self._observer = observer
        self._witness = witness
        self._owner = Owner(self.label)
        if not self.path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            copy_file(template, self.path)

    @property
    def pos_id(self) -> str:
        return self.address.pos_id

    @property
    def path(self) -> Path:
        return self.folder / DATABASE_FILE

    @property
    def running(self) -> bool:
        return self.store is not None

    def start(self) -> None:
        """Raises what a till cannot start with; it may be tried again."""
        if self.running:
            return
        self.starts += 1
        self.store = store = TillFile(self.path, self._witness, stamp=f"{self.starts:04}")
        self.rebuilt += store.rebuilt
        store.on_kill = self._killed
        self._owner = Owner(self.label)
        self._owner.start(self._run(store))

    def heal(self) -> None:
        """Nothing fails any more."""
        if self.store is not None:
            self.store.kills.clear()
            self.store.locked = 0
            self.store.fill_up(None)

    @property
    def at_work(self) -> bool:
        """Connected, every role attached, and the ERP answers."""
        node = self.node
        if node is None or not node.till.presence.online:
            return False
        return all(link.state.ready for link in node.links)

    def observe(self) -> TillSeen:
        """What its file holds. It must run."""
        assert self.store is not None
        return self.store.look(lambda connection: observe_till(self.address, connection))

    def do(self, work: Any) -> asyncio.Task[Any]:
        """Something its cashier does."""
        return self._owner.start(work)

    def kill(self) -> None:
        """The process ends at once; its file stays as it was written."""
        if self.store is None:
            return
        self.node = None
        store, self.store = self.store, None
        store.close()
        self.cut()
        self._owner.kill()

    def cut(self) -> None:
        """Its connections are lost."""
        self._bus.cut_all(self.label)

    def save(self, folder: Path) -> None:
        """A copy of the file alone, as a backup makes it; the epoch beside it stays out of it."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.store is not None:
            self.store.look(lambda one: one.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        copy_file(self.path, folder / DATABASE_FILE)
        if (self.folder / EPOCH_FILE).exists():
            (folder / EPOCH_FILE).write_bytes((self.folder / EPOCH_FILE).read_bytes())

    def restore(self, folder: Path) -> None:
        """Puts the copy in the place of the file of a till that does not run."""
        copy_file(folder / DATABASE_FILE, self.path)

    def restore_epoch(self, folder: Path) -> None:
        """The file beside as well: a whole machine is put back."""
        if (folder / EPOCH_FILE).exists():
            (self.folder / EPOCH_FILE).write_bytes((folder / EPOCH_FILE).read_bytes())

    def damage(self, place: float, truncated: bool) -> None:
        """Kills it, and leaves its file unreadable in part."""
        self.kill()
        data = bytearray(self.path.read_bytes())
        at = int(place * len(data))
        if truncated:
            del data[max(at, 1) :]
        else:
            data[at : at + 4096] = bytes(255 for _ in data[at : at + 4096])
        self.path.write_bytes(data)
        for ending in ("-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)

    def set_clock(self, seconds: float) -> None:
        self.clock.wrong_by = timedelta(seconds=seconds)

    def _killed(self) -> None:
        self.kill()
        self.on_killed()

    async def _run(self, store: TillFile) -> None:
        outside = Outside(
            self.pos_id, self.address, store, self.folder,
            Labelled(self._bus.as_user(self.address.user), self.label), self.clock, self._rng,
            self._observer, lambda: store.trouble,
        )  # fmt: skip
        node: Node | None = None
        try:
            node = await self._make(outside)
            self.node = node
            async with asyncio.TaskGroup() as group:
                for task in node.tasks():
                    group.create_task(task)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if self.store is store:
                self.failure = error
                self.kill()

    async def _make(self, outside: Outside) -> Node:
        """A disk that does not allow it now may later: whoever looks after the till starts it again."""
        while True:
            try:
                return await make_node(outside)
            except StoreError:
                await asyncio.sleep(AGAIN_S)
