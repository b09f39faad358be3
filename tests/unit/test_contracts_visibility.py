"""Signs that nobody can see."""

import pytest

from contracts.customers import missing_fields
from contracts.visibility import has_invisible, has_visible

UNSEEN = ["\u200b", "\u2060\ufeff", "\x01\x7f", "\u00ad \t", "\u0301", "\u3164", "\u2800", "\u202e"]


@pytest.mark.parametrize("text", ["", " ", *UNSEEN])
def test_cust_2_a_required_text_has_something_to_be_seen(text: str) -> None:
    assert not has_visible(text)
    values = {"code": "A", "name": text}
    assert missing_fields("business", values.get) == ("name",)


@pytest.mark.parametrize(
    "text", ["a", "Zoé", "e\u0301", "王", "نادیا\u200cجان", "🌸", "👩\u200d🔧", "\u200bx", "\ue000"]
)
def test_cust_2_names_of_any_script_can_be_seen(text: str) -> None:
    assert has_visible(text)


@pytest.mark.parametrize("sign", ["\u200b", "\x01", "\x7f", "\u00ad", "\u3164", "\ufeff", "\n"])
def test_cust_3_a_sign_nobody_sees_is_found_in_a_code(sign: str) -> None:
    assert has_invisible(f"a{sign}b")
    assert has_invisible(f"é{sign}b")


@pytest.mark.parametrize("code", ["DUP-1", "a b", "Élan", "王", "e\u0301", "№ 7"])
def test_cust_3_codes_that_can_be_seen_are_codes(code: str) -> None:
    assert not has_invisible(code)
