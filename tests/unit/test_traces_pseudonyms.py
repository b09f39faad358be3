"""Pseudonyms keep joins and searches, and nothing else."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.customers import Customer
from contracts.folding import find_words, fold
from contracts.matching import COLUMNS, matches, parse, words_of
from tests.traces import KEY, NAMES
from traces.masking import mask
from traces.pseudonyms import Pseudonyms, WrongKey, load_key

WORDS = st.text("abcdeéßλ0123", min_size=1, max_size=8)
NAMES_OF_PEOPLE = st.text("abcdeéñü", min_size=1, max_size=10)
OTHER = Pseudonyms(KEY[::-1])


@given(WORDS, WORDS)
def test_one_word_begins_another_exactly_when_its_pseudonym_begins_the_others(
    one: str, two: str
) -> None:
    one, two = fold(one), fold(two)
    assert NAMES.word(two).startswith(NAMES.word(one)) == two.startswith(one)


@given(st.text(max_size=40))
def test_any_text_has_as_many_words_as_its_pseudonym(text: str) -> None:
    assert len(find_words(fold(NAMES.text(text)))) == len(find_words(fold(text)))


@given(st.text(max_size=30), st.text(max_size=30))
def test_equal_texts_have_equal_pseudonyms_and_texts_of_other_words_other_ones(
    one: str, two: str
) -> None:
    assert NAMES.text(one) == Pseudonyms(KEY).text(one)
    alike = find_words(fold(one)) == find_words(fold(two))
    assert (find_words(fold(NAMES.text(one))) == find_words(fold(NAMES.text(two)))) == alike


def test_capitals_and_punctuation_stay() -> None:
    made = NAMES.text("Jean-Pierre O'NEILL <jean@example.com>")
    assert [sign for sign in made if not sign.isalnum()] == list("- ' <@.>")
    assert made[0].isupper()
    assert made[5].isupper()
    assert made[14:19].isupper()
    assert "jean" not in made.lower()


def test_another_key_gives_other_pseudonyms_and_another_id() -> None:
    assert OTHER.text("Dupont Lyon") != NAMES.text("Dupont Lyon")
    assert OTHER.id != NAMES.id


@given(st.text("0123456789", min_size=5, max_size=12), st.sampled_from((" ", "-", ".", "")))
def test_a_number_has_one_pseudonym_however_it_is_written(digits: str, between: str) -> None:
    written = between.join([digits[:2], digits[2:4], digits[4:]])
    made = NAMES.number(written)
    assert made.replace(between, "") == NAMES.number(digits)
    assert made.replace(between, "").isdigit()


def test_a_country_before_a_number_stays() -> None:
    assert NAMES.number("FR12345678901") == "FR" + NAMES.number("12345678901")
    assert NAMES.phone("+33 4 12 34 56 78").startswith("+33 ")
    assert NAMES.phone("+33412345678")[3:] == NAMES.phone("0412345678")[1:]


def test_a_day_stays_a_day_and_equal_days_equal() -> None:
    made = NAMES.day("1984-02-29")
    assert made == NAMES.day("1984-02-29") != NAMES.day("1984-03-01")
    Customer.model_validate({"kind": "retail", "code": "A", "birth_date": made})


def test_what_is_sealed_tells_equal_from_different_alone() -> None:
    assert NAMES.seal("a") == NAMES.seal("a") != NAMES.seal("b")
    assert len(NAMES.seal("a" * 5000)) == 16


@given(NAMES_OF_PEOPLE, NAMES_OF_PEOPLE, st.integers(1, 6), st.booleans())
def test_search_13_a_phrase_finds_on_pseudonyms_what_it_found_before(
    last: str, town: str, length: int, other: bool
) -> None:
    """Words that travel with a row, and words made anew from its masked record."""
    phrase = f"{(town if other else last)[:length]} {last[:1]}"
    record = {
        "kind": "retail", "code": "C-1", "first_name": "Ada", "last_name": last,
        "addresses": [{"id": "00000000-0000-4000-8000-000000000001", "town": town}],
    }  # fmt: skip
    words = words_of(Customer.model_validate(record))
    row = {"kind": "customer", "key": "x", "version": 1, "words": list(words), "record": record}
    page = mask({"type": "feed.page", "data": {"rows": [row]}}, NAMES)["data"]["rows"][0]
    asked = mask({"type": "customer.search", "data": {"criteria": {"phrase": phrase}}}, NAMES)
    masked = parse(asked["data"]["criteria"]["phrase"])
    found = matches(parse(phrase), words)
    assert matches(masked, page["words"]) == found
    assert matches(masked, words_of(Customer.model_validate(page["record"]))) == found


@pytest.mark.parametrize(
    ("column", "phrase", "finds"),
    [
        ("phone", "04 12 34", True),
        ("phone", "+33 4 12", True),
        ("phone", "0413", False),
        ("tax_number", "FR 1234 5678", True),
        ("tax_number", "1234 56", True),
        ("tax_number", "2234", False),
        ("attributes", "re", True),
        ("attributes", "blue", False),
    ],
)
def test_search_13_numbers_and_attributes_are_found_on_pseudonyms(
    column: str, phrase: str, finds: bool
) -> None:
    customer = Customer(
        kind="business", code="B1", name="Dupont", country_code="FR", phone="04 12 34 56 78",
        tax_number="FR12345678901", attributes={"colour": "red wine"},
    )  # fmt: skip
    words = words_of(customer)
    row = {"kind": "customer", "key": "x", "version": 1, "words": list(words)}
    page = mask({"type": "feed.page", "data": {"rows": [row]}}, NAMES)["data"]["rows"][0]
    criteria = {"phrase": phrase, "column": column}
    asked = mask({"type": "customer.search", "data": {"criteria": criteria}}, NAMES)
    masked = parse(asked["data"]["criteria"]["phrase"], column=column)  # type: ignore[arg-type]
    assert matches(parse(phrase, column=column), words) == finds  # type: ignore[arg-type]
    assert matches(masked, page["words"]) == finds
    assert len(page["words"]) == len(COLUMNS)


def test_a_key_is_made_once_and_only_its_owner_reads_it(folder: Path) -> None:
    file = folder / "new" / "trace.key"
    made = load_key(file)
    assert load_key(file) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["trace.key"]


@pytest.mark.parametrize("text", ["", "not hexadecimal", "abcd"])
def test_a_file_that_is_no_key_is_named(folder: Path, text: str) -> None:
    file = folder / "trace.key"
    file.write_text(text)
    with pytest.raises(WrongKey, match=r"trace\.key"):
        load_key(file)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(WrongKey, match="32"):
        Pseudonyms(b"short")
