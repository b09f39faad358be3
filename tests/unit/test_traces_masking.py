"""No personal value passes into a trace: every field of every message is judged in contracts.personal."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from contracts import personal
from contracts.registry import MESSAGES, decode
from ops.golden_samples import FOLDER
from tests.traces import NAMES
from traces.masking import leaves_of, mask, may_be_personal

SAMPLES = sorted(FOLDER.glob("v*/*.json"))
PERSON = ("Zofia", "Wiśniewska", "zofia.w@example.com", "0412345678", "AB1234567")


def _fields(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    """The fields of a model and of all it holds that can hold text or a date."""
    if model in seen:
        return
    seen.add(model)
    for name, info in model.model_fields.items():
        leaves = leaves_of(info.annotation)
        inner = [one for one in leaves if isinstance(one, type) and issubclass(one, BaseModel)]
        for one in inner:
            yield from _fields(one, seen)
        if any(may_be_personal(one) for one in leaves if one not in inner):
            yield f"{model.__name__}.{name}"


def _all_fields() -> tuple[set[str], set[type[BaseModel]]]:
    seen: set[type[BaseModel]] = set()
    return {one for message in MESSAGES.values() for one in _fields(message.model, seen)}, seen


def test_every_text_of_every_message_is_listed_as_personal_or_plain() -> None:
    fields, _ = _all_fields()
    assert fields - personal.KINDS.keys() == set(), "to be judged in contracts/personal.py"


def test_the_table_names_no_field_that_is_not_there() -> None:
    fields, _ = _all_fields()
    assert personal.KINDS.keys() - fields == set()


def test_no_two_models_share_a_name() -> None:
    _, models = _all_fields()
    assert len({one.__name__ for one in models}) == len(models)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("which", ["full", "minimal"])
def test_a_masked_message_is_still_that_message(path: Path, which: str) -> None:
    message = json.loads(path.read_text("utf-8"))[which]
    masked = mask(message, NAMES)
    assert (
        decode(json.dumps(masked).encode()).headers == decode(json.dumps(message).encode()).headers
    )


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for one in value:
                yield from _strings(one)
        case dict():
            for one in value.values():
                yield from _strings(one)
        case _:
            pass


def test_anon_5_nothing_of_a_person_is_left_in_a_record_a_change_or_a_strangers_message() -> None:
    first, last, email, phone, document = PERSON
    record = {
        "kind": "retail", "code": "C1", "first_name": first, "last_name": last, "email": email,
        "phone": phone, "identity_document": document, "birth_date": "1984-02-29",
        "consents": [{"definition": "news", "state": "given", "signature": "c2lnbmF0dXJl"}],
        "contacts": [{"id": "1", "origin": "pos", "last_name": last, "new_field": first}],
    }  # fmt: skip
    changes = [
        {"path": "contacts.1.first_name", "old": None, "new": first},
        {"path": "contacts.1", "old": None, "new": {"last_name": last}},
        {"path": "addresses.1.consents.news", "new": {"signature": "c2lnbmF0dXJl"}},
        {"path": "attributes.hobby", "new": first},
        {"path": "not.a.path", "new": last},
        {"path": 7, "new": [last]},
        {"path": "birth_date", "new": "1984-02-29"},
    ]
    messages = [
        {"type": "customer.added", "data": {"customer_id": "x", "record": record}},
        {"type": "customer.edited", "data": {"changes": changes, "later": first}},
        {"type": "customer.new", "data": {"anything": [{"x": last}, email]}, "more": first},
        {"type": "customer.added", "data": [last]},
        {"type": ["customer.added"], "data": {"record": {"name": first}}},
        {"type": "erp.refused", "data": {"code": "x", "params": {"name": last, "other": first}}},
        {"type": "feed.page", "data": {"rows": [{"kind": "other", "record": {"name": first}}]}},
        {"type": "feed.page", "data": {"rows": [{"kind": "customer", "words": [last] * 20}]}},
    ]
    left = " ".join(_strings([mask(one, NAMES) for one in messages]))
    for value in (*PERSON, "1984-02-29", "c2lnbmF0dXJl"):
        assert value.lower() not in left.lower()


def test_numbers_that_stand_where_text_belongs_are_masked_too() -> None:
    masked = mask({"type": "customer.added", "data": {"record": {"phone": 412345678}}}, NAMES)
    assert masked["data"]["record"]["phone"] != 412345678


def test_operators_are_people_and_keep_their_joins_and_passwords_are_sealed() -> None:
    row = {
        "key": "operator/anna", "kind": "reference", "version": 1,
        "record": {"kind": "operator", "code": "anna", "name": "Anna", "password_hash": "$argon2id$x"},
    }  # fmt: skip
    masked = mask({"type": "feed.page", "data": {"rows": [row]}}, NAMES)["data"]["rows"][0]
    edit = {"type": "customer.edited", "data": {"author": {"operator": "anna"}}}
    operator = mask(edit, NAMES)["data"]["author"]["operator"]
    assert masked["key"] == f"operator/{operator}"
    assert masked["record"]["code"] == operator != "anna"
    assert "argon2" not in masked["record"]["password_hash"]


def test_ids_codes_of_lists_and_numbers_of_feeds_stay() -> None:
    data = {
        "scope": "centre.lyon.customers", "epoch": "e", "prev_seq": 3, "to_seq": 9, "head": 9,
        "rows": [{"kind": "customer", "key": "some-id", "version": 4, "editors": ["lyon"],
                  "words": [""] * 13, "record": {"kind": "business", "code": "x", "groups": ["vip"]}}],
    }  # fmt: skip
    masked = mask({"type": "feed.page", "data": data}, NAMES)["data"]
    masked["rows"][0]["record"]["code"] = "x"
    assert masked == data
