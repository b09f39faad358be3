"""Stored records are read as the model reads them, only faster."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts import stored
from contracts.customers import Customer
from contracts.matching import words_of
from contracts.stored import read_stored

ID = "6b1f3a52-7a0e-4d7c-9c5e-2f1f6f0a4b11"
SOUND = {
    "kind": "retail", "code": "C1", "first_name": "Zoé", "last_name": "Łukasz", "phone": "+33 6 12 34 56 78",
    "birth_date": "1980-02-29", "groups": ["vip"], "attributes": {"colour": "red"}, "country_code": "FR",
    "addresses": [{"id": ID, "type": "main", "country": "FR", "town": "Lyon", "postal_code": "69001"}],
    "consents": [{"definition": "news", "state": "given"}],
}  # fmt: skip
PART = {"definition": "news", "state": "given"}
PERSON = {"id": ID, "origin": "pos"}

texts = st.text(
    st.sampled_from('aé 0\t\n\u00a0\u2003\x1f\x00"\\,:@.-') | st.characters(codec="utf-8"),
    max_size=6,
)
values = st.one_of(
    texts,
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(["FR", "fr", "a@b", "2001-02-03", "1e3", ID, "x" * 61, "x" * 251]),
    st.lists(texts, max_size=2),
    st.just([PART, PART]),
    st.just([PERSON, PERSON]),
    st.just([{"id": ID}, {"id": ID}]),
    st.just([{"id": ID, "consents": [PART, PART]}]),
    st.dictionaries(texts, texts, max_size=2),
)
records = st.builds(
    lambda changes: {**SOUND, **changes},
    st.dictionaries(st.sampled_from(sorted(Customer.model_fields)), values, max_size=3),
)


def words_by_the_model(record: str) -> tuple[str, ...] | None:
    try:
        return words_of(Customer.model_validate_json(record))
    except ValidationError:
        return None


def words_as_stored(record: str) -> tuple[str, ...] | None:
    try:
        return words_of(read_stored(record))
    except ValidationError:
        return None


@given(records, st.booleans(), st.sampled_from([None, (",", ":")]))
def test_search_13_a_stored_record_is_taken_or_refused_as_by_the_model(
    record: dict[str, object], escaped: bool, separators: tuple[str, str] | None
) -> None:
    text = json.dumps(record, ensure_ascii=escaped, separators=separators)
    assert words_as_stored(text) == words_by_the_model(text)


@pytest.mark.parametrize(
    "change",
    [
        {"first_name": " "},
        {"first_name": "\u00a0"},
        {"first_name": "\u2003\u2003"},
        {"first_name": "a\x00b"},
        {"consents": [PART, PART]},
        {"addresses": [{"id": ID}, {"id": ID}]},
        {"contacts": [PERSON, PERSON]},
        {"contacts": [{**PERSON, "consents": [PART, PART]}]},
        {"code": "x" * 61},
    ],
)
@pytest.mark.parametrize("escaped", [True, False])
def test_search_13_what_the_model_refuses_has_no_words(
    change: dict[str, object], escaped: bool
) -> None:
    with pytest.raises(ValidationError):
        read_stored(json.dumps({**SOUND, **change}, ensure_ascii=escaped))


def test_a_raw_control_character_is_no_json() -> None:
    with pytest.raises(ValidationError):
        read_stored(json.dumps(SOUND).replace("Lyon", "Ly\x00on"))


def test_an_ordinary_record_does_not_take_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    class NotAsked:
        @staticmethod
        def model_validate_json(record: str) -> None:
            raise AssertionError(f"read by the model: {record}")

    monkeypatch.setattr(stored, "Customer", NotAsked)
    found = read_stored(json.dumps(SOUND, ensure_ascii=False))
    assert isinstance(found, msgspec.Struct)
