"""What holds for every text, not only for the cases of the table (SEARCH-13)."""

import re
import sqlite3
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.customers import Customer
from contracts.folding import LONGEST_WORD, fold
from contracts.matching import COLUMNS, DEFAULT_COLUMNS, attribute_filter, matches, parse, words_of
from tests.record_strategies import customers, texts

PHRASE_WORD = re.compile(r"[^\W_]+")
INDEX_WORD = re.compile(r"(=[a-z0-9_-]+=[^\W_]+|[^\W_]+)")
FILTER_WORD = re.compile(r"(kind|country|group|attribute\.[a-z0-9_-]+)=\w*[a-z0-9_-]*")
LEXEME_BYTES = 2046
"""What PostgreSQL allows in one lexeme."""


@pytest.fixture(scope="module")
def index() -> Iterator[sqlite3.Connection]:
    """A word index made as the tills make theirs."""
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = \"ascii tokenchars '=._-'\")"
    )
    connection.execute("CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, 'instance')")
    yield connection
    connection.close()


@given(texts())
@example("Ǿǽ İ ß ŉ ﷺ ½ ② Ⅷ ʼn ͅ ΌΣ ᾳ")
def test_search_13_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(texts())
def test_search_13_case_and_normal_form_do_not_count(text: str) -> None:
    folded = fold(text)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert fold(unicodedata.normalize(form, text)) == folded
    assert fold(text.casefold()) == folded


@given(texts(), texts(max_size=20))
@example("0A+ +0b 00x 00፩ +፩ +", "")
def test_search_13_phrases_are_made_of_letters_and_digits_alone(
    phrase: str, attribute: str
) -> None:
    for query in (parse(phrase), parse(phrase, column="phone"), parse(phrase, attribute=attribute)):
        for word in (w for clause in query.clauses for alternative in clause for w in alternative):
            plain = word.rpartition("=")[2]
            assert PHRASE_WORD.fullmatch(plain), word
            assert len(plain) <= LONGEST_WORD
            assert re.fullmatch(r"(=[a-z0-9_.-]*=)?", word.removesuffix(plain)), word


@given(customers())
def test_search_13_words_have_only_signs_that_both_indexes_keep(customer: Customer) -> None:
    words = words_of(customer)
    assert len(words) == len(COLUMNS)
    for column, line in zip(COLUMNS, words, strict=True):
        allowed = FILTER_WORD if column == "filters" else INDEX_WORD
        for word in line.split(" ") if line else ():
            assert allowed.fullmatch(word), (column, word)
            assert "=" not in word or column in ("attributes", "filters")
            assert len(word.encode()) < LEXEME_BYTES


@given(customers())
def test_search_13_the_till_s_index_takes_each_word_as_one(
    index: sqlite3.Connection, customer: Customer
) -> None:
    line = " ".join(words_of(customer))
    index.execute("DELETE FROM words")
    index.execute("INSERT INTO words VALUES (?)", (line,))
    found = [term for (term,) in index.execute("SELECT term FROM vocabulary ORDER BY offset")]
    assert found == line.split()


@given(customers(), st.data())
def test_search_13_a_customer_is_found_by_the_beginning_of_each_text_it_shows(
    customer: Customer, data: st.DataObject
) -> None:
    main = customer.main_address
    shown = [customer.display_name, *customer.attributes.values()]
    shown += [text for text in (main.town, main.street, main.postal_code) if text] if main else []
    text = data.draw(st.sampled_from(shown))
    assert matches(parse(text), words_of(customer))
    begun = fold(text)[: data.draw(st.integers(0, len(fold(text))))]
    assert matches(parse(begun), words_of(customer))


@given(customers(), texts(), texts())
def test_search_13_more_words_never_find_more(customer: Customer, some: str, more: str) -> None:
    words = words_of(customer)
    if matches(parse(f"{some} zzz {more}"), words):
        assert matches(parse(some), words)
        assert matches(parse(more), words)


@given(customers(), texts())
def test_list_2_all_finds_what_its_columns_find_with_one_word(
    customer: Customer, text: str
) -> None:
    words = words_of(customer)
    for word in PHRASE_WORD.findall(fold(text))[:3]:
        by_column = any(matches(parse(word, column=name), words) for name in DEFAULT_COLUMNS)
        assert matches(parse(word), words) == by_column


@given(customers())
def test_list_3_a_customer_passes_the_filters_made_from_itself(customer: Customer) -> None:
    filters = [attribute_filter(name, value) for name, value in customer.attributes.items()]
    assert matches(parse("", filters=[*filters, f"kind={customer.kind}"]), words_of(customer))


@settings(max_examples=7)
@given(st.sampled_from(["a ", "1 ", "1-", "0(0)", "+", "é", "00"]))
def test_search_13_a_phrase_without_end_is_read_quickly(piece: str) -> None:
    assert len(parse(piece * 20_000, column="phone").clauses) <= 20_000
