"""Messages and schemas of the AsyncAPI document: the envelope around each model, AMQP properties, golden samples."""

import json
from importlib import resources
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from contracts import asyncapi_guide as guide
from contracts.envelope import Headers
from contracts.registry import MESSAGES, MessageType, Way

AMQP_BINDING = {"bindingVersion": "0.3.0"}

Json = dict[str, Any]

_SCHEMA_REF = "#/components/schemas/{model}"
_SAMPLES = ("minimal", "full")


def component_ref(kind: str, name: str) -> str:
    """The reference of a component."""
    return f"#/components/{kind}/{name}"


def all_messages() -> Json:
    """Every message by its name."""
    return {name: _message(message) for name, message in MESSAGES.items()}


def all_schemas() -> Json:
    """The schemas of all models, the envelope's fields, and the properties of AMQP."""
    models: list[type[BaseModel]] = [Headers, *(message.model for message in MESSAGES.values())]
    refs, made = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)], ref_template=_SCHEMA_REF
    )
    schemas = made["$defs"]
    names = {model: _name_of(ref) for (model, _), ref in refs.items()}
    assert all(names[model] == model.__name__ for model in models)
    properties = {_properties_name(way): _properties(way) for way in guide.PROPERTIES}
    return {name: _plain(schema) for name, schema in schemas.items()} | properties


def _name_of(ref: Any) -> str:
    return str(ref["$ref"]).rpartition("/")[2]


def _plain(schema: Any) -> Any:
    """AsyncAPI's own schema language has another `discriminator`; the constant of each part tells as much."""
    if isinstance(schema, dict):
        return {name: _plain(part) for name, part in schema.items() if name != "discriminator"}
    return [_plain(part) for part in schema] if isinstance(schema, list) else schema


def _message(message: MessageType) -> Json:
    made: Json = {
        "name": message.name,
        "title": message.summary,
        "summary": message.summary,
        "description": (message.model.__doc__ or "").strip(),
        "contentType": "application/json",
        "headers": {"$ref": component_ref("schemas", _properties_name(message.way))},
        "payload": _payload(message),
        "bindings": {"amqp": {"messageType": message.name, **_encoding(message), **AMQP_BINDING}},
        "examples": _examples(message),
    }
    if message.answers or _is_answer(message):
        made["correlationId"] = {
            "location": "$message.header#/correlation_id",
            "description": guide.CORRELATION,
        }
    return made


def _is_answer(message: MessageType) -> bool:
    return message.way == "answer" or any(message.name in one.answers for one in MESSAGES.values())


def _payload(message: MessageType) -> Json:
    """The envelope with this message's type and data."""
    return {
        "type": "object",
        "allOf": [{"$ref": component_ref("schemas", Headers.__name__)}],
        "properties": {
            "type": {"const": message.name},
            "version": {"const": message.version},
            "data": {"$ref": component_ref("schemas", message.model.__name__)},
        },
        "required": ["type", "data"],
    }


def _encoding(message: MessageType) -> Json:
    return {"contentEncoding": "zstd"} if message.name == "feed.page" else {}


def _examples(message: MessageType) -> list[Json]:
    """The golden samples of the message's version."""
    folder = resources.files("contracts") / "samples" / f"v{message.version}"
    read = json.loads((folder / f"{message.name}.json").read_text("utf-8"))
    return [
        {"name": name, "summary": guide.SAMPLES[name], "payload": read[name]} for name in _SAMPLES
    ]


def _properties_name(way: Way) -> str:
    return f"AmqpProperties.{way}"


def _properties(way: Way) -> Json:
    """The basic properties of AMQP that messages of one way carry."""
    required, optional = guide.PROPERTIES[way]
    return {
        "type": "object",
        "description": guide.PROPERTIES_NOTE,
        "properties": {name: guide.PROPERTY[name] for name in (*required, *optional)},
        "required": list(required),
    }
