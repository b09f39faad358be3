"""The AsyncAPI document: complete, true to the code, valid for the official parser."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from contracts import topology
from contracts.asyncapi import document
from contracts.envelope import Headers
from contracts.registry import MESSAGES, MessageType, decode
from contracts.topology import TillAddress
from ops.process import run_command
from tests.node_tools import NodeTools, node_tools

__all__ = ["node_tools"]

Json = dict[str, Any]
EACH = [pytest.param(message, id=message.name) for message in MESSAGES.values()]
TILL = TillAddress("{pos_id}", "{centre}")


@pytest.fixture(scope="module")
def described() -> Json:
    return document()


def follow(described: Json, node: Json) -> Json:
    """What a reference leads to."""
    while "$ref" in node:
        steps = node["$ref"].removeprefix("#/").split("/")
        node = described
        for step in steps:
            node = node[step]
    return node


def _operations(described: Json, action: str, who: str, name: str) -> list[Json]:
    return [
        one
        for one in described["operations"].values()
        if one["action"] == action
        and one["tags"] == [{"name": who}]
        and name in [follow(described, message)["name"] for message in one["messages"]]
    ]


@pytest.mark.timeout(400)
def test_asyncapi_the_official_parser_finds_no_error(
    described: Json, node_tools: NodeTools, folder: Path
) -> None:
    path = folder / "asyncapi.json"
    path.write_text(json.dumps(described, ensure_ascii=False), "utf-8")
    done = node_tools.run("parse_asyncapi.mjs", str(path))
    told = json.loads(done.stdout)
    assert [one for one in told["diagnostics"] if one["severity"] in ("error", "warning")] == []
    assert done.returncode == 0, done.stderr
    assert told["version"] == "3.0.0"
    assert set(told["operations"]) == set(described["operations"])
    assert set(told["messages"]) == set(MESSAGES)


@pytest.mark.timeout(400)
def test_asyncapi_the_official_parser_would_find_an_error(
    node_tools: NodeTools, folder: Path
) -> None:
    path = folder / "asyncapi.json"
    path.write_text('{"asyncapi": "3.0.0", "info": {"title": "no version"}}', "utf-8")
    done = node_tools.run("parse_asyncapi.mjs", str(path))
    assert done.returncode == 1
    assert "version" in done.stdout


def test_asyncapi_every_reference_leads_somewhere(described: Json) -> None:
    refs = set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(described)))
    assert len(refs) > 100
    for ref in refs:
        assert ref.startswith("#/")
        assert follow(described, {"$ref": ref}), ref


@pytest.mark.parametrize("message", EACH)
def test_asyncapi_every_message_is_described_sent_and_received(
    described: Json, message: MessageType
) -> None:
    other = {"pos": "erp", "erp": "till"}[message.sender]
    sender = {"pos": "till", "erp": "erp"}[message.sender]
    made = described["components"]["messages"][message.name]
    assert made["summary"]
    assert made["examples"]
    if message.way == "answer":
        replies = [
            one["reply"]["messages"] for one in described["operations"].values() if "reply" in one
        ]
        assert any(
            message.name in [follow(described, one)["name"] for one in some] for some in replies
        )
    else:
        assert len(_operations(described, "send", sender, message.name)) == 1
        assert len(_operations(described, "receive", other, message.name)) == 1


@pytest.mark.parametrize("message", EACH)
def test_asyncapi_examples_fit_their_schemas_and_are_messages(
    described: Json, message: MessageType
) -> None:
    made = described["components"]["messages"][message.name]
    validator = Draft7Validator({**described, "allOf": [made["payload"]]})
    for example in made["examples"]:
        assert [error.message for error in validator.iter_errors(example["payload"])] == []
        assert decode(json.dumps(example["payload"]).encode()).headers.type == message.name
        for name in (
            "type",
            "data",
            *(n for n, info in Headers.model_fields.items() if info.is_required()),
        ):
            less = {n: v for n, v in example["payload"].items() if n != name}
            assert not validator.is_valid(less), name


def test_asyncapi_a_schema_refuses_what_the_code_refuses(described: Json) -> None:
    made = described["components"]["messages"]["customer.search"]
    validator = Draft7Validator({**described, "allOf": [made["payload"]]})
    payload = made["examples"][0]["payload"]
    for wrong in (
        {**payload, "origin": "admin"},
        {**payload, "type": "customer.fetch"},
        {**payload, "version": 2},
        {**payload, "data": {}},
        {**payload, "data": {"criteria": {"phrase": "x" * 201}}},
        {**payload, "data": {"criteria": {"column": "shoe_size"}}},
    ):
        assert not validator.is_valid(wrong), wrong


def test_asyncapi_channels_are_where_the_topology_has_them(described: Json) -> None:
    erp = topology.erp_topology()
    exchanges = {one.name: one.kind for one in erp.exchanges}
    queues = {one.name for one in erp.queues} | {
        TILL.feed_queue,
        TILL.urgent_queue,
        TILL.reply_queue,
    }
    for name, channel in described["channels"].items():
        binding = channel["bindings"]["amqp"]
        if binding["is"] == "queue":
            queue = binding["queue"]["name"].replace("{partition}", "0")
            assert queue in queues, name
            assert channel["address"] == binding["queue"]["name"]
        else:
            assert exchanges[binding["exchange"]["name"]] == binding["exchange"]["type"], name
    asked = {
        channel["address"]
        for name, channel in described["channels"].items()
        if channel["bindings"]["amqp"].get("exchange", {}).get("name") == topology.RPC
    }
    assert asked == set(topology.QUESTIONS)


def test_asyncapi_tells_the_limits_of_queues(described: Json) -> None:
    told = {name: one["description"] for name, one in described["channels"].items()}
    for name in ("till.feed", "till.urgent", "till.reply", "erp.journal", "erp.rpc.search"):
        assert "Limits: " in told[name], name
    assert "message-ttl 30000" in told["till.reply"]


def test_search_4_asking_is_described_with_all_that_is_needed(described: Json) -> None:
    (asking,) = _operations(described, "send", "till", "customer.search")
    channel = follow(described, asking["channel"])
    assert channel["bindings"]["amqp"]["exchange"]["name"] == topology.RPC
    assert channel["address"] == "search"
    assert asking["bindings"]["amqp"]["userId"] == TILL.user
    assert asking["bindings"]["amqp"]["expiration"] == 10_000
    assert asking["bindings"]["amqp"]["mandatory"] is True
    assert follow(described, asking["reply"]["channel"])["address"] == TILL.reply_queue
    replies = [follow(described, one)["name"] for one in asking["reply"]["messages"]]
    assert replies == ["customer.found", "erp.refused"]
    (message,) = (follow(described, one) for one in asking["messages"])
    assert message["correlationId"]["location"] == "$message.header#/correlation_id"
    assert set(follow(described, message["headers"])["required"]) == {
        "user_id",
        "correlation_id",
        "expiration",
    }


def test_i10_asyncapi_tells_the_rights_of_a_till(described: Json) -> None:
    scheme = described["components"]["securitySchemes"]["till"]
    mine = {name: right.replace("{pos_id}", "lyon-1") for name, right in scheme["x-rights"].items()}
    rights = TillAddress("lyon-1", "lyon").rights
    assert mine == {"configure": rights.configure, "write": rights.write, "read": rights.read}
    for operation in described["operations"].values():
        who = operation["tags"][0]["name"]
        assert operation["security"] == [{"$ref": f"#/components/securitySchemes/{who}"}]


def test_sync_asyncapi_says_that_pages_are_compressed(described: Json) -> None:
    page = described["components"]["messages"]["feed.page"]
    assert page["bindings"]["amqp"]["contentEncoding"] == "zstd"
    properties = follow(described, page["headers"])["properties"]
    assert properties["content_encoding"]["enum"] == ["zstd"]


def test_asyncapi_node_packages_are_locked_without_naming_a_registry() -> None:
    lock = json.loads(
        (Path(__file__).parent.parent / "node" / "package-lock.json").read_text("utf-8")
    )
    packages = [one for name, one in lock["packages"].items() if name]
    assert packages
    assert all(one["integrity"].startswith("sha512-") for one in packages)
    assert not any("resolved" in one for one in packages)


async def test_asyncapi_that_cannot_be_written_is_one_line(folder: Path) -> None:
    output = folder / "nowhere" / "x"
    code, _, err = await run_command(["asyncapi", "--output", str(output)], {})
    assert code == 1
    assert err == f"comptoir asyncapi: {output}: No such file or directory\n"
