"""A whole Comptoir on this machine: one ERP and tills of several stores, each a process of its own.

The demo, the story, the measurements and the tests all run it. It works with the tills' own
broker users and the ERP's, never with the administrator's (who only sets it up).
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import httpx

from contracts.reference import Centre, Operator, Right
from ops.process import NodeProcess, run_command
from ops.samples import sample_reference, write_json_lines
from ops.services import Services
from web.passwords import hash_password

ADMIN = "admin"
CASHIER = "anna"
TRAINEE = "tom"
PASSWORD = "comptoir"
"""Demo people's password; everything listens on loopback and is gone afterwards."""

CENTRES = ("lyon", "krakow", "lille", "gdansk", "nantes", "poznan", "nice", "lodz")

IMPORTED_PER_S = 250
"""Far fewer customers in a second than any machine imports."""

_NOTHING: Mapping[str, str] = MappingProxyType({})

Say = Callable[[str], None]


class SystemFailed(Exception):
    """A command of the set-up failed; the text is what it said."""


@dataclass
class TillNode:
    """One till: who it is, and its process."""

    pos_id: str
    centre: str
    process: NodeProcess
    folder: Path

    @property
    def url(self) -> str:
        return self.process.url


@dataclass
class System:
    """An ERP, its tills, and what they stand on."""

    services: Services
    folder: Path
    name: str
    dsn: str
    erp_env: dict[str, str]
    erp: NodeProcess
    suffix: str = ""
    tills: list[TillNode] = field(default_factory=list)

    @property
    def vhost(self) -> str:
        return self.name

    @property
    def bus_url(self) -> str:
        """Host, port and virtual host of the bus, without anybody's password."""
        parts = urlsplit(self.erp_env["COMPTOIR_AMQP_URL"])
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    async def command(self, *argv: str, timeout: float = 600.0) -> str:
        """Runs `comptoir erp …` against this ERP. Raises SystemFailed with what it said, or that it took too long."""
        try:
            code, out, err = await run_command(["erp", *argv], self.erp_env, timeout)
        except TimeoutError:
            raise SystemFailed(f"comptoir erp {argv[0]}: not done in {timeout:,.0f} s") from None
        if code != 0:
            raise SystemFailed(f"comptoir erp {' '.join(argv)}: {err.strip() or out.strip()}")
        return out

    async def add_till(self, pos_id: str, centre: str, mode: str = "full") -> TillNode:
        """Enrols a till and makes its process, not started yet.

        On a broker that others use too the name gets a suffix: users there are nobody's alone.
        """
        pos_id += self.suffix
        file = self.folder / f"{pos_id}.toml"
        await self.command(
            "enrol-till", pos_id, "--centre", centre, "--mode", mode, "--output", str(file)
        )
        data = self.folder / pos_id
        env = {"COMPTOIR_POS_HTTP_PORT": "0", "COMPTOIR_POS_LOG_FORMAT": "console"}
        argv = ["pos", "run", "--enrolment", str(file), "--data", str(data)]
        process = NodeProcess(pos_id, argv, env, self.folder / f"{pos_id}.log")
        till = TillNode(pos_id, centre, process, data)
        self.tills.append(till)
        return till

    async def stop(self) -> None:
        """Stops every process of it; data stays until `remove_system`."""
        await asyncio.gather(*(till.process.stop() for till in self.tills), self.erp.stop())


async def make_system(
    services: Services, folder: Path, more: Mapping[str, str] = _NOTHING
) -> System:
    """Makes a database, a virtual host and the ERP's user, and an ERP process, not started yet. `more`: further
    settings of the ERP."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"comptoir-{secrets.token_hex(4)}"
    dsn = await _make_database(services.erp_dsn, name)
    api = urlsplit(services.amqp_api)
    broker = urlsplit(services.amqp_url)
    administrator = f"{broker.username}:{broker.password}"
    password = secrets.token_urlsafe(18)
    host = broker.netloc.rpartition("@")[2]
    env = {
        "COMPTOIR_ERP_DSN": dsn,
        "COMPTOIR_AMQP_URL": f"{broker.scheme}://{name}:{password}@{host}/{quote(name, safe='')}",
        "COMPTOIR_AMQP_ADMIN_URL": urlunsplit(api._replace(netloc=f"{administrator}@{api.netloc}")),
        "COMPTOIR_ERP_HTTP_PORT": "0",
        "COMPTOIR_ERP_LOG_FORMAT": "console",
        **more,
    }
    process = NodeProcess("erp", ["erp", "run"], env, folder / "erp.log")
    suffix = "" if services.broker else f"-{secrets.token_hex(3)}"
    system = System(services, folder, name, dsn, env, process, suffix)
    await system.command("setup")
    return system


async def fill_system(
    system: System, customers: int, stores: int, seed: int, say: Say = lambda line: None
) -> None:
    """Gives it people, lists and generated customers of so many stores, and one till each."""
    centres = store_names(stores)
    reference = system.folder / "reference.jsonl"
    reference.write_text(reference_lines(centres), "utf-8")
    file = system.folder / "customers.jsonl"
    say(f"generating {customers:,} customers")
    await asyncio.to_thread(write_json_lines, file, customers, seed, centres)
    await system.command("load-reference", str(reference))
    await system.command("add-user", ADMIN, "--password", PASSWORD)
    say("importing them into the ERP")
    longest = 600.0 + customers / IMPORTED_PER_S
    say((await system.command("import", str(file), timeout=longest)).strip())
    for centre in centres:
        await system.add_till(f"{centre}-1", centre)


async def remove_system(system: System) -> None:
    """Stops it and takes its users, virtual host and database away again."""
    await system.stop()
    broker = urlsplit(system.services.amqp_url)
    auth = (broker.username or "guest", broker.password or "guest")
    users = [system.name, *(f"pos.{till.pos_id}" for till in system.tills)]
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient(base_url=system.services.amqp_api, auth=auth) as api:
            await api.delete(f"/api/vhosts/{system.vhost}")
            for user in users:
                await api.delete(f"/api/users/{user}")
    with contextlib.suppress(OSError, asyncpg.PostgresError):
        connection = await asyncpg.connect(system.services.erp_dsn)
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{system.name}" WITH (FORCE)')
        finally:
            await connection.close()


def store_names(stores: int) -> list[str]:
    """Codes of so many stores."""
    names = list(CENTRES[:stores])
    return names + [f"store-{number}" for number in range(len(names) + 1, stores + 1)]


def reference_lines(centres: list[str]) -> str:
    """Reference data of these stores as `comptoir erp load-reference` reads it."""
    hashed = hash_password(PASSWORD)
    people: list[tuple[str, list[Right]]] = [
        (CASHIER, ["customer.edit", "consent.edit", "contact.edit", "card.assign", "card.block"]),
        (TRAINEE, []),
    ]
    records = [
        *sample_reference(centres),
        *(
            Operator(
                code=name, name=name.title(), centres=centres, password_hash=hashed, rights=rights
            )
            for name, rights in people
        ),
    ]
    assert all(any(isinstance(r, Centre) and r.code == c for r in records) for c in centres)
    return "".join(record.model_dump_json(exclude_none=True) + "\n" for record in records)


async def _make_database(maintenance: str, name: str) -> str:
    connection = await asyncpg.connect(maintenance)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return urlunsplit(urlsplit(maintenance)._replace(path=f"/{name}"))
