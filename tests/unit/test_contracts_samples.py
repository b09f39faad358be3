"""Golden samples: every message of every version stays readable, and its files never change."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from contracts import envelope
from contracts.envelope import Headers, Malformed
from contracts.feed import Page
from contracts.reference import REFERENCE_KINDS
from contracts.registry import MESSAGES, READABLE_BACK, MessageType, decode
from ops.golden_samples import FOLDER, MANIFEST, make_samples, sample_file

FILES = sorted(FOLDER.glob("v*/*.json"))
SAMPLES = [(path, name) for path in FILES for name in ("full", "minimal")]
CURRENT = [pytest.param(message, id=message.name) for message in MESSAGES.values()]


def _body(path: Path, name: str) -> bytes:
    return json.dumps(json.loads(path.read_text("utf-8"))[name]).encode()


@pytest.mark.parametrize(("path", "name"), SAMPLES, ids=lambda one: getattr(one, "name", one))
def test_samples_are_read_and_written_again_the_same(path: Path, name: str) -> None:
    body = _body(path, name)
    message = decode(body)
    assert json.loads(envelope.encode(message.headers, message.data)) == json.loads(body)


@pytest.mark.parametrize("folder", sorted(FOLDER.glob("v*")), ids=lambda one: str(one.name))
def test_samples_once_written_never_change(folder: Path) -> None:
    lines = (folder / MANIFEST).read_text("utf-8").splitlines()
    noted = {line.split("  ")[1]: line.split("  ")[0] for line in lines}
    assert noted == {
        one.name: sha256(one.read_bytes()).hexdigest() for one in folder.glob("*.json")
    }


@pytest.mark.parametrize("message", CURRENT)
def test_every_message_has_a_sample_of_each_version_that_is_read(message: MessageType) -> None:
    oldest = max(1, message.version - READABLE_BACK)
    for version in range(oldest, message.version + 1):
        assert (FOLDER / f"v{version}" / f"{message.name}.json").exists()


def test_every_sample_is_of_a_message_and_in_its_place() -> None:
    for path, name in SAMPLES:
        headers, _ = envelope.split(_body(path, name))
        assert (f"{headers.type}.json", f"v{headers.version}") == (path.name, path.parent.name)
        assert MESSAGES[headers.type].sender == headers.origin.partition(".")[0]


@pytest.mark.parametrize("message", CURRENT)
def test_full_samples_as_they_are_made_leave_no_field_out(message: MessageType) -> None:
    full: Any = make_samples(message)["full"]
    expected = set(message.model.model_fields)
    if message.name == "customer.fetched":
        expected.remove("refusal")  # a record or a refusal, not both
    assert set(full["data"]) == expected
    journal = {"epoch", "seq", "key"} if message.way == "journal" else set()
    assert set(full) >= {
        "id",
        "type",
        "version",
        "occurred_at",
        "origin",
        "causation",
        "data",
        *journal,
    }


def test_the_full_page_has_every_kind_of_row_and_a_record_with_every_field() -> None:
    page = decode(json.dumps(make_samples(MESSAGES["feed.page"])["full"]).encode()).data
    assert isinstance(page, Page)
    kinds = {row.key.partition("/")[0] for row in page.rows if row.kind == "reference"}
    assert kinds == set(REFERENCE_KINDS)
    assert {row.kind for row in page.rows} == {
        "customer", "reference", "card", "verdict", "progress"
    }  # fmt: skip
    for row in page.rows:
        if row.record is not None:
            assert list(_empty_fields(row.record)) == []


def _empty_fields(record: BaseModel) -> list[str]:
    """Fields of a record, and of its parts, that nothing was put into."""
    found: list[str] = []
    for name in type(record).model_fields:
        value: Any = getattr(record, name)
        if value is None or value in ([], {}, ""):
            found.append(f"{type(record).__name__}.{name}")
        for part in value if isinstance(value, list) else ():
            if isinstance(part, BaseModel):
                found += _empty_fields(part)
    return [one for one in found if one != "AttributeDefinition.customer_kind"]


@pytest.mark.parametrize("message", CURRENT)
def test_minimal_samples_have_nothing_to_spare(message: MessageType) -> None:
    minimal = json.loads(sample_file(message).read_text("utf-8"))["minimal"]
    required = [name for name, info in message.model.model_fields.items() if info.is_required()]
    for name in required:
        less = {**minimal, "data": {n: v for n, v in minimal["data"].items() if n != name}}
        with pytest.raises(Malformed, match=name):
            decode(json.dumps(less).encode())
    for name in (name for name, info in Headers.model_fields.items() if info.is_required()):
        with pytest.raises(Malformed, match=name):
            decode(json.dumps({n: v for n, v in minimal.items() if n != name}).encode())
