"""A running system that records: what every node said, with cause and effect, and without a name in it."""

import os
from pathlib import Path
from subprocess import DEVNULL, run
from sys import executable

import pytest

from ops.clients import until
from ops.services import Services
from tests.scenarios.conftest import MakeStage, Stage
from traces.conversations import Conversation, find_conversations
from traces.inside import key_file
from traces.pseudonyms import Pseudonyms, load_key
from traces.reading import read_trace

pytestmark = pytest.mark.timeout(300)

NAME = "Quetzalcoatl"


@pytest.fixture
async def recorded(
    make_stage: MakeStage, services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Stage:
    """A system whose nodes all record into one folder."""
    monkeypatch.setenv("COMPTOIR_TRACE", str(folder / "trace"))
    return await make_stage(services)


async def test_every_node_records_an_edit_a_search_and_their_effects_without_a_name(
    recorded: Stage, folder: Path
) -> None:
    till, trace = recorded.tills[0], folder / "trace"
    row = (await till.get("/customers", limit=1))["rows"][0]
    edit = {"extra_phone": "+33 6 12 34 56 78", "academic_title": NAME}
    await till.send("PATCH", f"/customers/{row['id']}", json=edit)
    await till.send("POST", "/searches", json={"phrase": NAME.lower()})

    def told() -> list[Conversation]:
        return find_conversations(read_trace([trace]).lines)

    async def look() -> tuple[list[Conversation], list[Conversation]]:
        found = told()
        edits = [c for c in found if c.first.type == "customer.edited" and row["id"] in c.customers]
        searches = [c for c in found if c.first.type == "customer.search"]
        return edits, searches

    (edits, searches) = await until(
        look, lambda seen: _is_edit(seen[0]) and _is_search(seen[1]), "the trace", timeout=60
    )
    names = Pseudonyms(load_key(key_file(trace, None)))
    assert searches[0].first.data["criteria"]["phrase"] == names.text(NAME.lower())
    assert {line.node for line in read_trace([trace]).lines} >= {
        "erp", *(f"pos.{node.pos_id}" for node in recorded.nodes)
    }  # fmt: skip
    text = b"".join(file.read_bytes() for file in trace.iterdir()).lower()
    assert NAME.lower().encode() not in text
    assert b"12 34 56 78" not in text
    assert edits[0].first.origin == f"pos.{recorded.nodes[0].pos_id}"
    assert _commanded("show", str(trace), "--customer", row["id"])
    assert "customer.search" in _commanded("stats", str(trace))


def _is_edit(edits: list[Conversation]) -> bool:
    """Sent by the till, applied by the ERP, told to the till, and its row on the way to tills."""
    steps = {(s.line.node == "erp", s.line.action, s.link) for one in edits[:1] for s in one.steps}
    return steps >= {
        (False, "sent", ""), (True, "handled", ""), (True, "sent", "row"), (False, "handled", "row"),
        (True, "sent", "progress"), (False, "handled", "progress"),
    }  # fmt: skip


def _is_search(searches: list[Conversation]) -> bool:
    """Asked, answered, and the answer taken."""
    steps = [(s.line.action, s.line.type) for one in searches[:1] for s in one.steps]
    return sorted(steps) == [
        ("answered", "customer.search"), ("asked", "customer.search"), ("handled", "customer.found"),
        ("sent", "customer.found"), ("sent", "customer.search"),
    ]  # fmt: skip


def _commanded(*argv: str) -> str:
    """What `comptoir trace …` prints."""
    done = run(
        [executable, "-m", "ops", "trace", *argv],
        stdin=DEVNULL, capture_output=True, text=True, env=os.environ, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
