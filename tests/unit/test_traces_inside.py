"""Recording: lines hold all a replay needs, files rotate, and a node never notices."""

import base64
import errno
import json
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import zstandard

from messaging.channel import Delivery, Message
from messaging.observer import Event, ignore
from tests.traces import ADA, NAMES, NOON, SetClock, body_of, handled, sent
from traces.inside import Recorder, key_file, open_recorder, recorder_or_none
from traces.lines import line_of
from traces.pseudonyms import load_key
from traces.reading import WrongTrace, read_trace
from traces.record import Head, Line, Properties
from traces.writer import TraceWriter, file_name

ADDED = {"customer_id": str(ADA), "record": {"kind": "retail", "code": "A", "last_name": "Dupont"}}


def _line(event: Event, number: int = 1) -> Line:
    return line_of(event, n=number, at=NOON, node="erp", names=NAMES)


def _writer(folder: Path, longest: int = 10_000, most: int = 3, node: str = "erp") -> TraceWriter:
    clock = SetClock()

    def head() -> Head:
        clock.time += timedelta(seconds=1)
        return Head(node=node, names=NAMES.id, began=clock.time)

    return TraceWriter(folder, head, longest=longest, most=most)


def _recorder(folder: Path, waiting_bytes: int = 1_000_000) -> Recorder:
    writer, clock = _writer(folder), SetClock()
    return Recorder(writer, node="erp", names=NAMES, clock=clock, waiting_bytes=waiting_bytes)


def test_a_line_holds_what_a_replay_needs_and_no_name() -> None:
    body = body_of("customer.added", ADDED, epoch="e", seq=7, key=str(ADA))
    message = Message(
        body, "comptoir.journal", "lyon-1", correlation_id="c.1", expiration_ms=500,
        headers={"x-note": "Dupont"}, user_id="pos.lyon-1", type="customer.added",
    )  # fmt: skip
    line = _line(Event("sent", "returned", message, "publisher", 2, took=0.25))
    text = line.model_dump_json()
    assert "Dupont" not in text
    assert (line.way, line.action, line.outcome, line.attempt) == ("out", "sent", "returned", 2)
    assert (line.exchange, line.key, line.user_id) == ("comptoir.journal", "lyon-1", "pos.lyon-1")
    assert (line.at, line.took_ms) == (NOON - timedelta(seconds=0.25), 250.0)
    assert (line.properties.correlation_id, line.properties.expiration_ms) == ("c.1", 500)
    assert (line.properties.mandatory, line.size) == (True, len(body))
    assert line.message is not None
    assert (line.message["seq"], line.data["customer_id"]) == (7, str(ADA))


def test_a_packed_page_is_read_and_its_encoding_kept() -> None:
    body = body_of("feed.page", {"scope": "all", "rows": []}, origin="erp")
    packed = zstandard.compress(body)
    line = _line(handled(packed, content_encoding="zstd", redelivered=True))
    assert (line.type, line.size, line.properties.content_encoding) == (
        "feed.page",
        len(packed),
        "zstd",
    )
    assert line.properties.redelivered


def test_an_answer_names_its_cause() -> None:
    first, answer = body_of("pos.hello", {}, number=1), body_of("erp.welcome", {}, number=2)
    assert _line(sent(first)).cause is None
    message = json.loads(answer) | {"causation": "x"}
    assert _line(sent(json.dumps(message).encode())).cause == "x"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"Dupont, no message", None),
        (b'"Dupont"', None),
        (b"Dupont", "zstd"),
        (b"\xff\xfe", None),
        (zstandard.compress(b"x" * (5 * 1024 * 1024)), "zstd"),
    ],
)
def test_bytes_that_are_no_message_are_stood_in_for_by_others(
    body: bytes, encoding: str | None
) -> None:
    line = _line(handled(body, content_encoding=encoding))
    again = _line(handled(body, content_encoding=encoding))
    assert line.unreadable in ("malformed", "oversized")
    assert line.message is None
    kept = base64.b64decode(line.body_base64 or "")
    assert b"Dupont" not in kept
    assert line.body_base64 == again.body_base64 != _line(handled(body + b"!")).body_base64
    with pytest.raises(UnicodeDecodeError):
        kept.decode()


def test_lines_are_read_as_they_were_written_in_the_order_of_time(folder: Path) -> None:
    lines = [_line(sent(body_of("customer.added", ADDED, number=n)), n) for n in (1, 2, 4)]
    early = lines[2].model_copy(update={"at": NOON - timedelta(seconds=1)})
    writer = _writer(folder)
    for line in (*lines[:2], early):
        writer.write(line)
    writer.close()
    trace = read_trace([folder])
    assert trace.lines == (early, *lines[:2])
    assert (set(trace.names), trace.gaps) == ({NAMES.id}, 1)


def test_files_begin_anew_and_the_oldest_of_this_node_go(folder: Path) -> None:
    others = folder / file_name("erp-2", NOON - timedelta(days=9), 1)
    others.write_text("of another node")
    line = _line(sent(body_of("customer.added", ADDED)))
    writer = _writer(folder, longest=1_000, most=3)
    for _ in range(20):
        writer.write(line)
    writer.close()
    files = sorted(folder.glob("erp-2*T*.jsonl"))
    assert others.exists()
    assert len([one for one in files if one != others]) == 3
    for file in files:
        if file != others:
            assert file.stat().st_size <= 1_000
            assert Head.model_validate_json(file.read_text().splitlines()[0]).node == "erp"


def test_a_last_line_cut_off_is_left_out_and_a_wrong_one_is_named(folder: Path) -> None:
    writer = _writer(folder)
    for number in (1, 2):
        writer.write(_line(sent(body_of("customer.added", ADDED)), number))
    writer.close()
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    assert len(read_trace([file]).lines) == 1
    file.write_bytes(whole.replace(b'"n":2', b'"n":0'))
    with pytest.raises(WrongTrace, match=r"jsonl:3: n: "):
        read_trace([file])
    head, _, lines = whole.partition(b"\n")
    file.write_bytes(head.replace(b'"trace":1', b'"trace":2') + b"\n" + lines)
    with pytest.raises(WrongTrace, match="a trace of format 2; this program reads format 1"):
        read_trace([file])
    file.write_bytes(b"")
    with pytest.raises(WrongTrace, match="no trace"):
        read_trace([file])


def test_a_file_whose_writer_was_killed_before_its_first_line_hides_no_other(folder: Path) -> None:
    writer = _writer(folder)
    writer.write(_line(sent(body_of("customer.added", ADDED)), 1))
    writer.close()
    (folder / "erp-2.jsonl").write_bytes(b"")
    (folder / "erp-3.jsonl").write_bytes(b'{"trace":1,')
    assert len(read_trace([folder]).lines) == 1


def test_a_reader_ignores_fields_it_does_not_know(folder: Path) -> None:
    file = folder / "a.jsonl"
    line = json.loads(_line(sent(body_of("customer.added", ADDED))).model_dump_json())
    head = json.loads(Head(node="erp", names="x", began=NOON).model_dump_json())
    file.write_text("".join(json.dumps(one | {"later": 1}) + "\n" for one in (head, line)))
    assert len(read_trace([file]).lines) == 1


def test_the_recorder_writes_every_event_and_all_that_waits_when_it_is_closed(folder: Path) -> None:
    recorder = _recorder(folder)
    for number in range(50):
        recorder(sent(body_of("customer.added", ADDED, number=number)))
    recorder.start()
    recorder.close()
    lines = read_trace([folder]).lines
    assert [line.n for line in lines] == list(range(1, 51))
    assert (recorder.lines, recorder.lost) == (50, 0)


def test_what_there_is_no_room_for_is_left_out_and_shows_as_a_gap(folder: Path) -> None:
    event = sent(body_of("customer.added", ADDED))
    size = len(event.what.body) + 512
    recorder = _recorder(folder, waiting_bytes=3 * size)
    for _ in range(5):
        recorder(event)
    written = threading.Event()
    recorder._on_flush = lambda lines: written.set() if lines == 3 else None
    recorder.start()
    assert written.wait(10)
    recorder(event)
    recorder.close()
    trace = read_trace([folder])
    assert ([line.n for line in trace.lines], trace.gaps, recorder.lost) == ([1, 2, 3, 6], 2, 2)


class _FullDisk(TraceWriter):
    def write(self, line: Line) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_ends_the_trace_and_is_told_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = SetClock()
    writer = _FullDisk(folder, lambda: Head(node="erp", names="x", began=clock.now()))
    recorder = Recorder(writer, node="erp", names=NAMES, clock=clock).start()
    event = sent(body_of("customer.added", ADDED))
    for _ in range(3):
        recorder(event)
    recorder.close()
    assert recorder.failed
    recorder(event)
    said = capsys.readouterr()
    assert (said.out + said.err).count("trace ended") == 1


def test_a_message_no_line_can_be_made_of_is_left_out_and_the_next_is_written(folder: Path) -> None:
    recorder = _recorder(folder).start()
    bad = Delivery(body_of("customer.added", ADDED), "x", "y", 1, expiration_ms="soon")  # type: ignore[arg-type]
    recorder(Event("handled", "ok", bad, "q"))
    recorder(sent(body_of("customer.added", ADDED)))
    recorder.close()
    assert (recorder.unwritten, recorder.lines) == (1, 1)


def test_the_switch_off_costs_nothing_and_a_key_that_cannot_be_had_stops_no_node(
    folder: Path,
) -> None:
    assert recorder_or_none(None, "erp", SetClock())[0] is ignore
    key = folder / "wrong.key"
    key.write_text("no key")
    observer, end = recorder_or_none(folder / "trace", "erp", SetClock(), key)
    assert observer is ignore
    end()


def test_the_key_lies_beside_the_folder_and_two_nodes_share_it(folder: Path) -> None:
    trace = folder / "trace"
    body = body_of("customer.added", ADDED)
    for node in ("erp", "pos.lyon-1"):
        recorder = open_recorder(trace, node, SetClock())
        recorder(sent(body))
        recorder.close()
    one, two = read_trace([trace]).lines
    assert one.message == two.message
    assert load_key(key_file(trace, None))
    assert key_file(trace, None).parent == folder
    assert {file.suffix for file in trace.iterdir()} == {".jsonl"}


def test_the_format_is_documented_field_by_field() -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "traces.md").read_text("utf-8")
    fields = {*Head.model_fields, *Line.model_fields, *Properties.model_fields}
    assert [name for name in sorted(fields) if f"`{name}`" not in text] == []
    example = [line for line in text.splitlines() if line.startswith('{"n":')]
    assert Line.model_validate_json(example[0]).type == "customer.edited"


def test_a_file_where_the_folder_should_be_is_named_and_left_alone(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = folder / "x.csv"
    file.write_text("mine")
    observer, _ = recorder_or_none(file, "erp", SetClock())
    said = capfd.readouterr()
    assert observer is ignore
    assert f"{file}: a file, where a folder is needed" in said.out + said.err
    assert "COMPTOIR_TRACE" in said.out + said.err
    assert [one.name for one in folder.iterdir()] == ["x.csv"]
