"""`comptoir demo`: a whole system with generated customers, to look at or to play the story on."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from rich.table import Table

from ops.clients import Client, Json, NotSeen, until
from ops.errors import ServiceError
from ops.mail import MailSink, Received, mail_sink
from ops.process import NodeProcess, NotReady
from ops.progress import ConsoleProgress
from ops.services import PrivateServer, Services, start_private_broker, start_services
from ops.story import Cast, cards, editing, play, searching, sync
from ops.suggestions import Address, Example, operating, recording, suggestions
from ops.system import (
    ADMIN,
    CASHIER,
    PASSWORD,
    TRAINEE,
    System,
    SystemFailed,
    fill_system,
    make_system,
    remove_system,
)
from ops.told import until_told

STORY = (*sync.STEPS, *searching.STEPS, *editing.STEPS, *cards.STEPS)
FILL_TIMEOUT_S = 3_600.0
LOOK_EVERY_S = 1.0


def run_demo(*, check: bool, customers: int, stores: int, seed: int, consent: bool) -> int:
    """Runs the demo until told to stop, or the story to its end; the exit code."""
    console = Console()
    try:
        work = _demo(console, check, customers, stores, seed, consent)
        return asyncio.run(until_told(work, on_told=lambda: _say(console, "stopping …")))
    except (ServiceError, SystemFailed, NotReady, NotSeen, httpx.TransportError) as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        return 130


async def _demo(
    console: Console, check: bool, customers: int, stores: int, seed: int, consent: bool
) -> int:
    progress = ConsoleProgress(console)
    with tempfile.TemporaryDirectory(prefix="comptoir-demo-") as place:
        folder = Path(place)
        async with (
            _services(progress, consent, needs_private=check) as services,
            mail_sink() as mail,
        ):
            system = await make_system(services, folder, letters_to(mail))
            try:
                with progress.step(f"{customers:,} customers, {stores} stores"):
                    await fill_system(system, customers, stores, seed)
                with progress.step("starting the ERP and the tills"):
                    await start_system(system)
                if check:
                    return await _check(console, system, mail, customers)
                await _show_until_told(console, system, mail)
            finally:
                await asyncio.shield(remove_system(system))
    return 0


def letters_to(mail: MailSink) -> dict[str, str]:
    """The ERP's settings for a mail server of our own: no letter leaves the machine."""
    return {
        "COMPTOIR_ERP_SMTP_URL": mail.url,
        "COMPTOIR_ERP_SMTP_FROM": "Comptoir <cards@comptoir.example>",
    }


async def _show_until_told(console: Console, system: System, mail: MailSink) -> None:
    """Shows the system, says it when one of its processes is gone, and what letters it writes."""
    watches = (*_watches(console, system), _watch_letters(console, mail))
    watching = [asyncio.create_task(watch) for watch in watches]
    try:
        await _show(console, system)
        await asyncio.Event().wait()
    finally:
        for watch in watching:
            watch.cancel()


@asynccontextmanager
async def _services(
    progress: ConsoleProgress, consent: bool, needs_private: bool
) -> AsyncIterator[Services]:
    """The services; for the story a broker of its own, since it is stopped and started."""
    async with contextlib.AsyncExitStack() as stack:
        services = await stack.enter_async_context(
            start_services(progress=progress, consent=consent, environ=os.environ)
        )
        if needs_private and services.broker is None:
            broker = await stack.enter_async_context(start_private_broker(progress, consent))
            at = broker.address
            services = replace(services, amqp_url=at.amqp_url, amqp_api=at.amqp_api, broker=broker)
        yield services


async def start_system(system: System) -> None:
    """Starts the ERP, then all tills at once."""
    await system.erp.start()
    await asyncio.gather(*(till.process.start() for till in system.tills))


async def _show(console: Console, system: System) -> None:
    """Addresses, what to try, and how complete the tills are."""
    table = Table("", "address", "log in as", show_edge=False)
    table.add_row("ERP", f"{system.erp.url}/docs", f"{ADMIN} / {PASSWORD}")
    for till in system.tills:
        table.add_row(f"till {till.pos_id}", f"{till.url}/docs", f"{CASHIER} / {PASSWORD}")
    console.print(table)
    _say(console, f"broker {system.services.amqp_api} (virtual host {system.vhost})")
    if system.services.broker is not None:
        broker = urlsplit(system.services.amqp_url)
        _say(console, f"its management page: log in as {broker.username} / {broker.password}")
    await _wait_complete(console, system)
    first = system.tills[0]
    own, other = await _examples(system)
    lines = suggestions(
        Address(first.url, CASHIER, PASSWORD), Address(system.erp.url, ADMIN, PASSWORD), own, other
    )
    if shutil.which("curl") is None:
        _say(
            console, "The lines below need curl, which is not on this machine: apt-get install curl"
        )
    _say(console, f"\nTry (the pages above do the same with a mouse):\n\n{lines}")
    if system.services.broker is not None:
        bus = recording(system.bus_url, system.erp_env["COMPTOIR_AMQP_ADMIN_URL"])
        _say(console, f"Record what goes over the bus, in another terminal:\n{bus}\n")
    _say(console, f"Ask what is stuck, in another terminal:\n{operating(system.erp_env)}\n")
    _say(console, "The letters with the numbers of virtual cards are shown here.")
    _say(console, "Ctrl-C stops everything and leaves nothing behind.")


def _say(console: Console, text: str) -> None:
    """As it is: a line broken at the terminal's width cannot be pasted."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


async def _examples(system: System) -> tuple[Example, Example | None]:
    """A customer of the first store, and one of another store alone if there is."""
    centre = system.tills[0].centre
    admin = await _log_in(system.erp.url, ADMIN)
    try:
        rows = (await admin.get("/customers", state="active", limit=500))["rows"]
        own = [row for row in rows if row["is_customer"] and _may(row["availability"], centre)]
        own = [row for row in own if row["kind"] == "retail"]
        if not own:
            raise SystemFailed(f"no person of {centre} among the first 500")
        other = await _foreign(system, admin, centre)
    finally:
        await admin.close()
    return Example(own[0]["id"], own[0]["code"]), other


async def _foreign(system: System, admin: Client, centre: str) -> Example | None:
    """A customer at the other stores' tills whom this store does not have."""
    for till in system.tills[1:]:
        cashier = await _log_in(till.url, CASHIER)
        try:
            rows = (await cashier.get("/customers", limit=50))["rows"]
        finally:
            await cashier.close()
        for row in rows:
            shown = await admin.get(f"/customers/{row['id']}")
            if not _used(shown["availability"], centre):
                return Example(row["id"], row["code"])
    return None


def _used(availability: Json, centre: str) -> bool:
    return bool(availability["everywhere"] or centre in availability["centres"])


def _may(availability: Json, centre: str) -> bool:
    """Whether a centre may use and edit a customer."""
    editors = availability["editors"]
    return _used(availability, centre) and (editors is None or centre in editors)


def _watches(console: Console, system: System) -> Iterator[Coroutine[Any, Any, None]]:
    """One per process: says it in a line when the process is gone."""
    yield _watch_node(console, "the ERP", system.erp)
    for till in system.tills:
        yield _watch_node(console, f"till {till.pos_id}", till.process)
    servers = {"broker": system.services.broker, "database": system.services.database}
    for name, server in servers.items():
        if server is not None:
            yield _watch_server(console, name, server)


async def _watch_node(console: Console, name: str, process: NodeProcess) -> None:
    code = await process.ended()
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    _say(console, f"{name} is gone ({how}); its log: {process.log}")


async def _watch_server(console: Console, name: str, server: PrivateServer) -> None:
    running = True
    while running:
        await asyncio.sleep(LOOK_EVERY_S)
        running = await asyncio.to_thread(lambda: server.running)
    _say(console, f"the {name} is gone")


async def _watch_letters(console: Console, mail: MailSink) -> None:
    shown: list[Received] = []
    while True:
        letter = await mail.wait_letter(lambda one: one not in shown, None)
        shown.append(letter)
        words = " ".join(letter.text().split())
        _say(console, f"a letter to {', '.join(letter.recipients)}: {words}")


async def _wait_complete(console: Console, system: System) -> None:
    began = time.monotonic()
    for till in system.tills:
        client = Client(till.url)
        try:
            await until(client.status, lambda s: s["complete"], till.pos_id, FILL_TIMEOUT_S)
        finally:
            await client.close()
        console.print(
            f"till {till.pos_id}: complete after {time.monotonic() - began:.1f} s", highlight=False
        )


async def _check(console: Console, system: System, mail: MailSink, customers: int) -> int:
    kiosk = await system.add_till("kiosk", system.tills[0].centre, mode="local_only")
    await kiosk.process.start()
    async with _cast(system, mail, customers) as cast:
        passed, failed = await play(STORY, cast, console)
    console.print(f"{passed} passed, {failed} failed", highlight=False)
    return 1 if failed else 0


@asynccontextmanager
async def _cast(system: System, mail: MailSink, customers: int) -> AsyncIterator[Cast]:
    """Everybody logged in; operators come down the feed, so that may take a moment."""
    broker = system.services.broker
    assert broker is not None
    first, second, *_ = system.tills
    clients = [
        await _log_in(first.url, CASHIER),
        await _log_in(second.url, CASHIER),
        await _log_in(system.tills[-1].url, CASHIER),
        await _log_in(first.url, TRAINEE),
        await _log_in(system.erp.url, ADMIN),
    ]
    lyon, krakow, kiosk, trainee, admin = clients
    try:
        yield Cast(
            system, admin, lyon, krakow, kiosk, trainee, (first.centre, second.centre),
            stop_broker=broker.stop, start_broker=broker.start, customers=customers, mail=mail,
        )  # fmt: skip
    finally:
        for client in clients:
            await client.close()


async def _log_in(url: str, name: str) -> Client:
    client = Client(url)
    if name != ADMIN:
        await until(client.status, _knows_operators, f"operators at {url}")
    return await client.log_in(name, PASSWORD)


def _knows_operators(status: Json) -> bool:
    """Operators come in the scope of their centre."""
    own = f"centre.{status['centre']}"
    return any(one["scope"] == own and one["complete"] for one in status["scopes"])
