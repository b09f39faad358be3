"""Reading and writing messages: what is wrong is said, and nothing but MessageError comes out (I9)."""

import json
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import envelope
from contracts.envelope import (
    MAX_BYTES,
    Envelope,
    Headers,
    Malformed,
    MessageError,
    Oversized,
    TooNew,
    UnknownType,
)
from contracts.journal import Author, CustomerAdded
from contracts.registry import MESSAGES, TYPE_OF, decode
from contracts.search import Criteria, CustomerSearch
from tests.record_strategies import customers, texts

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
ID = UUID("6f1c3c7e-0a53-4f3b-8d57-2f7a0a3c8a11")
VALID: dict[str, Any] = {
    "id": str(ID),
    "type": "customer.search",
    "occurred_at": "2024-02-29T12:00:00Z",
    "origin": "pos.a",
    "data": {"criteria": {"phrase": "dup lyo"}},
}


def _with(**changed: Any) -> bytes:
    return json.dumps({**VALID, **changed}).encode()


def _without(name: str) -> bytes:
    return json.dumps({n: v for n, v in VALID.items() if n != name}).encode()


def _raw(name: str, text: str) -> bytes:
    """The valid message with a field written as given."""
    return json.dumps({**VALID, name: "@@"}).replace('"@@"', text).encode()


def _edited(new: str) -> bytes:
    """A message whose change has a value written as given."""
    author = '{"operator":"o","at":"2024-02-29T12:00:00Z"}'
    change = f'{{"path":"name","new":{new}}}'
    data = f'{{"customer_id":"{ID}","base_version":1,"changes":[{change}],"author":{author}}}'
    return _raw("data", data).replace(b"customer.search", b"customer.edited")


_MOMENTS = st.datetimes(
    min_value=datetime(1900, 1, 2),  # noqa: DTZ001 - the zone is given beside
    max_value=datetime(2999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from(
        [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=11))]
    ),
)
_HEADERS = st.builds(
    Headers,
    id=st.uuids(),
    type=st.just("customer.added"),
    occurred_at=_MOMENTS,
    origin=st.sampled_from(["erp", "pos.a", "pos.lyon-1"]),
    epoch=st.none() | texts(max_size=20),
    seq=st.none() | st.integers(1, 2**53 - 1),
    key=st.none() | texts(max_size=20),
    causation=st.none() | st.uuids(),
    traceparent=st.none() | texts(max_size=20),
    expires_at=st.none() | _MOMENTS,
)


@settings(max_examples=50)
@given(_HEADERS, customers())
def test_i9_a_message_comes_out_as_it_went_in(headers: Headers, customer: Any) -> None:
    data = CustomerAdded(customer_id=ID, record=customer, author=Author(operator="o", at=NOON))
    body = envelope.encode(headers, data)
    assert decode(body) == Envelope(headers, data)
    assert envelope.encode(headers, envelope.dump(data)) == body
    assert decode(json.dumps(json.loads(body), indent=3).encode()) == Envelope(headers, data)


def test_absent_fields_are_left_out() -> None:
    headers = Headers(id=ID, type="customer.search", occurred_at=NOON, origin="pos.a")
    body = envelope.encode(headers, CustomerSearch(criteria=Criteria(phrase="x")))
    assert b"null" not in body
    assert "expires_at" not in json.loads(body)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "truncated"),
        (b"[]", "object"),
        (b"17", "object"),
        (b"null", "object"),
        (_with() + b"x", "trailing"),
        (b"\xef\xbb\xbf" + _with(), "malformed"),
        (_with().replace(b"dup lyo", b"dup\xffly"), "UTF-8: byte"),
        (_with().replace(b"pos.a", b"pos.\xc3"), "UTF-8: byte"),
        (_with().replace(b"dup lyo", b"\xed\xa0\x80"), "UTF-8: byte"),
        (_with().decode().encode("utf-16"), "UTF-8: byte"),
        (_with(data={"criteria": {"phrase": "a\x00"}}), "NUL"),
        (_with(epoch="\\\x00"), "NUL"),
        (_raw("data", '{"criteria":{"phrase":"\\ud800"}}'), "data"),
        (_without("id"), "`id`"),
        (_without("type"), "`type`"),
        (_without("occurred_at"), "`occurred_at`"),
        (_without("origin"), "`origin`"),
        (_without("data"), "`data`"),
        (_with(id="no uuid"), "$.id"),
        (_with(type=None), "$.type"),
        (_with(type="t" * 81), "$.type"),
        (_with(version=0), "$.version"),
        (_with(version="1"), "$.version"),
        (_raw("version", "9" * 400), "$.version"),
        (_raw("version", "1e400"), "$.version"),
        (_with(occurred_at="yesterday"), "$.occurred_at"),
        (_with(occurred_at="2024-02-29T12:00:00"), "$.occurred_at"),
        (_with(occurred_at="0001-01-01T00:00:00+23:59"), "occurred_at"),
        (_with(expires_at="9999-12-31T23:59:59-23:59"), "expires_at"),
        (_with(expires_at=1709208000), "$.expires_at"),
        (_with(origin="admin"), "$.origin"),
        (_with(origin="pos.a\n"), "$.origin"),
        (_with(origin="pos.A"), "$.origin"),
        (_with(seq=0), "$.seq"),
        (_with(seq=2**53), "$.seq"),
        (_raw("seq", "-1"), "$.seq"),
        (_raw("seq", "9" * 200_000), "$.seq"),
        (_with(epoch="e" * 121), "$.epoch"),
        (_with(causation="x"), "$.causation"),
        (_with(data=None), "data"),
        (_with(data=[]), "data"),
        (_with(data={}), "criteria"),
        (_with(data={"criteria": {"phrase": 5}}), "criteria.phrase"),
        (_with(data={"criteria": {"phrase": "x" * 201}}), "criteria.phrase"),
        (_with(data={"criteria": {"column": "shoe_size"}}), "criteria.column"),
        (
            _with(data={"criteria": {"attributes": [{"value": "x"}]}}),
            "criteria.attributes.0.attribute",
        ),
        (_with(data={"criteria": {}}, type="customer.fetch"), "customer_id"),
    ],
)
def test_i9_what_is_malformed_is_said_and_where(body: bytes, where: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode(body)
    assert where in str(caught.value)
    assert caught.value.code == "malformed"


def test_i9_a_message_over_the_limit_is_oversized() -> None:
    body = _with(data={"criteria": {}, "padding": "x" * MAX_BYTES})
    with pytest.raises(Oversized, match=str(len(body))) as caught:
        decode(body)
    assert caught.value.code == "oversized"
    assert decode(body, limit=2 * MAX_BYTES)
    assert decode(_with().ljust(MAX_BYTES))


def test_i9_an_unknown_type_is_said() -> None:
    with pytest.raises(UnknownType, match=r"type: customer\.melted") as caught:
        decode(_with(type="customer.melted"))
    assert caught.value.code == "unknown_type"


def test_i9_a_newer_version_is_said_before_its_data_is_read() -> None:
    with pytest.raises(TooNew, match=r"version: customer\.search 2, known up to 1") as caught:
        decode(_with(version=2, data={"other": "shape"}))
    assert caught.value.code == "too_new"


def test_a_reader_ignores_what_it_does_not_know() -> None:
    more = _with(shoe_size=44, data={"criteria": {"phrase": "x", "shoe_size": [44]}, "x": None})
    assert decode(more).data == CustomerSearch(criteria=Criteria(phrase="x"))


def test_a_backslash_before_u0000_is_text() -> None:
    body = _with(data={"criteria": {"phrase": "\\u0000"}})
    assert decode(body).data == CustomerSearch(criteria=Criteria(phrase="\\u0000"))


def _refusal_of(body: bytes) -> str:
    """Why a message is refused; empty when it is not. Other errors than MessageError pass through."""
    try:
        decode(body)
    except MessageError as error:
        return str(error)
    return ""


DEPTH = 100_000
BOMBS = {
    "lists in data": _raw("data", "[" * DEPTH + "]" * DEPTH),
    "lists never closed": _raw("data", "[" * DEPTH),
    "objects in data": _raw("data", '{"a":' * 40_000 + "1" + "}" * 40_000),
    "lists in a value": _edited("[" * DEPTH + "]" * DEPTH),
    "objects in a value": _edited('{"a":' * 40_000 + "1" + "}" * 40_000),
    "lists only": b"[" * DEPTH,
    "lists in an unknown field": _raw("x", "[" * DEPTH + "]" * DEPTH),
    "a number of 200,000 digits": _edited("9" * 200_000),
    "a fraction of 200,000 digits": _edited("0." + "9" * 200_000),
    "an exponent without end": _edited("1e" + "9" * 100_000),
    "many keys": _raw("data", "{" + ",".join(f'"k{n}":1' for n in range(20_000)) + "}"),
    "many equal keys": _raw("data", "{" + ",".join(['"criteria":1'] * 15_000) + "}"),
    "a string of escapes": _edited('"' + "\\u00e9" * 40_000 + '"'),
    "backslashes": _edited('"' + "\\\\" * 100_000 + '\\u0000"'),
    "not a number": _edited("NaN"),
    "infinity": _edited("-Infinity"),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_i9_a_json_bomb_ends_quickly_and_in_nothing_worse_than_a_message_error(bomb: bytes) -> None:
    assert len(bomb) <= MAX_BYTES
    begun = time.process_time()
    said = _refusal_of(bomb)
    assert time.process_time() - begun < 0.5
    assert len(said) < 1_000


@given(st.binary(max_size=200))
def test_i9_any_bytes_end_in_a_message_error(body: bytes) -> None:
    with pytest.raises(MessageError):
        decode(body)


@settings(max_examples=300)
@given(st.data())
def test_i9_a_damaged_message_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(
        data.draw(
            st.sampled_from(
                [_with(), _with(seq=5, expires_at="2024-02-29T12:00:00Z"), _edited("1")]
            )
        )
    )
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    try:
        read = decode(bytes(body))
    except MessageError:
        return
    assert TYPE_OF[type(read.data)].name == read.headers.type
    assert read.headers == Headers.model_validate(read.headers.model_dump())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts(max_size=8), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_i9_any_data_of_any_type_is_read_or_refused(name: str, data: st.DataObject) -> None:
    fields = st.dictionaries(st.sampled_from(sorted(MESSAGES[name].model.model_fields)), _JSON)
    body = _with(type=name, data=data.draw(fields | _JSON))
    _refusal_of(body)


def test_headers_survive_the_fast_reader_as_values_of_their_types() -> None:
    headers, raw = envelope.split(_with(version=1, causation=str(ID), seq=7, key="k"))
    assert headers == Headers.model_validate_json(
        msgspec.json.encode({**VALID, "causation": ID, "seq": 7, "key": "k"})
    )
    assert isinstance(headers.causation, UUID)
    assert headers.occurred_at == NOON
    assert json.loads(raw) == VALID["data"]
