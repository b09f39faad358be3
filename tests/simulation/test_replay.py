"""Recorded traces given to fresh nodes: what comes of it is what the trace says, always the same, and told."""

import os
import subprocess
import sys
from dataclasses import replace as changed
from pathlib import Path

import pytest

from contracts.topology import FEED
from simulation.campaign import ROOT
from simulation.checkers.observed import ErpReference
from simulation.job import Job
from simulation.mutants.hunt import MUTANTS
from simulation.recording import Recording
from simulation.replay.before import read_before
from simulation.replay.command import Replayed, Wanted, replay, run_replay, tell_digests
from simulation.replay.ending import ScopeDigest, unequal
from simulation.replay.faults import Faults
from simulation.replay.judging import (
    check_entries,
    check_told,
    compare_lists,
    compare_records,
    compare_verdicts,
    judge,
)
from simulation.replay.story import Story, read_story
from simulation.run import play
from simulation.schedule import Schedule, Step
from tests.simulation.conftest import MakeJob
from tests.traces import NAMES
from traces.differ import find_partings
from traces.masking import mask
from traces.reading import Trace, read_trace
from traces.record import Head, Line

pytestmark = pytest.mark.timeout(120)

BAD_DAY = Faults(drop=0.15, dup=0.15, reorder=4, seed=7)
_FIELDS = ("phone", "email", "academic_title")
SCHEDULE = Schedule(
    3,
    (
        *(
            Step(2.0 + n * 0.7, "edit", {"till": n % 2, "place": n * 0.37 % 1, "field": _FIELDS[n % 3]})
            for n in range(7)
        ),
        Step(7.5, "add", {"till": 1, "code": None}),
    ),
)  # fmt: skip


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    return make_job()


@pytest.fixture
def recorded(job: Job, tmp_path: Path) -> Path:
    """A trace of two tills and the ERP, from their first words on."""
    recording = Recording(tmp_path / "recorded")
    play(SCHEDULE, job.place, recording.observer_of)
    recording.end(SCHEDULE, "")
    return recording.folder


LISTS = Schedule(
    5,
    (
        *(
            Step(2.0 + n, "erp_setting", {"level": level, "name": "search_online", "value": n % 3 > 0})
            for n, level in enumerate(("all", "centre.lyon", "all", "all", "centre.lyon", "all"))
        ),
        Step(3.5, "edit", {"till": 0, "place": 0.1, "field": "phone"}),
    ),
)  # fmt: skip


class Player:
    """Replays into folders of its own, on one job's database."""

    def __init__(self, job: Job, folder: Path) -> None:
        self._job = job
        self._folder = folder
        self._number = 0

    def play(self, trace: Trace, faults: Faults = Faults()) -> tuple[Story, Replayed, Path]:  # noqa: B008
        self._number += 1
        into = self._folder / f"replayed-{self._number}"
        story = read_story(trace.lines)
        wanted = Wanted((), into, faults)
        work = self._folder / "work"
        work.mkdir(exist_ok=True)
        done = replay(wanted, trace, story, read_before(story), self._job.place.server, work)
        return story, done, into


@pytest.fixture
def player(job: Job, tmp_path: Path) -> Player:
    return Player(job, tmp_path)


def _wrong(story: Story, done: Replayed) -> list[str]:
    played = done.played
    found = judge(story, played.seen, played.stage.history, settled=played.settled)
    return [f"{one.invariant} {one.text}" for one in found]


def test_fresh_nodes_end_as_the_recorded_ones(player: Player, recorded: Path) -> None:
    story, done, into = player.play(read_trace([recorded]))
    assert _wrong(story, done) == []
    entries = [one for one in story.given if one.entry is not None]
    assert compare_verdicts(story, done.played.seen) == (len(entries), [])
    alike, unlike = compare_records(done.played.seen)
    assert (alike > 20, unlike) == (True, [])
    assert len(entries) >= 7
    erp = (into / "erp.jsonl").read_text("utf-8")
    for given in entries:
        assert all(str(one["new"]) in erp for one in given.line.data.get("changes", ()))
    assert {one.node for one in done.digests} == {"erp", "pos.p0", "pos.p1"}


def test_lost_doubled_and_late_messages_change_nothing_in_the_end(
    player: Player, recorded: Path
) -> None:
    trace = read_trace([recorded])
    story, done, _ = player.play(trace, BAD_DAY)
    ways = done.played.ways
    assert any(not way.arrives and way.given.entry is not None for way in ways)
    assert any(way.again for way in ways)
    assert [way.given for way in ways] != sorted((way.given for way in ways), key=lambda g: g.at)
    assert _wrong(story, done) == []
    assert compare_records(done.played.seen)[1] == []


@pytest.mark.parametrize(
    ("name", "invariant"),
    [
        ("last_row_lost", "I2"),
        ("gap_in_the_feed_not_noticed", "I2"),
        ("gap_in_the_journal_taken", "I1"),
    ],
)
def test_a_planted_bug_shows_in_a_replay(
    player: Player, recorded: Path, name: str, invariant: str
) -> None:
    trace = read_trace([recorded])
    found: list[str] = []
    with MUTANTS[name].switched_on():
        for seed in range(4):
            story, done, _ = player.play(trace, Faults(drop=0.4, seed=seed))
            found += _wrong(story, done)
    assert any(one.startswith(invariant) for one in found)


def test_personal_values_replaced_by_pseudonyms_are_applied_all_the_same(
    player: Player, recorded: Path
) -> None:
    trace = read_trace([recorded])
    lines = tuple(
        line.model_copy(update={"message": mask(line.message, NAMES)}) for line in trace.lines
    )
    story, done, _ = player.play(changed(trace, lines=lines))
    assert _wrong(story, done) == []
    assert compare_verdicts(story, done.played.seen)[1] == []


def test_what_only_the_tills_recorded_is_enough(player: Player, recorded: Path) -> None:
    trace = read_trace(sorted(recorded.glob("p*.jsonl")))
    assert {line.node for line in trace.lines} == {"p0", "p1"}
    story, done, _ = player.play(trace)
    assert _wrong(story, done) == []
    assert compare_records(done.played.seen)[1] == []


def test_an_entry_the_trace_does_not_hold_is_told(player: Player, recorded: Path) -> None:
    trace = read_trace([recorded])
    gone = next(g.entry for g in read_story(trace.lines).given if g.entry and g.entry.seq == 2)
    lines = tuple(line for line in trace.lines if not _is(line.message, gone.till, gone.seq))
    story, done, _ = player.play(changed(trace, lines=lines))
    (told,) = list(check_entries(story, done.played.seen.erp))
    assert told.invariant == "I1"
    assert told.text.endswith("the trace does not hold entry 2")


def _is(message: dict[str, object] | None, origin: str, seq: int) -> bool:
    return message is not None and (message.get("origin"), message.get("seq")) == (origin, seq)


def test_a_trace_that_begins_in_the_middle_goes_on_from_there(
    player: Player, recorded: Path
) -> None:
    trace = read_trace([recorded])
    begun = trace.lines[0].at.replace(second=4)
    story, done, _ = player.play(
        changed(trace, lines=tuple(x for x in trace.lines if x.at >= begun))
    )
    assert min(entry.seq for g in story.given if (entry := g.entry)) > 1
    assert _wrong(story, done) == []


def test_two_replays_that_part_at_one_message_are_told_apart(
    player: Player, recorded: Path
) -> None:
    trace = read_trace([recorded])
    _, _, one = player.play(trace)
    _, _, same = player.play(trace)
    lines = tuple(_with_another_phone(line) for line in trace.lines)
    _, _, other = player.play(changed(trace, lines=lines))
    a, b, c = (read_trace([into / "trace"]).lines for into in (one, same, other))
    assert find_partings(a, b) == []
    first = find_partings(a, c)[0]
    assert (first.stream[0], first.stream[1]) == ("erp", "handled")
    assert first.why == "customer.edited: message.data.changes.0.new is tk1x in A, 0601020304 in B"


def _with_another_phone(line: Line) -> Line:
    if line.type != "customer.edited" or line.message is None:
        return line
    (change,) = line.data["changes"]
    if change["new"] != "tk1x":
        return line
    data = {**line.data, "changes": [{**change, "new": "0601020304"}]}
    return line.model_copy(update={"message": {**line.message, "data": data}})


def test_the_same_trace_and_seed_end_the_same_byte_for_byte(
    dsn: str, recorded: Path, tmp_path: Path
) -> None:
    told = [_commanded(dsn, recorded, tmp_path / hashes, hashes) for hashes in ("1", "2")]
    assert told[0].splitlines()[-1].startswith("end state ")
    assert told[0].replace("/1/", "/2/") == told[1].replace("/1/", "/2/")
    for name in ("erp.jsonl", "pos.p0/customers.db", "pos.p1/customers.db"):
        one, two = (tmp_path / hashes / "out" / name for hashes in ("1", "2"))
        assert one.read_bytes() == two.read_bytes()


def test_a_real_broker_leads_to_the_same_rows(dsn: str, recorded: Path, tmp_path: Path) -> None:
    faults = ["--drop", "0.15", "--dup", "0.15", "--reorder", "4", "--seed", "7"]
    real = _commanded(dsn, recorded, tmp_path / "a", "1", "--broker", "real", *faults)
    memory = _commanded(dsn, recorded, tmp_path / "b", "1")
    assert [x for x in real.splitlines() if " rows " in x] == [
        x for x in memory.splitlines() if " rows " in x
    ]
    assert "I1, I2, I3, I9, I10, I11: 0 violations" in real


def test_step_by_step_waits_before_each_message(dsn: str, recorded: Path, tmp_path: Path) -> None:
    trace = read_trace([recorded])
    given = len(read_story(trace.lines).given)
    stepped = _commanded(dsn, recorded, tmp_path / "a", "1", "--speed", "step")
    at_once = _commanded(dsn, recorded, tmp_path / "b", "1", "--speed", "500")
    assert stepped.count("[Enter]") == given
    assert "pos.p0 → customer.edited 000001-" in stepped
    assert "erp handled ok customer.edited" in stepped
    assert _end(stepped) == _end(at_once)


def _end(told: str) -> str:
    return told.splitlines()[-1]


def _commanded(dsn: str, trace: Path, folder: Path, hashes: str, *options: str) -> str:
    """What `comptoir trace replay` prints, with faults unless there are other options."""
    env = {**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": str(ROOT), "COMPTOIR_ERP_DSN": dsn}
    faults = ["--drop", "0.15", "--dup", "0.15", "--reorder", "4", "--seed", "7"]
    argv = [sys.executable, "-m", "ops", "trace", "replay", str(trace), "--into"]
    done = subprocess.run(
        [*argv, str(folder / "out"), *(options or faults)],
        env=env, cwd=ROOT, capture_output=True, text=True, check=False, input="", timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_page_or_till_that_is_none_stops_nothing(player: Player, recorded: Path) -> None:
    trace = read_trace([recorded])
    place = next(n for n, x in enumerate(trace.lines) if x.exchange == "comptoir.feed")
    page = trace.lines[place]
    broken = page.model_copy(update={"message": {**(page.message or {}), "data": {"scope": "all"}}})
    stranger = page.model_copy(
        update={"way": "in", "place": "pos.a';--.feed", "node": "pos.a';--", "action": "handled"}
    )
    lines = (*trace.lines[:place], broken, stranger, *trace.lines[place:])
    story, done, _ = player.play(changed(trace, lines=lines))
    assert [one.pos_id for one in story.tills] == ["p0", "p1"]
    assert _wrong(story, done) == []


@pytest.mark.parametrize(("begun", "faults"), [(0, Faults()), (4, Faults()), (0, BAD_DAY)])
def test_sync_6_settings_changed_in_the_erp_are_changed_in_the_fresh_one_too(
    job: Job, player: Player, tmp_path: Path, begun: int, faults: Faults
) -> None:
    recording = Recording(tmp_path / "lists")
    play(LISTS, job.place, recording.observer_of)
    recording.end(LISTS, "")
    trace = read_trace([recording.folder])
    since = trace.lines[0].at.replace(second=begun)
    lines = tuple(line for line in trace.lines if line.at >= since)
    story, done, _ = player.play(changed(trace, lines=lines), faults)
    versions = {key: n for till in done.played.seen.tills for key, _, n, _, _ in till.reference}
    assert versions["setting/all/search_online"] > 2
    assert compare_lists(done.played.seen)[1] == []
    assert unequal(done.digests) == frozenset()
    assert _wrong(story, done) == []


def test_i2_a_list_at_a_till_that_is_not_as_it_was_told_is_found(
    player: Player, recorded: Path
) -> None:
    story, done, _ = player.play(read_trace([recorded]))
    seen = done.played.seen
    assert [one for till in seen.tills for one in check_told(story, till)] == []
    assert compare_lists(seen)[1] == []
    for reference, there in (
        ((), "not in"),
        (_with_a_record(seen.erp.reference), "another content in"),
    ):
        other = changed(seen, erp=changed(seen.erp, reference=reference))
        assert f" version 1, {there} the ERP" in compare_lists(other)[1][0]
    (key, scope, version, state, record), *rest = seen.tills[0].reference
    old = (key, scope, version - 1, state, record)
    for spoiled in (rest, [old, *rest]):
        (told,) = check_told(story, changed(seen.tills[0], reference=tuple(spoiled)))
        assert (told.invariant, key in told.text) == ("I2", True)


def _with_a_record(rows: tuple[ErpReference, ...]) -> tuple[ErpReference, ...]:
    return tuple(changed(one, record="{}") for one in rows)


def test_scopes_that_differ_are_marked_and_said_why() -> None:
    one = ScopeDigest("erp", "all", 2, "0" * 15 + "a")
    same, less = changed(one, node="pos.p0"), ScopeDigest("pos.p1", "all", 1, "0" * 15 + "b")
    none = ScopeDigest("pos.p0", "pos.p0", 0, "0" * 16)
    told = list(tell_digests((same, none, less, one)))
    assert [line.endswith("  not the ERP's") for line in told] == [False, False, True, False, False]
    assert told[-1].startswith("1 scope of tills not the fresh ERP's: ")
    assert len(list(tell_digests((same, none, one)))) == 3


def test_a_trace_from_outside_tells_its_tills_by_their_greetings(
    player: Player, recorded: Path
) -> None:
    trace = read_trace([recorded])
    sent = [line for line in trace.lines if (line.action, line.outcome) == ("sent", "ok")]
    seen = tuple(
        line.model_copy(update={"node": "bus", "way": "in", "action": "seen", "place": line.exchange})
        for line in sent
        if line.exchange and line.type != "feed.pull"
    )  # fmt: skip
    greeted = next(n for n, x in enumerate(seen) if x.type == "pos.hello" and x.data["cursors"])
    story, done, _ = player.play(changed(trace, lines=seen[greeted:]))
    assert [one.pos_id for one in story.tills] == ["p0", "p1"]
    assert any(one.entry for one in story.given)
    assert [one for one in _wrong(story, done) if not one.startswith("I1")] == []


def test_a_trace_with_nobody_to_give_anything_is_refused(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = read_trace([recorded])
    pages = [x for x in trace.lines if x.exchange == FEED and x.way == "out"]
    entries = [x for x in trace.lines if x.type == "customer.edited" and x.way == "out"]
    file = tmp_path / "none.jsonl"
    head = Head(node="bus", names="plain", began=trace.lines[0].at)
    for lines in (pages, [*pages, *entries]):
        texts = [x.model_dump_json(exclude_none=True) for x in (head, *lines)]
        file.write_text("".join(f"{text}\n" for text in texts), "utf-8")
        assert run_replay(Wanted((file,), tmp_path / "into")) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
    assert "the centre of p0, p1" in said.err
    assert not (tmp_path / "into").exists()


def test_a_folder_with_anything_but_a_replay_is_not_written_into(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "mine"
    into.mkdir()
    (into / "erp.jsonl").write_text("mine", "utf-8")
    assert run_replay(Wanted((recorded,), into)) == 2
    assert "no replay has made" in capsys.readouterr().err
    assert [(one.name, one.read_text("utf-8")) for one in into.iterdir()] == [("erp.jsonl", "mine")]
