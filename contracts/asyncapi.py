"""The AsyncAPI 3 document of everything that travels, made from the registry, the topology and the models.

It says all that a client in another language needs; nothing in it is written twice by hand.
"""

import re
from collections.abc import Iterable
from typing import Any

from contracts import asyncapi_guide as guide
from contracts.asyncapi_messages import AMQP_BINDING, all_messages, all_schemas, component_ref
from contracts.registry import MESSAGES, MessageType, Way
from contracts.topology import (
    DEAD_QUEUE,
    FEED,
    JOURNAL,
    REPLIES,
    URGENT,
    TillAddress,
    erp_topology,
    question_queue,
)

VERSION = "1.0.0"
"""Grows with every change of the document; the first number with changes that break readers."""

REFUSED = "erp.refused"
POS_ID = "{pos_id}"
_TILL = TillAddress(POS_ID, "{centre}")
_REPLY_CHANNEL = "till.reply"

Json = dict[str, Any]


def document() -> Json:
    """The AsyncAPI 3.0.0 document as JSON values. Reads the golden samples: its examples."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:comptoir:bus",
        "info": {
            "title": "Comptoir: customers between one ERP and its tills",
            "version": VERSION,
            "description": guide.INTRODUCTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "tags": [{"name": name, "description": text} for name, text in guide.TAGS.items()],
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "messages": all_messages(),
            "schemas": all_schemas(),
            "parameters": _parameters(),
            "securitySchemes": _security(),
        },
    }


def _server() -> Json:
    return {
        "host": "{host}:{port}",
        "pathname": "/{vhost}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": guide.SERVER,
        "variables": {
            "host": {"default": "localhost", "description": "the broker's host"},
            "port": {"default": "5672", "description": "5671 with TLS (protocol amqps)"},
            "vhost": {"default": "comptoir", "description": "the virtual host, percent-encoded"},
        },
        "security": [
            {"$ref": "#/components/securitySchemes/till"},
            {"$ref": "#/components/securitySchemes/erp"},
        ],
    }


def _security() -> Json:
    rights = _TILL.rights
    return {
        "till": {
            "type": "userPassword",
            "description": guide.TILL_USER,
            "x-user": _TILL.user,
            "x-rights": {"configure": rights.configure, "write": rights.write, "read": rights.read},
        },
        "erp": {"type": "userPassword", "description": guide.ERP_USER},
    }


def _parameters() -> Json:
    return {name: {"description": text} for name, text in guide.PARAMETERS.items()}


def _channels() -> Json:
    """What is published to (exchange and routing key) and what is consumed from (queues)."""
    return {
        **_published("feed", FEED, "topic", "{scope}", _named(("feed",))),
        **_published("urgent", URGENT, "topic", "{scope}", _named(("urgent",))),
        **_published("journal", JOURNAL, "direct", POS_ID, _named(("journal",))),
        **{
            name: channel
            for key, asked in _questions().items()
            for name, channel in _published(
                f"rpc.{key}", asked[0].exchange, "direct", key, asked
            ).items()
        },
        **_consumed("till.feed", _TILL.feed_queue, _named(("feed",))),
        **_consumed("till.urgent", _TILL.urgent_queue, _named(("urgent",))),
        **_consumed(_REPLY_CHANNEL, _TILL.reply_queue, _answers()),
        **_consumed("erp.journal", "erp.journal.{partition}", _named(("journal",))),
        **{
            name: channel
            for key, asked in _questions().items()
            for name, channel in _consumed(f"erp.rpc.{key}", question_queue(key), asked).items()
        },
        **_consumed("dead", DEAD_QUEUE, MESSAGES.values()),
    }


def _named(ways: tuple[Way, ...]) -> list[MessageType]:
    return [message for message in MESSAGES.values() if message.way in ways]


def _questions() -> dict[str, list[MessageType]]:
    """Questions by their routing key."""
    found: dict[str, list[MessageType]] = {}
    for message in _named(("question",)):
        found.setdefault(message.address, []).append(message)
    return found


def _answers() -> list[MessageType]:
    names = dict.fromkeys(answer for message in _named(("question",)) for answer in message.answers)
    return [MESSAGES[name] for name in (*names, REFUSED)]


def _published(
    name: str, exchange: str, kind: str, key: str, messages: Iterable[MessageType]
) -> dict[str, Json]:
    binding = {
        "is": "routingKey",
        "exchange": {"name": exchange, "type": kind, "durable": True, "autoDelete": False},
        **AMQP_BINDING,
    }
    text = f"Exchange `{exchange}` ({kind}), routing key `{key}`."
    return {name: _channel(key, text, messages, binding)}


def _consumed(name: str, queue: str, messages: Iterable[MessageType]) -> dict[str, Json]:
    binding = {
        "is": "queue",
        "queue": {"name": queue, "durable": True, "exclusive": False, "autoDelete": False},
        **AMQP_BINDING,
    }
    text = (
        f"Queue `{queue}`. The ERP declares it: consume from it, never declare it. {_limits(queue)}"
    )
    return {name: _channel(queue, text.strip(), messages, binding)}


def _channel(address: str, text: str, messages: Iterable[MessageType], binding: Json) -> Json:
    parameters = {
        name: {"$ref": f"#/components/parameters/{name}"}
        for name in guide.PARAMETERS
        if f"{{{name}}}" in address
    }
    channel: Json = {
        "address": address,
        "description": text,
        "messages": {one.name: {"$ref": component_ref("messages", one.name)} for one in messages},
        "bindings": {"amqp": binding},
    }
    return {**channel, "parameters": parameters} if parameters else channel


def _limits(queue: str) -> str:
    """What the policy of a queue says, in words."""
    for policy in erp_topology().policies:
        if re.search(policy.pattern, queue):
            told = ", ".join(f"{name} {value}" for name, value in policy.definition.items())
            return f"Limits: {told}."
    return ""


def _operations() -> Json:
    """What a till does, and what the ERP does."""
    found: Json = {}
    for message in MESSAGES.values():
        match message.way:
            case "question":
                found[f"till.ask.{message.name}"] = _ask(message)
                found[f"erp.answer.{message.name}"] = _answer(message)
            case "journal":
                found[f"till.send.{message.name}"] = _till_sends(message)
                found[f"erp.receive.{message.name}"] = _receive(message, "erp.journal", "erp")
            case "feed" | "urgent":
                found[f"erp.send.{message.name}"] = _operation("send", message, message.way, "erp")
                found[f"till.receive.{message.name}"] = _receive(
                    message, f"till.{message.way}", "till"
                )
    return found


def _operation(action: str, message: MessageType, channel: str, who: str, **more: Any) -> Json:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": message.summary,
        "tags": [{"name": who}],
        "security": [{"$ref": f"#/components/securitySchemes/{who}"}],
        "messages": [_in_channel(channel, message.name)],
        **more,
    }


def _ask(message: MessageType) -> Json:
    binding = {
        "userId": _TILL.user,
        "expiration": guide.DEADLINE_MS,
        "deliveryMode": 1,
        "mandatory": True,
        **AMQP_BINDING,
    }
    return _operation(
        "send", message, f"rpc.{message.address}", "till",
        description=guide.asking(message.name, message.answers),
        bindings={"amqp": binding},
        reply=_reply(message),
    )  # fmt: skip


def _answer(message: MessageType) -> Json:
    return _operation(
        "receive", message, f"erp.rpc.{message.address}", "erp",
        description=guide.ANSWERING,
        bindings={"amqp": {"ack": True, **AMQP_BINDING}},
        reply=_reply(message),
    )  # fmt: skip


def _reply(message: MessageType) -> Json:
    """Answers come through the default exchange to the queue of the user that the broker vouched for."""
    assert all(MESSAGES[name].exchange in (REPLIES, FEED) for name in message.answers)
    names = (*message.answers, REFUSED)
    return {
        "channel": {"$ref": f"#/channels/{_REPLY_CHANNEL}"},
        "messages": [_in_channel(_REPLY_CHANNEL, name) for name in names],
    }


def _till_sends(message: MessageType) -> Json:
    binding = {"userId": _TILL.user, "deliveryMode": 2, "mandatory": True, **AMQP_BINDING}
    return _operation(
        "send", message, "journal", "till", description=guide.JOURNAL, bindings={"amqp": binding}
    )


def _receive(message: MessageType, channel: str, who: str) -> Json:
    return _operation(
        "receive", message, channel, who, bindings={"amqp": {"ack": True, **AMQP_BINDING}}
    )


def _in_channel(channel: str, message: str) -> Json:
    return {"$ref": f"#/channels/{channel}/messages/{message}"}
