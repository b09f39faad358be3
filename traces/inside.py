"""Recording from inside a node: an observer that costs its node next to nothing, and never stops it."""

import errno
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog

from messaging.clock import Clock
from messaging.failures import describe
from messaging.observer import Event, Observer, ignore
from traces.lines import line_of
from traces.pseudonyms import Pseudonyms, WrongKey, load_key
from traces.record import Does, Head
from traces.writer import TraceWriter

WAITING_BYTES = 64 * 1024 * 1024
"""Of bodies that are not written yet; what comes beyond is left out, and counted."""
_EACH = 512
"""Bytes a waiting message takes beside its body, about."""
_TURN = 0.001
_REST = 0.0005
"""Seconds of work, and of standing aside after it: Python runs one thread at a time, and leaves a
working one alone for five milliseconds."""

_log = structlog.get_logger("trace")


class Recorder:
    """An Observer. Events are taken at once, and written by a thread of its own.

    A disk that is full, or anything else that goes wrong, ends the recording and nothing more; it is
    logged once. `close` writes what waits.
    """

    def __init__(
        self,
        writer: TraceWriter,
        *,
        node: str,
        names: Pseudonyms | None,
        clock: Clock,
        waiting_bytes: int = WAITING_BYTES,
        does: Does | None = None,
        on_flush: Callable[[int], None] | None = None,
    ) -> None:
        """`does` is written instead of the events' actions; `on_flush` is told how many lines are out."""
        self._writer = writer
        self._node = node
        self._names = names
        self._clock = clock
        self._most = waiting_bytes
        self._does = does
        self._on_flush = on_flush
        self._waiting: SimpleQueue[tuple[int, datetime, Event] | None] = SimpleQueue()
        self._told = self._taken_bytes = self._done_bytes = 0
        self.lost = 0
        """Events there was no room for."""
        self.lines = 0
        """Lines written."""
        self.unwritten = 0
        """Events of which no line could be made."""
        self.failed = False
        self.why = ""
        """Of a recording that failed."""
        self._thread = threading.Thread(target=self._run, name=f"trace {node}", daemon=True)

    def start(self) -> "Recorder":
        self._thread.start()
        return self

    def __call__(self, event: Event) -> None:
        """To be called from one thread."""
        self._told += 1
        size = len(event.what.body) + _EACH
        if self.failed or self._taken_bytes - self._done_bytes + size > self._most:
            self.lost += 1
            return
        self._taken_bytes += size
        self._waiting.put((self._told, self._clock.now(), event))

    def close(self, timeout: float = 10.0) -> None:
        """Writes what waits, for `timeout` seconds at most, and ends."""
        self._waiting.put(None)
        self._thread.join(timeout)
        if self.lost and not self.failed:
            _log.warning("trace has gaps", action="trace_gaps", lost=self.lost)

    def _run(self) -> None:
        try:
            self._write_all()
            self._writer.close()
        except Exception as error:
            self.failed = True
            self.why = reason_of(error)
            _log.error("trace ended", action="trace_ended", error=self.why)

    def _write_all(self) -> None:
        turn = time.monotonic() + _TURN
        while (taken := self._take()) is not None:
            self._done_bytes += len(taken[2].what.body) + _EACH
            self._write(*taken)
            if time.monotonic() > turn:
                time.sleep(_REST)
                turn = time.monotonic() + _TURN

    def _write(self, n: int, at: datetime, event: Event) -> None:
        """One line; a message that cannot be written down is left out, and the next is written."""
        node, names, does = self._node, self._names, self._does
        try:
            line = line_of(event, n=n, at=at, node=node, names=names, does=does)
            self._writer.write(line)
        except OSError:
            raise
        except Exception as error:
            self.unwritten += 1
            if self.unwritten == 1:
                _log.error("line left out", action="trace_line_left_out", error=describe(error))
        else:
            self.lines += 1

    def _take(self) -> tuple[int, datetime, Event] | None:
        """The next event; before waiting for one, all there is becomes readable."""
        try:
            return self._waiting.get_nowait()
        except Empty:
            self._writer.flush()
            if self._on_flush is not None:
                self._on_flush(self.lines)
            return self._waiting.get()


def key_file(folder: Path, given: Path | None) -> Path:
    """Where the key of the pseudonyms is: never in the folder, which is for giving away."""
    return given or folder.with_name(f"{folder.name}.key")


def check_folder(folder: Path) -> None:
    """Raises NotADirectoryError when something else has this name: before anything is made for it."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file, where a folder is needed", str(folder))


def reason_of(error: Exception) -> str:
    """For people: of a file its path and what is wrong with it; of anything else where it was, never its words."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error) if isinstance(error, WrongKey) else describe(error)


def open_recorder(folder: Path, node: str, clock: Clock, key: Path | None = None) -> Recorder:
    """A running recorder of `node` into a folder. Raises WrongKey, and OSError for the folder or the key's file."""
    check_folder(folder)
    names = Pseudonyms(load_key(key_file(folder, key)))
    writer = TraceWriter(folder, lambda: Head(node=node, names=names.id, began=clock.now()))
    return Recorder(writer, node=node, names=names, clock=clock).start()


def recorder_or_none(
    folder: Path | None, node: str, clock: Clock, key: Path | None = None
) -> tuple[Observer, Callable[[], None]]:
    """What a node observes with, and how that ends: nothing without a folder, and nothing when the key
    cannot be had, which is logged."""
    if folder is None:
        return ignore, _nothing
    try:
        recorder = open_recorder(folder, node, clock, key)
    except (OSError, WrongKey) as error:
        setting = "COMPTOIR_TRACE_KEY" if key is not None and folder.is_dir() else "COMPTOIR_TRACE"
        _log.error("no trace", action="trace_ended", setting=setting, error=reason_of(error))
        return ignore, _nothing
    return recorder, recorder.close


def _nothing() -> None:
    return
