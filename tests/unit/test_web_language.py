"""The language an answer is in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.texts import LANGUAGES, Language
from web.language import negotiate


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("fr-CA", "fr"),
        ("FR-fr, en;q=0.8", "fr"),
        ("en;q=0.8, fr", "fr"),
        ("en, fr", "en"),
        ("pl, fr;q=0.3, en;q=0.2", "fr"),
        ("pl", "en"),
        ("fr;q=0, en;q=0.1", "en"),
        ("fr;q=0", "en"),
        ("frr, de", "en"),
        ("fr;q=high, en;q=0.1", "en"),
        ("*", "en"),
        (" fr ; q=1.0 ", "fr"),
        ("fr;q=nan", "en"),
    ],
)
def test_the_best_known_language_is_taken(header: str, language: Language) -> None:
    assert negotiate(header) == language


def test_a_till_falls_back_to_its_own_language() -> None:
    assert negotiate("pl", otherwise="fr") == "fr"
    assert negotiate("*", otherwise="fr") == "fr"
    assert negotiate("", otherwise="fr") == "fr"


@given(st.text(alphabet="fren*-;,q=.019 \t\x00é"))
def test_any_header_gives_a_language(header: str) -> None:
    assert negotiate(header) in LANGUAGES
