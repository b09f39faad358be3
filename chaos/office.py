"""What people do in the ERP: through the API of either process, and with SQL beside it."""

from typing import Any

import asyncpg

from chaos.history import Told
from chaos.person import DONE, UNKNOWN, NotDone, Person
from chaos.plan import CENTRES
from chaos.world import World
from ops.clients import Json
from ops.system import ADMIN
from simulation.chance import stream
from simulation.steps.kinds import some_place

FIELDS = ("academic_title", "identity_document", "extra_phone", "description", "phone")
PAUSE_S = (0.2, 1.0)
ANSWER_S = 15.0
OFTEN = {
    "edit": 8, "by_sql": 3, "availability": 5, "state": 2, "delete": 1, "create": 2, "setting": 1,
}  # fmt: skip
PLACES: tuple[Json, ...] = (
    {"everywhere": True},
    {"everywhere": False},
    *({"everywhere": False, "centres": [one]} for one in CENTRES),
    {"everywhere": False, "centres": list(CENTRES)},
    {"everywhere": True, "editors": [CENTRES[0]]},
)


class Office:
    """`work` until told to stop."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._rng = stream(seed, "office")
        self._people = [Person(erp, ADMIN) for erp in world.erps]

    async def work(self) -> None:
        """Until cancelled, or until healing begins."""
        rng, world = self._rng, self._world
        acts = {
            "edit": self._edit, "by_sql": self._by_sql, "availability": self._availability,
            "state": self._state, "delete": self._delete, "create": self._create,
            "setting": self._setting,
        }  # fmt: skip
        try:
            while not world.healing.is_set():
                (act,) = rng.choices(tuple(OFTEN), tuple(OFTEN.values()))
                await acts[act]()
                await world.pause(rng.uniform(*PAUSE_S))
        finally:
            for person in self._people:
                await person.leave()

    async def _edit(self) -> None:
        chosen, word = self._chosen(), self._world.history.word("erp")
        field = self._rng.choice(FIELDS)
        await self._ask(
            "edit", "PATCH", f"/customers/{chosen}", {field: word},
            customer=chosen, word=word, field=field,
        )  # fmt: skip

    async def _availability(self) -> None:
        chosen, where = self._chosen(), self._rng.choice(PLACES)
        path = f"/customers/{chosen}/availability"
        await self._ask("availability", "PUT", path, where, customer=chosen, where=where)

    async def _state(self) -> None:
        chosen, rng = self._chosen(), self._rng
        state = {"active": rng.random() < 0.7, "is_customer": rng.random() < 0.8}
        path = f"/customers/{chosen}/state"
        await self._ask("state", "PUT", path, state, customer=chosen, state=state)

    async def _create(self) -> None:
        word = self._world.history.word("erp")
        record = {"kind": "business", "code": word, "name": word}
        wanted = {"record": record} | self._rng.choice(PLACES)
        made = await self._ask("create", "POST", "/customers", wanted, word=word)
        if made:
            self._world.customers.append(made["id"])

    async def _setting(self) -> None:
        rng = self._rng
        level = rng.choice(("all", f"centre.{CENTRES[0]}", f"pos.{self._world.tills[-1].name}"))
        name = rng.choice(("search_wait_window_s", "lockout_minutes"))
        value = rng.choice((None, 2, 3, 4, 5))
        await self._ask("setting", "PUT", f"/settings/{level}", {name: value}, level=level)

    async def _delete(self) -> None:
        """Anybody: if it were often the same few, they would soon all be gone."""
        await self._sql(
            "delete",
            self._rng.choice(self._world.customers),
            "UPDATE customer SET state = 'deleted' WHERE id = $1 AND state IN ('active', 'inactive')",
        )

    async def _by_sql(self) -> None:
        word = self._world.history.word("erp")
        await self._sql(
            "by_sql",
            self._chosen(),
            "UPDATE customer SET record = record || jsonb_build_object('title', $2::text)"
            " WHERE id = $1 AND state = 'active'",
            word,
        )

    async def _sql(self, did: str, chosen: str, statement: str, *words: str) -> None:
        """As a program beside the application does it; on a connection of its own."""
        try:
            connection = await asyncpg.connect(self._world.dsn, timeout=ANSWER_S)
            try:
                rows = await connection.execute(statement, chosen, *words, timeout=ANSWER_S)
                told = DONE if rows == "UPDATE 1" else "nobody"
            finally:
                await connection.close(timeout=ANSWER_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            told = f"{UNKNOWN}: {type(error).__name__}"
        if told == DONE:
            self._world.history.told += [Told("erp", word, chosen) for word in words]
        self._world.history.note("erp", did, told=told, customer=chosen, words=words)

    async def _ask(self, did: str, method: str, path: str, body: Json, **more: Any) -> Json | None:
        """The answer of either ERP process, None when there is none; what they were told is noted."""
        person, answer = self._rng.choice(self._people), None
        try:
            answer, told = await person.ask(method, path, json=body), DONE
        except NotDone as error:
            told = str(error)
        if told == DONE and "word" in more:
            customer = more.get("customer", "")
            self._world.history.told.append(Told("erp", more["word"], customer))
        self._world.history.note("erp", did, told=told, at_node=person.node.name, **more)
        return answer

    def _chosen(self) -> str:
        every = self._world.customers
        return every[int(some_place(self._rng) * len(every))]
