"""The fast reader and pydantic read the same (one definition, two readers)."""

import json
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from annotated_types import MultipleOf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from contracts.customers import Consent, CustomerKeys, read_keys
from contracts.decoders import NotMirrored, struct_of
from contracts.envelope import Headers
from contracts.feed import Page, PageStruct, Pull, RowStruct, read_page
from contracts.journal import Author, CustomerEdited, Progress, Resend
from contracts.limits import BIGGEST, within_time
from contracts.presence import Hello, Welcome
from tests.record_strategies import customers, texts

MODELS: tuple[type[BaseModel], ...] = (
    Headers, Pull, Progress, Resend, Author, CustomerEdited, Hello, Welcome, Consent,
)  # fmt: skip

_TEXTS = st.sampled_from(
    ["", "a", "erp", "erp\n", "pos.a", "pos.a\n", "pos.A", " pos.a", "x" * 121, "é", "\x00", "FR", "FR\n",
     "main", "given", "a@b", "a@b\n", "@", "6f1c3c7e-0a53-4f3b-8d57-2f7a0a3c8a11",
     "6f1c3c7e0a534f3b8d572f7a0a3c8a11", "6f1c3c7e-0a53",
     "2024-02-29T12:00:00Z", "2024-02-29T12:00:00+02:00", "2024-02-29T12:00:00.123456Z", "2023-02-29T12:00:00Z",
     "2024-02-29T12:00:00", "2024-02-29", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
)  # fmt: skip
_SCALARS = (
    st.none() | st.booleans() | _TEXTS | texts(max_size=6)
    | st.sampled_from([0, 1, -1, 255, 256, 2000, 2001, BIGGEST, BIGGEST + 1, 10**30, 1.0, 0.5, 1e308])
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXTS, inner, max_size=2),
    max_leaves=3,
)
_VALID: dict[str, Any] = {
    "id": str(UUID(int=5)), "type": "t", "occurred_at": "2024-01-01T00:00:00Z", "origin": "pos.a", "scope": "all",
    "epoch": "e", "applied_seq": 1, "from_seq": 1, "operator": "o", "at": "2024-01-01T00:00:00Z", "instance": "i",
    "software": "s", "last_seq": 0, "waiting": 0, "pos_id": "a", "centre": "c", "full": True, "scopes": [],
    "now": "2024-01-01T00:00:00Z", "definition": "d", "state": "given",
    "customer_id": str(UUID(int=6)), "base_version": 1, "changes": [{"path": "phone", "new": [1, {"a": None}]}],
    "author": {"operator": "o", "at": "2024-01-01T00:00:00Z"},
}  # fmt: skip


@st.composite
def _inputs(draw: st.DrawFn) -> tuple[type[BaseModel], bytes]:
    """A model and JSON that fits it but for a few fields."""
    model = draw(st.sampled_from(MODELS))
    valid = {name: value for name, value in _VALID.items() if name in model.model_fields}
    names = st.sampled_from([*model.model_fields, "unknown"])
    changed = draw(st.dictionaries(names, _VALUES, max_size=3))
    left_out = draw(st.sets(names, max_size=1))
    merged = {n: v for n, v in {**valid, **changed}.items() if n not in left_out}
    return model, json.dumps(merged, ensure_ascii=False).encode()


def _fast(model: type[BaseModel], raw: bytes) -> dict[str, Any] | None:
    try:
        made = msgspec.json.decode(raw, type=struct_of(model))
    except msgspec.DecodeError:
        return None
    times = [v for v in msgspec.structs.asdict(made).values() if hasattr(v, "tzinfo")]
    return msgspec.to_builtins(made) if all(map(within_time, times)) else None


def _slow(model: type[BaseModel], raw: bytes, *, strict: bool) -> dict[str, Any] | None:
    try:
        made = model.model_validate_json(raw, strict=strict)
    except ValidationError:
        return None
    given_ = {name: getattr(made, name) for name in model.model_fields}
    return dict(msgspec.to_builtins({n: _plain(v) for n, v in given_.items()}))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _unstripped(model: type[BaseModel], raw: bytes) -> bool:
    """Whether pydantic takes spaces off where the fast reader leaves them."""
    return model is Consent and any(
        isinstance(one, str) and one != one.strip() for one in json.loads(raw).values()
    )


@settings(max_examples=300)
@given(_inputs())
@example((Headers, json.dumps({**_VALID, "origin": "pos.a\n"}).encode()))
@example((Headers, json.dumps({**_VALID, "occurred_at": "2024-01-01T00:00:00"}).encode()))
@example((Pull, json.dumps({"scope": "all", "limit": 2001}).encode()))
@example((Pull, json.dumps({"scope": "all", "bucket": 256}).encode()))
@example((Author, json.dumps({"operator": "", "at": "2024-01-01T00:00:00Z"}).encode()))
def test_what_the_fast_reader_accepts_pydantic_accepts_and_reads_the_same(
    given_: tuple[type[BaseModel], bytes],
) -> None:
    model, raw = given_
    fast = _fast(model, raw)
    if fast is not None and not _unstripped(model, raw):
        assert _slow(model, raw, strict=False) == fast


@settings(max_examples=300)
@given(_inputs())
def test_what_strict_pydantic_accepts_the_fast_reader_accepts(
    given_: tuple[type[BaseModel], bytes],
) -> None:
    model, raw = given_
    slow = _slow(model, raw, strict=True)
    if slow is not None and not _unstripped(model, raw):
        assert _fast(model, raw) == slow


@settings(max_examples=50)
@given(customers())
def test_keys_of_a_record_are_read_as_in_the_whole_record(customer: Any) -> None:
    keys = read_keys(customer.model_dump_json(exclude_none=True).encode())
    assert (keys.code, keys.tax_number) == (customer.code, customer.tax_number)
    assert CustomerKeys.__struct_fields__ == ("code", "tax_number")


def _page(rows: str) -> bytes:
    head = '"scope":"all","epoch":"e","prev_seq":0,"to_seq":2,"head":2'
    return f'{{{head},"rows":[{rows}]}}'.encode()


def test_a_page_is_read_row_by_row_as_pydantic_reads_it() -> None:
    record = '{"kind": "retail",  "code": "é\\u00e9"}'
    raw = _page(
        f'{{"key":"k","version":1,"kind":"customer","editors":["LYO"],"words":["a"],"record":{record}}},'
        '{"key":"k2","version":3,"kind":"customer","state":"deleted"}'
    )
    page, fast = Page.model_validate_json(raw), read_page(raw)
    assert isinstance(fast, PageStruct)
    for name in ("scope", "epoch", "prev_seq", "to_seq", "head", "remaining", "rule"):
        assert getattr(page, name) == getattr(fast, name)
    for slow_row, row in zip(page.rows, fast.rows, strict=True):
        assert isinstance(row, RowStruct)
        for name in ("key", "version", "kind", "state", "editors", "words"):
            assert getattr(slow_row, name) == getattr(row, name)
    assert bytes(fast.rows[0].record).decode() == record
    assert bytes(fast.rows[1].record) == b""


@pytest.mark.parametrize(
    "fields", ['"to_seq":-1', '"head":1.5', '"scope":null', '"rows":{}', '"remaining":"3"']
)
def test_a_page_out_of_bounds_is_refused(fields: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        read_page(_page("")[:-1] + b"," + fields.encode() + b"}")


def test_a_limit_that_cannot_be_mirrored_is_an_error() -> None:
    class Even(BaseModel):
        number: Annotated[int, MultipleOf(2)]

    class Nested(BaseModel):
        numbers: list[Annotated[int, Field(multiple_of=2)]] | None = None

    for model in (Even, Nested):
        with pytest.raises(NotMirrored):
            struct_of(model)


def test_limits_inside_lists_and_options_are_mirrored() -> None:
    class Nested(BaseModel):
        names: list[Annotated[str, Field(max_length=2)]] | None = None

    read = msgspec.json.Decoder(struct_of(Nested)).decode
    assert read(b'{"names":["ab"]}')
    with pytest.raises(msgspec.ValidationError):
        read(b'{"names":["abc"]}')
