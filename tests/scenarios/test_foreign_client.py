"""A client in another language at the real ERP: a till that knows only what `comptoir asyncapi` prints."""

import asyncio
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from contracts.asyncapi import document
from contracts.search import CustomersFound
from tests.node_tools import NodeTools, node_tools
from tests.scenarios.conftest import Stage

__all__ = ["node_tools"]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def till_amqp_url(stage: Stage) -> str:
    """The address of a till that is enrolled and not running: the foreign client is that till."""
    till = await stage.system.add_till("foreign", stage.nodes[0].centre)
    enrolment = till.folder.parent / f"{till.pos_id}.toml"
    return str(tomllib.loads(enrolment.read_text("utf-8"))["amqp_url"])


async def _search(tools: NodeTools, path: Path, url: str, phrase: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *tools.command("online_search.mjs", str(path), url, phrase),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, error = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()
        raise
    assert (process.returncode, error) == (0, b"")
    answer: dict[str, Any] = json.loads(out)
    assert answer["type"] == "customer.found"
    return answer


async def test_search_6_search_7_search_8_a_foreign_client_gets_the_erps_outcomes(
    stage: Stage, till_amqp_url: str, node_tools: NodeTools, folder: Path
) -> None:
    path = folder / "asyncapi.json"
    path.write_text(json.dumps(document(), ensure_ascii=False), "utf-8")
    made = await stage.admin.send(
        "POST",
        "/customers",
        json={
            "record": {
                "kind": "retail",
                "code": "NODE-1",
                "first_name": "Zoé",
                "last_name": "Łabędź-O'Neill",
            },
            "everywhere": False,
            "centres": [stage.nodes[1].centre],
        },
    )
    found = CustomersFound.model_validate(
        (await _search(node_tools, path, till_amqp_url, "oneill labedz"))["data"]
    )
    assert found.outcome == "found"
    assert [(str(row.id), row.usable, row.editable) for row in found.rows] == [
        (made["id"], False, False)
    ]
    for phrase, outcome in (("zzz nobody", "none"), ("l", "too_many")):
        answer = await _search(node_tools, path, till_amqp_url, phrase)
        assert CustomersFound.model_validate(answer["data"]) == CustomersFound(outcome=outcome)
