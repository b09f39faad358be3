"""What people do in the ERP."""

import json
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

from erp_node import customers, reference
from erp_node.customers import Actor, Availability, CustomerRefused
from erp_node.imports import import_file
from erp_node.store.faults import is_transient
from simulation.chance import stream
from simulation.erp import ErpProcess
from simulation.steps.kinds import Given, Kind, some_place
from simulation.world import CENTRES, Shape, World

FIELDS = ("academic_title", "identity_document", "extra_phone", "description", "phone")
PLACES: tuple[tuple[bool, tuple[str, ...]], ...] = (
    (True, ()), (False, ()), (False, ("lyon",)), (False, ("lille",)), (False, ("lille", "lyon")),
)  # fmt: skip


def _draw_one(rng: random.Random, shape: Shape) -> Given:
    return {"place": some_place(rng)}


def _draw_edit(rng: random.Random, shape: Shape) -> Given:
    return {"place": some_place(rng), "field": rng.choice(FIELDS)}


def _draw_availability(rng: random.Random, shape: Shape) -> Given:
    return {"place": some_place(rng), "where": rng.randrange(len(PLACES))}


def _draw_state(rng: random.Random, shape: Shape) -> Given:
    return {"place": some_place(rng), "active": rng.random() < 0.6, "customer": rng.random() < 0.7}


def _draw_setting(rng: random.Random, shape: Shape) -> Given:
    level = rng.choice(("all", f"centre.{CENTRES[0]}", f"pos.{shape.tills[-1][0]}"))
    return {"level": level, "name": rng.choice(("search_wait_window_s", "lockout_minutes")),
            "value": rng.choice((None, 2, 3, 4, 5))}  # fmt: skip


def _draw_import(rng: random.Random, shape: Shape) -> Given:
    return {"rows": rng.randint(2, 8), "known": rng.randint(0, 3), "place": rng.random()}


def _chosen(world: World, given: Given) -> UUID:
    return world.customers[int(given["place"] * len(world.customers))]


def do_in_office(world: World, make: Callable[[ErpProcess], Awaitable[None]]) -> None:
    """Somebody does something in an ERP process that runs, if there is one."""
    if (office := world.office) is not None:
        office.do(_patiently(make(office)))


async def _patiently(work: Awaitable[None]) -> None:
    """A person is told when something is refused, or cannot be done now."""
    try:
        await work
    except CustomerRefused:
        pass
    except Exception as error:
        if not is_transient(error):
            raise


def _edit(world: World, given: Given) -> None:
    async def edit(office: ErpProcess) -> None:
        chosen, token = _chosen(world, given), world.token("erp")
        held = await customers.find_customer(office.pool, chosen)
        record = held.customer.model_copy(update={given["field"]: token})
        actor = Actor("boss", office.clock.now())
        await customers.edit_customer(office.pool, chosen, record, held.version, actor)

    do_in_office(world, edit)


def _availability(world: World, given: Given) -> None:
    async def change(office: ErpProcess) -> None:
        everywhere, centres = PLACES[given["where"]]
        actor = Actor("boss", office.clock.now())
        where = Availability(everywhere, centres)
        await customers.set_availability(office.pool, _chosen(world, given), where, actor)

    do_in_office(world, change)


def _state(world: World, given: Given) -> None:
    async def change(office: ErpProcess) -> None:
        actor = Actor("boss", office.clock.now())
        await customers.set_state(
            office.pool, _chosen(world, given), actor,
            state="active" if given["active"] else "inactive", is_customer=given["customer"],
        )  # fmt: skip

    do_in_office(world, change)


def _delete(world: World, given: Given) -> None:
    """By SQL, as a program beside the application would."""

    async def delete(office: ErpProcess) -> None:
        await office.pool.execute(
            "UPDATE customer SET state = 'deleted' WHERE id = $1 AND state IN ('active', 'inactive')",
            _chosen(world, given),
        )

    do_in_office(world, delete)


def _by_sql(world: World, given: Given) -> None:
    """A record changed outside the application: its words and history are the database's and sequencer's work."""

    async def change(office: ErpProcess) -> None:
        token = world.token("erp")
        await office.pool.execute(
            "UPDATE customer SET record = record || jsonb_build_object('title', $2::text)"
            " WHERE id = $1 AND state = 'active'",
            _chosen(world, given), token,
        )  # fmt: skip

    do_in_office(world, change)


def _setting(world: World, given: Given) -> None:
    async def put(office: ErpProcess) -> None:
        await reference.put_settings(office.pool, given["level"], {given["name"]: given["value"]})

    do_in_office(world, put)


def _import(world: World, given: Given) -> None:
    async def load(office: ErpProcess) -> None:
        rng = stream(world.seed, "import", given["place"])
        lines = []
        for _ in range(given["rows"]):
            token, made = world.token("erp"), UUID(int=rng.getrandbits(128), version=4)
            record = {"kind": "business", "code": token, "name": token}
            lines.append({"id": str(made), "everywhere": True, "record": record})
        path = world.folder / f"import-{given['place']}.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in lines), "utf-8")
        rejects = path.with_suffix(".rejects.csv")
        await import_file(office.pool, path, rejects_path=rejects, clock=office.clock)
        world.customers.extend(UUID(one["id"]) for one in lines)  # type: ignore[arg-type]

    do_in_office(world, load)


KINDS = (
    Kind("erp_edit", _edit, _draw_edit, weight=7, fault=False),
    Kind("erp_availability", _availability, _draw_availability, weight=6, fault=False),
    Kind("erp_state", _state, _draw_state, weight=2, fault=False),
    Kind("erp_delete", _delete, _draw_one, weight=1.5, fault=False),
    Kind("erp_by_sql", _by_sql, _draw_one, weight=1, fault=False),
    Kind("erp_setting", _setting, _draw_setting, weight=1, fault=False),
    Kind("erp_import", _import, _draw_import, weight=0.5, fault=False),
)
