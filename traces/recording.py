"""`comptoir trace record --outside`: from the address of a bus to files, until told to stop."""

import asyncio
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from messaging.admin import Admin
from messaging.clock import SystemClock
from traces.inside import Recorder, check_folder, key_file
from traces.outside import record_bus, vhost_of
from traces.pseudonyms import Pseudonyms, load_key
from traces.record import EVERYWHERE, Head
from traces.writer import TraceWriter


class Unrecorded(Exception):
    """Writing ended before the recording did; the text says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to record, where to, and how long; `seconds` None: until SIGINT or SIGTERM."""

    amqp_url: str
    admin_url: str
    folder: Path
    key: Path | None = None
    seconds: float | None = None


def record(wanted: Wanted, say: Callable[[str], None]) -> int:
    """Records; returns the number of lines.

    Raises NotADirectoryError before anything is made, WrongVhost, MessagingError, AdminError, WrongKey, OSError,
    and Unrecorded when what was seen could not be written.
    """
    check_folder(wanted.folder)
    key = key_file(wanted.folder, wanted.key)
    made = [path for path in (wanted.folder, key) if not path.exists()]
    try:
        return _record_into(wanted, key, say)
    except BaseException:
        _take_away(wanted.folder, made)
        raise


def _take_away(folder: Path, made: list[Path]) -> None:
    """What was made for a recording that never began; a folder with lines in it stays, and their key with it."""
    with suppress(OSError):
        if folder in made:
            folder.rmdir()
            made.remove(folder)
            for key in made:
                key.unlink(missing_ok=True)


def _record_into(wanted: Wanted, key: Path, say: Callable[[str], None]) -> int:
    wanted.folder.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    names = Pseudonyms(load_key(key))

    def head() -> Head:
        return Head(node=EVERYWHERE, names=names.id, began=clock.now())

    writer = TraceWriter(wanted.folder, head)
    recorder = Recorder(writer, node=EVERYWHERE, names=names, clock=clock, does="seen").start()
    try:
        asyncio.run(_record(wanted, recorder, say))
    finally:
        recorder.close()
    if recorder.failed:
        raise Unrecorded(recorder.why)
    return recorder.lines


async def _record(wanted: Wanted, recorder: Recorder, say: Callable[[str], None]) -> None:
    ready, stop = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if wanted.seconds is not None:
        loop.call_later(wanted.seconds, stop.set)
    # Names of users and passwords are drawn from the system's randomness.
    rng = random.SystemRandom()
    async with Admin(wanted.admin_url, vhost_of(wanted.amqp_url)) as admin:
        work = asyncio.create_task(
            record_bus(wanted.amqp_url, admin, recorder, rng=rng, ready=ready)
        )
        say_ready = asyncio.create_task(_tell(ready, wanted.folder, say))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
        for task in (say_ready, stopped, work):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def _tell(ready: asyncio.Event, folder: Path, say: Callable[[str], None]) -> None:
    await ready.wait()
    say(f"recording into {folder}, Ctrl-C ends it")
