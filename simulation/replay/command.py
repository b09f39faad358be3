"""`comptoir trace replay`: from files of a trace to fresh nodes, and to what is told of them at the end."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from messaging.admin import AdminError
from messaging.channel import MessagingError
from ops.errors import ServiceError
from ops.guardian import Guardian
from simulation.erp import ErpProcess
from simulation.loop import Stuck
from simulation.pace import set_pace
from simulation.postgres import open_places
from simulation.replay.before import Before, read_before
from simulation.replay.ending import (
    ERP_FILE,
    ScopeDigest,
    digest_of,
    erp_digests,
    save_erp,
    save_tills,
    till_digests,
    unequal,
)
from simulation.replay.faults import Faults, Way
from simulation.replay.judging import (
    compare_lists,
    compare_records,
    compare_verdicts,
    judge,
)
from simulation.replay.keeping import Keeping
from simulation.replay.run import Played, Real, Watch, play
from simulation.replay.stage import Place, Stage
from simulation.replay.story import Story, read_story
from simulation.server import Server
from simulation.till import TillProcess
from simulation.till_file import make_template
from traces.reading import Trace, WrongTrace, read_trace
from traces.record import Line
from traces.subjects import counted, detail_of

MOST_TOLD = 8
_OUTSIDE = (ServiceError, MessagingError, AdminError, OSError)
TRACE = "trace"
MARK = ".replay"
"""A file in a folder that replays may write over."""
WHY_APART = "what was changed in the ERP itself stands in pages only, and of customers a fresh ERP is not given them"


class WrongReplay(Exception):
    """There is nothing that could be played; the text says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`speed`: times the recorded one, None for as fast as it goes; `step`: wait for Enter before each message."""

    files: tuple[Path, ...]
    into: Path
    faults: Faults = field(default_factory=Faults)
    speed: float | None = None
    step: bool = False
    real: bool = False
    consent: bool = False
    """To install a broker."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay. `digest`: of every byte of what both ends hold."""

    played: Played
    digests: tuple[ScopeDigest, ...]
    digest: str


def run_replay(wanted: Wanted) -> int:
    """Plays and tells; 0 when every invariant that can be judged holds, 1 when one does not, 2 when nothing can
    be played."""
    try:
        trace = read_trace(wanted.files)
        story = _readable(trace)
        before = read_before(story)
        _check_into(wanted.into)
        for text in tell_story(story, before):
            _say(text)
        with Guardian() as guardian, open_places(guardian) as (dsn, folder):
            set_pace()
            server = Server.open(dsn, f"replay_{time.time_ns():x}")
            try:
                replayed = replay(wanted, trace, story, before, server, folder)
            finally:
                server.drop()
    except (*_OUTSIDE, WrongTrace, WrongReplay, Stuck) as error:
        sys.stderr.write(f"comptoir trace replay: {error}\n")
        return 2
    violations = list(_violations(story, replayed.played))
    for text in tell_end(wanted, story, replayed, violations):
        _say(text)
    return 1 if violations else 0


def replay(
    wanted: Wanted, trace: Trace, story: Story, before: Before, server: Server, folder: Path
) -> Replayed:
    """Plays a story; what is left of it is in `wanted.into` then. `folder`: for files that go."""
    wanted.into.mkdir(parents=True, exist_ok=True)
    (wanted.into / MARK).touch()
    template = folder / "template.db"
    if not template.exists():
        make_template(template)
    names = next(iter(trace.names)) if len(trace.names) == 1 else "several"
    keeping = Keeping(wanted.into / TRACE, names, story.given[0].at)
    digests: list[ScopeDigest] = []

    def at_end(stage: Stage) -> None:
        if wanted.step:
            _tell_fresh(keeping)
        for till in stage.tills:
            digests.extend(till_digests(till))
        digests.extend(erp_digests(stage))
        save_tills(stage, wanted.into)

    watch = Watch(
        keeping.observer_of,
        lambda stage: keeping.set_clock(stage.erp.clock.now),
        _pacing(wanted, keeping),
        at_end,
    )
    try:
        real = Real(wanted.speed, wanted.consent) if wanted.real else None
        place = Place(server, folder / "nodes", template)
        played = play(story, before, place, wanted.faults, watch, real)
    finally:
        keeping.close()
    save_erp(played.seen.erp, wanted.into)
    return Replayed(played, tuple(digests), digest_of(wanted.into, played.seen.tills))


def _check_into(folder: Path) -> None:
    """Raises WrongReplay when there are files that no replay has made: a recording, somebody's own. And OSError."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise WrongReplay(
            f"{folder}: there are files in it that no replay has made; --into names another folder"
        )


def _readable(trace: Trace) -> Story:
    story = read_story(trace.lines)
    if not story.tills and story.placeless:
        raise WrongReplay(
            f"no line of this trace tells the centre of {', '.join(story.placeless)}: nobody could be given anything."
            " Every till's greeting does (pos.hello, each ten seconds)"
        )
    if not story.given:
        raise WrongReplay(
            "no line of this trace is a message that a till or the ERP could be given"
        )
    return story


def _pacing(wanted: Wanted, keeping: Keeping) -> Callable[[Way, float], None]:
    """Simulated time waits for nobody; real time passes here, where the nodes stand still and do not notice."""

    def before_each(way: Way, gap: float) -> None:
        if wanted.speed is not None and not wanted.real:
            time.sleep(gap / wanted.speed)
        if not wanted.step:
            keeping.fresh.clear()
            return
        _tell_fresh(keeping)
        sys.stdout.write(f"{told_way(way)}  [Enter] ")
        sys.stdout.flush()
        with _ended_by_ctrl_c():
            sys.stdin.readline()
        if not sys.stdin.isatty():
            _say("")

    return before_each


@contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """The loop would wait for the end of the line first."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _tell_fresh(keeping: Keeping) -> None:
    """What the fresh nodes did since somebody looked."""
    for line in keeping.fresh:
        _say(f"    {told_line(line)}")
    keeping.fresh.clear()


def told_line(line: Line) -> str:
    """What a fresh node did."""
    return f"{line.node} {line.action} {line.outcome} {line.type} {detail_of(line)}".rstrip()


def told_way(way: Way) -> str:
    """A message that is next."""
    line = way.given.line
    who = f"pos.{way.given.till}" if way.given.side == "erp" else "erp"
    fate = "" if way.arrives and not way.again else "  lost" if not way.arrives else "  again"
    return f"{line.at:%H:%M:%S.%f} {who} → {line.type} {detail_of(line)}{fate}".rstrip()


def tell_story(story: Story, before: Before) -> Iterator[str]:
    """What is played, and what of the trace is not."""
    to_erp = sum(one.side == "erp" for one in story.given)
    tills = counted(len(story.tills), "fresh till")
    yield (
        f"{counted(len(story.given), 'message')}: {to_erp} to a fresh ERP,"
        f" {len(story.given) - to_erp} to {tills}"
    )
    customers = counted(len(before.customers), "customer")
    yield f"the ERP begins with {customers}, as the trace first shows them"
    if story.left:
        left = ", ".join(f"{number} {type_}" for type_, number in sorted(story.left.items()))
        yield f"not given to anybody: {left}"
    if before.unreadable:
        left = ", ".join(f"{number} {kind}" for kind, number in sorted(before.unreadable.items()))
        yield f"rows the ERP cannot begin with: {left}"
    if story.placeless:
        yield f"no line tells the centre of: {', '.join(story.placeless)}"


def tell_end(
    wanted: Wanted, story: Story, replayed: Replayed, violations: list[str]
) -> Iterator[str]:
    """Digests, comparisons, invariants, and where to look."""
    played = replayed.played
    lost = sum(not way.arrives for way in played.ways)
    again = sum(way.again for way in played.ways)
    if lost or again or wanted.faults.reorder:
        yield f"on the way: {lost} lost, {again} twice"
    yield from tell_digests(replayed.digests)
    alike, unlike = compare_verdicts(story, played.seen)
    yield f"answers to entries: {alike} as recorded, {len(unlike)} not"
    yield from _some(unlike)
    for what, compare in (("customers", compare_records), ("lists and settings", compare_lists)):
        alike, unlike = compare(played.seen)
        yield f"{what} at tills: {alike} as in the fresh ERP, {len(unlike)} not"
        yield from _some(unlike)
    yield from _some(violations)
    yield f"I1, I2, I3, I9, I10, I11: {counted(len(violations), 'violation')}"
    for till in story.tills:
        yield f"{wanted.into / till.user / 'customers.db'}"
    yield f"{wanted.into / ERP_FILE}"
    yield f"{wanted.into / TRACE}: ./comptoir trace show, or diff with another replay's"
    yield f"end state {replayed.digest}"


def tell_digests(digests: Sequence[ScopeDigest]) -> Iterator[str]:
    """One line each; those of a till that are not the ERP's are marked, and why is said below."""
    apart = unequal(digests)
    for one in digests:
        mark = "  not the ERP's" if (one.node, one.scope) in apart else ""
        yield f"{one.node:16} {one.scope:28} {one.rows:7d} {'row ' if one.rows == 1 else 'rows'}  {one.sum}{mark}"
    if apart:
        yield f"{counted(len(apart), 'scope')} of tills not the fresh ERP's: {WHY_APART}"


def _violations(story: Story, played: Played) -> Iterator[str]:
    for one in judge(story, played.seen, played.stage.history, settled=played.settled):
        yield f"{one.invariant} {one.text}"
    processes: tuple[ErpProcess | TillProcess, ...] = (played.stage.erp, *played.stage.tills)
    for process in processes:
        if process.failure is not None:
            yield f"ended {process.label} ended by itself: {process.failure!r}"


def _some(texts: list[str]) -> Iterator[str]:
    yield from (f"  {text}" for text in texts[:MOST_TOLD])
    if len(texts) > MOST_TOLD:
        yield f"  … {len(texts) - MOST_TOLD} more"


def _say(text: str, out: TextIO | None = None) -> None:
    (out or sys.stdout).write(text + "\n")
    (out or sys.stdout).flush()
