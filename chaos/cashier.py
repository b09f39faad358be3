"""What one cashier does: edits, adds, searches online and cancels, reads the list; and what they are told."""

from collections import deque
from dataclasses import dataclass
from typing import Any

from chaos.history import Told
from chaos.node import Till
from chaos.person import DONE, NotDone, Person
from chaos.world import World
from ops.clients import Json
from ops.system import CASHIER
from simulation.chance import stream
from simulation.checkers.history import EndedSearch
from simulation.steps.kinds import some_place

FIELDS = ("academic_title", "identity_document", "extra_phone", "phone", "email")
PAUSE_S = (0.2, 1.2)
LATE_S = 12.0
"""After the deadline of a search: what answers now is late."""
ROWS = 100
OFTEN = {"edit": 10, "add": 3, "search": 4, "read": 3}


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A search that ended as cancelled, in this life of its till, at this moment."""

    search: str
    life: int
    at: float


class Cashier:
    """`work` until told to stop."""

    def __init__(self, world: World, till: Till, seed: int) -> None:
        self._world = world
        self._till = till
        self._rng = stream(seed, "cashier", till.name)
        self._person = Person(till, CASHIER)
        self._cancelled: deque[Cancelled] = deque()

    async def work(self) -> None:
        """Until cancelled, or until healing begins."""
        rng, world = self._rng, self._world
        try:
            while not world.healing.is_set():
                (act,) = rng.choices(tuple(OFTEN), tuple(OFTEN.values()))
                await {
                    "edit": self._edit, "add": self._add, "search": self._search, "read": self._read,
                }[act]()  # fmt: skip
                await self._look_at_cancelled()
                await world.pause(rng.uniform(*PAUSE_S))
        finally:
            await self._person.leave()

    async def _edit(self) -> None:
        held = sorted(row["id"] for row in await self._read() if row["editable"])
        if not held:
            return
        place, every = some_place(self._rng), self._world.customers
        wanted = every[int(place * len(every))]
        chosen = wanted if wanted in held else held[int(place * len(held))]
        field, word = self._rng.choice(FIELDS), self._world.history.word(self._till.name)
        value = f"{word}@example.com" if field == "email" else word
        told, _ = await self._ask(
            "edit", "PATCH", f"/customers/{chosen}", customer=chosen, word=word, field=field,
            params={"confirm_duplicate_tax_number": True}, json={field: value},
        )  # fmt: skip
        if told == DONE:
            self._world.history.told.append(Told(self._till.name, word, chosen))

    async def _add(self) -> None:
        word = self._world.history.word(self._till.name)
        code = self._rng.choice((None, None, "CLASH-1", "CLASH-2")) or word
        record = {"kind": "retail", "code": code, "first_name": word, "last_name": "Nouveau"}
        told, made = await self._ask("add", "POST", "/customers", word=word, code=code, json=record)
        if told == DONE:
            self._world.history.told.append(Told(self._till.name, word, made["id"]))
            self._world.customers.append(made["id"])

    async def _read(self) -> list[Json]:
        _, page = await self._ask("read", "GET", "/customers", params={"limit": ROWS})
        rows: list[Json] = page.get("rows", [])
        return rows

    async def _search(self) -> None:
        """Looks, cancels at once, or chooses what was found and may be used here."""
        phrase = self._rng.choice(self._world.names)[: self._rng.randint(1, 4)]
        told, search = await self._ask("search", "POST", "/searches", json={"phrase": phrase})
        if told != DONE:
            return
        match self._rng.choice(("look", "choose", "choose", "cancel")):
            case "cancel":
                await self._world.pause(self._rng.uniform(0.0, 0.02))
                await self._cancel(search["id"])
            case end:
                await self._world.pause(self._rng.uniform(0.02, 1.0))
                _, found = await self._ask("look", "GET", f"/searches/{search['id']}")
                if end == "choose":
                    await self._choose(found.get("rows", []))

    async def _choose(self, rows: list[Json]) -> None:
        chosen = next((row["id"] for row in rows if row["usable"] and not row["held"]), None)
        if chosen is not None:
            self._world.history.seen.chosen.append((self._till.name, chosen))
            await self._ask("choose", "POST", f"/customers/{chosen}/choose", customer=chosen)

    async def _cancel(self, search: str) -> None:
        told, ended = await self._ask("cancel", "DELETE", f"/searches/{search}", search=search)
        if told == DONE and ended["state"] == "cancelled":
            now = self._world.history.now
            self._cancelled.append(Cancelled(search, self._till.life, now))

    async def _look_at_cancelled(self) -> None:
        """I12: whether the oldest of them, past every deadline, is as it was."""
        if not self._cancelled or self._world.history.now < self._cancelled[0].at + LATE_S:
            return
        one = self._cancelled.popleft()
        if one.life != self._till.life:
            return
        told, now = await self._ask("look", "GET", f"/searches/{one.search}", search=one.search)
        if told == DONE:
            ended = EndedSearch(self._till.name, "cancelled", now["state"])
            self._world.history.seen.searches.append(ended)

    async def _ask(self, did: str, method: str, path: str, **more: Any) -> tuple[str, Json]:
        """What they were told, and the answer; both are noted."""
        given = {name: more.pop(name) for name in ("json", "params") if name in more}
        answer: Json = {}
        try:
            answer, told = await self._person.ask(method, path, **given), DONE
        except NotDone as error:
            told = str(error)
        if did != "read" or told != DONE:
            self._world.history.note(self._till.name, did, told=told, **more)
        return told, answer
