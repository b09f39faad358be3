"""Looking at traces: conversations, filters, the person's view, counts, the diagram, two runs compared."""

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any, cast
from uuid import UUID
from xml.etree import ElementTree

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ops.__main__ import app
from tests.traces import ADA, BOB, NAMES, NOON, Script, a_search, an_edit, body_of, handled, sent
from traces.chosen import Chosen, choose
from traces.conversations import Conversation, find_conversations
from traces.differ import find_partings
from traces.parted import tell
from traces.shown import show
from traces.stats import count, spread
from traces.svg import MOST_STEPS, draw

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def script() -> Script:
    """An edit, a search, and a sign of life."""
    made = Script()
    an_edit(made)
    a_search(made)
    beat = body_of("erp.beat", {"now": NOON.isoformat(), "interval_s": 3}, number=9, origin="erp")
    made.add(50, "erp", sent(beat, "comptoir.urgent", "all"))
    return made


def _told(conversations: list[Conversation]) -> str:
    written = StringIO()
    console = Console(width=200, file=written)
    for one in show(conversations):
        console.print(one)
    return written.getvalue()


def _types(conversations: list[Conversation]) -> list[str]:
    return [one.first.type for one in conversations]


def test_an_edits_effects_follow_it_to_the_till_that_made_it_and_to_another(script: Script) -> None:
    edit = find_conversations(script.lines)[0]
    assert [(step.line.node, step.line.action, step.link) for step in edit.steps] == [
        ("pos.lyon-1", "sent", ""),
        ("erp", "handled", ""),
        ("erp", "sent", "row"),
        ("erp", "sent", "progress"),
        ("pos.lille-1", "handled", "row"),
        ("pos.lyon-1", "handled", "progress"),
    ]
    assert edit.customers == {str(ADA)}
    assert edit.seconds == pytest.approx(0.014)


def test_progress_beyond_an_entry_is_its_effect_and_progress_before_it_is_not() -> None:
    script = Script()
    an_edit(script, number=1)
    an_edit(script, number=2, at=100)
    one, two = (c for c in find_conversations(script.lines) if c.first.type == "customer.edited")
    told = [{s.line.id for s in c.steps if s.link == "progress"} for c in (one, two)]
    assert told[0] != told[1]
    script.lines = [line for line in script.lines if not (line.id or "").endswith("7d1")]
    one = find_conversations(script.lines)[0]
    assert one.steps[-1].link == "progress"
    assert one.steps[-1].line.at == NOON + timedelta(milliseconds=114)


def test_a_verdict_is_told_with_its_entry() -> None:
    script = Script()
    an_edit(script)
    record = {
        "epoch": "e1",
        "seq": 1,
        "outcome": "refused",
        "code": "code.taken",
        "customer_id": str(ADA),
    }
    row = {"key": "e1/1", "version": 1, "kind": "verdict", "record": record}
    page = {
        "scope": "pos.lyon-1",
        "epoch": "f",
        "prev_seq": 1,
        "to_seq": 2,
        "head": 2,
        "rows": [row],
    }
    told = body_of("feed.page", page, number=77, origin="erp")
    script.add(20, "erp", sent(told, "comptoir.feed", "pos.lyon-1"))
    text = _told(find_conversations(script.lines)[:1])
    assert "refused code.taken" in text


def test_a_question_and_its_answer_are_one_conversation_by_cause_and_correlation(
    script: Script,
) -> None:
    search = next(c for c in find_conversations(script.lines) if c.first.type == "customer.search")
    assert [(s.line.node, s.line.action, s.line.type) for s in search.steps] == [
        ("pos.lyon-1", "sent", "customer.search"),
        ("erp", "sent", "customer.found"),
        ("erp", "answered", "customer.search"),
        ("pos.lyon-1", "handled", "customer.found"),
    ]
    assert search.customers == {str(BOB)}


def test_one_page_given_to_two_tills_that_pull_is_two_conversations() -> None:
    script = Script()
    page = body_of("feed.page", {"scope": "all", "rows": [], "head": 1}, number=5, origin="erp")
    for number, till in enumerate(("lyon-1", "lille-1")):
        pull = body_of("feed.pull", {"scope": "all"}, number=number + 1, origin=f"pos.{till}")
        script.add(number, f"pos.{till}", sent(pull, "comptoir.rpc", "feed", correlation_id=till))
        script.add(number + 5, "erp", sent(page, "", f"pos.{till}.reply", correlation_id=till))
    assert [len(one.steps) for one in find_conversations(script.lines)] == [2, 2]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (Chosen(), ["customer.edited", "customer.search"]),
        (Chosen(customers=(str(ADA)[:8],)), ["customer.edited"]),
        (Chosen(customers=(str(BOB),)), ["customer.search"]),
        (Chosen(types=("customer.*",)), ["customer.edited", "customer.search"]),
        (Chosen(types=("erp.beat",)), ["erp.beat"]),
        (Chosen(tills=("lille-1",)), ["customer.edited"]),
        (Chosen(outcomes=("parked",)), []),
        (Chosen(since=NOON + timedelta(milliseconds=60)), ["customer.search"]),
        (Chosen(until=NOON + timedelta(milliseconds=3)), ["customer.edited"]),
        (Chosen(types=("erp.*",), tills=("lyon-1",)), []),
    ],
)
def test_filters_choose_whole_conversations(
    script: Script, chosen: Chosen, found: list[str]
) -> None:
    assert _types(choose(find_conversations(script.lines), chosen)) == found


def test_the_view_tells_who_did_what_when_and_why(script: Script) -> None:
    text = _told(find_conversations(script.lines))
    assert (
        "12:00:00.000  customer.edited  by pos.lyon-1  customer ada00000  6 steps in 14.0 ms"
        in text
    )
    assert "applied in the ERP" in text
    assert "on its way to tills" in text
    assert "comptoir.journal/lyon-1" in text
    assert "dup lyo" not in text


def test_retries_and_bad_outcomes_are_told() -> None:
    script = Script()
    body = body_of("customer.added", {"customer_id": str(ADA)}, epoch="e", seq=3, key=str(ADA))
    script.add(0, "pos.lyon-1", sent(body))
    script.add(1, "erp", handled(body, outcome="retry"))
    script.add(9, "erp", handled(body, outcome="parked", attempt=2, redelivered=True))
    text = _told(find_conversations(script.lines))
    assert "handled retry" in text
    assert "handled parked (attempt 2)" in text
    assert "redelivered" in text
    (added,) = count(script.lines)
    assert (added.messages, added.retries, added.redelivered) == (1, 2, 1)
    assert added.outcomes == {"sent ok": 1, "handled retry": 1, "handled parked": 1}


def test_stats_count_messages_rates_and_latencies_of_each_type(script: Script) -> None:
    stats = {one.type: one for one in count(script.lines)}
    assert stats["feed.page"].messages == 2
    assert stats["feed.page"].on_the_way.count == 2
    assert stats["feed.page"].on_the_way.longest == pytest.approx(0.004)
    assert stats["customer.search"].question.median == pytest.approx(0.009)
    assert stats["customer.edited"].per_second == pytest.approx(1 / 0.109)
    assert stats["customer.edited"].bytes == script.lines[0].size
    assert count([]) == []


def test_a_spread_names_the_middle_and_the_ends() -> None:
    found = spread([float(n) for n in range(101)])
    assert (found.count, found.median, found.p95, found.longest) == (101, 50.0, 95.0, 100.0)


def test_the_diagram_is_xml_with_a_lifeline_for_each_node_and_an_arrow_for_each_message(
    script: Script,
) -> None:
    conversations = [c for c in find_conversations(script.lines) if c.first.type != "erp.beat"]
    root = ElementTree.fromstring(draw(conversations))
    texts = [one.text or "" for one in root.iter(f"{SVG}text")]
    nodes = [one.text for one in root.iter(f"{SVG}text") if one.get("class") == "node"]
    assert nodes == ["erp", "pos.lille-1", "pos.lyon-1"]
    assert len(list(root.iter(f"{SVG}line"))) == 3
    assert any("customer.edited" in text for text in texts)
    assert all(one.get("d") for one in root.iter(f"{SVG}path"))


def test_the_diagram_of_a_bad_outcome_shows_it_and_any_text_is_escaped() -> None:
    script = Script()
    asked = body_of("customer.search", {"criteria": {"phrase": "<&\u0001"}}, number=1)
    script.add(0, "pos.a", sent(asked, "comptoir.rpc", "search", outcome="returned"))
    root = ElementTree.fromstring(draw(find_conversations(script.lines)))
    assert any("sent returned" in (one.text or "") for one in root.iter(f"{SVG}text"))
    assert any("bad" in (one.get("class") or "") for one in root.iter(f"{SVG}path"))


def test_a_diagram_too_long_to_read_says_what_it_leaves_out() -> None:
    script = Script()
    for number in range(MOST_STEPS + 7):
        script.add(number, "erp", sent(body_of("erp.beat", {}, number=number), outcome="returned"))
    assert "… and 7 more" in draw(find_conversations(script.lines))
    ElementTree.fromstring(draw([]))


def _other_ids(script: Script) -> Script:
    """The same run with other ids and at another time."""
    other = Script()
    for line in script.lines:
        message = None
        if line.message is not None:
            id_ = line.message["id"].replace("00000000-0000-0000", "12345678-0000-4000")
            message = line.message | {"id": id_}
        update = {"at": line.at + timedelta(days=1), "message": message}
        other.lines.append(line.model_copy(update=update))
    return other


def test_runs_that_differ_in_ids_and_times_alone_are_alike(script: Script) -> None:
    other = _other_ids(script)
    assert find_partings(script.lines, other.lines) == []
    assert list(tell([], script.lines, other.lines)) == ["alike: 11 and 11 lines"]


def test_signs_of_life_count_only_when_asked_for(script: Script) -> None:
    without = [line for line in script.lines if line.type != "erp.beat"]
    assert find_partings(script.lines, without) == []
    (parting,) = find_partings(script.lines, without, background=True)
    assert parting.why == "only in A: erp.beat"


def test_runs_part_at_one_known_message_and_the_value_is_named() -> None:
    one, two = Script(), Script()
    an_edit(one)
    an_edit(two)
    a_search(one, phrase="dup lyo")
    a_search(two, phrase="dup lil")
    an_edit(one, at=300, number=2)
    an_edit(two, at=300, number=2, outcome="parked")
    first, *others = find_partings(one.lines, two.lines)
    assert first.stream == ("pos.lyon-1", "sent", "publisher")
    assert first.place == 2
    assert [d.where for d in first.differences] == ["message.data.criteria.phrase"]
    text = "\n".join(tell([first, *others], one.lines, two.lines))
    assert text.startswith(
        "they part at pos.lyon-1, sent at publisher, number 2: customer.search: "
    )
    assert "outcome is ok in A, parked in B" in text
    assert "both  +0.0 ms sent ok customer.edited e1/1" in text


def test_a_run_that_ends_early_or_says_something_else_is_told() -> None:
    one, two = Script(), Script()
    an_edit(one)
    two.lines = one.lines[:-1]
    (parting,) = find_partings(one.lines, two.lines)
    assert parting.why.startswith("only in A: feed.page pos.lyon-1")
    two.lines = [
        *one.lines[:-1],
        one.lines[-1].model_copy(update={"message": {"type": "erp.beat", "data": {"rows": 1}}}),
    ]
    (parting,) = find_partings(one.lines, two.lines, background=True)
    assert parting.why == "another message: feed.page in A, erp.beat in B"


def _run(*argv: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["trace", *argv])
    assert done.exit_code == code, done.output
    return done.output


def test_trace_show_prints_filters_and_draws(script: Script, folder: Path) -> None:
    file = str(script.write(folder))
    assert "customer.edited" in _run("show", file)
    assert "erp.beat" not in _run("show", file)
    assert "erp.beat" in _run("show", file, "--all")
    only = _run("show", file, "--customer", str(BOB), "--till", "lyon-1", "--type", "customer.*")
    assert "customer.search" in only
    assert "customer.edited" not in only
    said = _run("show", file, "--outcome", "parked").splitlines()
    assert said[:2] == [
        "no lines match",
        "--outcome parked: in no line; there are ok",
    ]
    assert said[2] == "signs of life and sweeps are shown with --all"
    assert "customer.edited" not in _run("show", file, "--since", "2026-03-04T12:00:01")
    assert "customer.edited" in _run("show", file, "--until", "2026-03-04T12:00:01")
    assert "and 1 more" in _run("show", file, "--limit", "1")
    assert "customer.edited" not in _run("show", file, "--since", "12:00:01.5")
    assert "customer.edited" in _run("show", file, "--since", "2026-03-04 12:00")
    assert "is no time such as" in _run("show", file, "--since", "noon", code=2)
    drawing = folder / "a.svg"
    assert "2 conversations" in _run("show", file, "--svg", str(drawing))
    ElementTree.parse(drawing)
    assert "1 conversation\n… and 1 more" in _run(
        "show", file, "--svg", str(drawing), "--limit", "1"
    )


def test_trace_stats_prints_a_row_for_each_type(script: Script, folder: Path) -> None:
    script.write(folder)
    text = _run("stats", str(folder))
    assert "customer.search" in text
    assert "11 of 11 lines, 2026-03-04 12:00:00 to 12:00:00 UTC" in text


def test_trace_diff_ends_with_one_when_runs_part(script: Script, folder: Path) -> None:
    one = script.write(folder / "one")
    other = _other_ids(script)
    two = other.write(folder / "two")
    assert "alike" in _run("diff", str(one), str(two))
    an_edit(other, at=500, number=3, outcome="parked")
    three = other.write(folder / "three")
    assert "they part at" in _run("diff", str(one), str(three), code=1)


def test_a_diagram_that_cannot_be_written_and_a_choice_that_fits_nothing_are_told_in_a_line(
    script: Script, folder: Path
) -> None:
    trace = str(script.write(folder / "one"))
    nowhere = str(folder / "none" / "t.svg")
    said = _run("show", trace, "--svg", nowhere, code=1)
    assert said == f"comptoir trace show: {nowhere}: No such file or directory\n"
    assert "--type nosuch: in no line; there are customer.edited," in _run(
        "show", trace, "--type", "nosuch"
    )


def test_a_trace_without_lines_is_not_compared(script: Script, folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    said = _run("diff", str(empty), str(script.write(folder / "one")), code=2)
    assert said == f"comptoir trace diff: {empty}: no lines\n"


def test_one_of_a_thing_is_told_as_one() -> None:
    only = Script()
    beat = body_of("erp.beat", {"now": NOON.isoformat(), "interval_s": 3}, number=9, origin="erp")
    only.add(50, "erp", sent(beat, "comptoir.urgent", "all"))
    assert "  1 step in 0.0 ms" in _told(find_conversations(only.lines))


def test_what_is_no_trace_is_named(folder: Path) -> None:
    file = folder / "no.jsonl"
    file.write_text("something else\n")
    assert "no.jsonl:1: line: Invalid JSON" in _run("show", str(file), code=2)


@pytest.mark.parametrize(
    ("argv", "said", "code"),
    [
        (("f",), "COMPTOIR_TRACE=FOLDER", 2),
        (("f", "--outside"), "--amqp-url", 2),
        (
            ("f", "--outside", "--amqp-url", "amqp://127.0.0.1:9", "--admin-url", "http://127.0.0.1:9"),
            "not reachable",
            1,
        ),
    ],
)  # fmt: skip
def test_trace_record_says_in_one_line_what_it_lacks(
    argv: tuple[str, ...], said: str, code: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COMPTOIR_AMQP_URL", "COMPTOIR_AMQP_ADMIN_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder)
    text = _run("record", *argv, code=code)
    assert said in text
    assert len(text.splitlines()) == 1


def test_a_trace_of_the_bus_alone_is_drawn_from_its_senders() -> None:
    script = Script()
    body = body_of("customer.added", {"customer_id": str(ADA)}, epoch="e", seq=3, key=str(ADA))
    script.add(0, "bus", handled(body, "comptoir.journal", action=cast(Any, "seen")))
    drawing = draw(find_conversations(script.lines))
    root = ElementTree.fromstring(drawing)
    names = [one.text for one in root.iter() if one.get("class") == "node"]
    assert names == ["bus", "pos.lyon-1"]
    assert drawing.count("marker-end") == 1


def test_a_lock_of_a_card_shows_which_card_and_what_came_of_it(folder: Path) -> None:
    script, number = Script(), "2900012345"
    asked = {"customer_id": str(ADA), "card": {"number": number, "type": "plastic"}}
    granted: dict[str, Any] = {"number": number, "token": 7, "lasts_s": 60.0}
    refused = {"number": number, "refusal": "card.locked", "params": {}}
    for place, answer in enumerate((granted, refused)):
        ask, reply = 2 * place + 1, 2 * place + 2
        question = body_of("card.lock", asked, number=ask)
        told = body_of("card.locked", answer, number=reply, origin="erp", causation=UUID(int=ask))
        script.add(10 * place, "pos.lyon-1", sent(question, "comptoir.rpc", "card"))
        script.add(10 * place + 5, "pos.lyon-1", handled(told, "pos.lyon-1.reply"))
    file = str(script.write(folder))
    masked = NAMES.number(number)
    said = _run("show", file, "--card", masked)
    assert f"card.locked  {masked}  token 7" in said
    assert f"card.locked  {masked}  refused card.locked" in said
    assert f"--card {number}: in no line; there are {masked}" in _run(
        "show", file, "--card", number
    )
