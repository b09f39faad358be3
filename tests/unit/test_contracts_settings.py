"""Settings of the levels all, centre and till, and how they resolve (RIGHTS and SETTINGS)."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.reference import Setting
from contracts.settings import Settings, UnknownSetting, WrongSetting, check_setting, resolve

ROOT = Path(__file__).parent.parent.parent

LEVELS = ("all", "centre.LYO", "pos.lyon-1")
OTHER_LEVELS = ("centre.PAR", "pos.lyon-2", "pos.", "centre", "", "ALL")
GOOD: dict[str, list[Any]] = {
    "search_online": [True, False],
    "search_deadline_s": [0.5, 10, 60.0],
    "language": ["en", "fr"],
    "code_series": ["", "LYO-1"],
    "lockout_attempts": [1, 100],
}
BAD: list[Any] = [-1, 0, 61, "de", "yes please", "a b", [1], None, 1e400, float("nan"), 10**30]


def _row(level: str, name: str, value: Any) -> Setting:
    return Setting.model_construct(
        code=f"{level}/{name}", kind="setting", level=level, name=name, value=value
    )


_NAMES = st.sampled_from(sorted(GOOD))


@st.composite
def _rows(draw: st.DrawFn) -> list[Setting]:
    names = draw(st.lists(_NAMES, max_size=8))
    levels = st.sampled_from(LEVELS + OTHER_LEVELS)
    good = [_row(draw(levels), name, draw(st.sampled_from(GOOD[name]))) for name in names]
    unique = {row.code: row for row in good}
    return draw(st.permutations(list(unique.values())))


@given(_rows())
def test_settings_the_nearest_level_holds_whatever_the_order(rows: list[Setting]) -> None:
    resolved = resolve(rows, "LYO", "lyon-1")
    by_code = {row.code: row.value for row in rows}
    for name in GOOD:
        said = [by_code[f"{level}/{name}"] for level in LEVELS if f"{level}/{name}" in by_code]
        assert getattr(resolved, name) == (said[-1] if said else getattr(Settings(), name))


@given(_rows(), st.lists(st.tuples(st.sampled_from(LEVELS), _NAMES, st.sampled_from(BAD))))
def test_settings_a_wrong_or_unknown_row_changes_nothing(
    rows: list[Setting], wrong: list[tuple[str, str, Any]]
) -> None:
    bad = [_row(level, name, value) for level, name, value in wrong if not _fits(name, value)]
    bad += [_row("all", "shoe_size", 44), _row("pos.lyon-1", "model_config", True)]
    before = resolve(rows, "LYO", "lyon-1")
    assert resolve([*bad, *rows], "LYO", "lyon-1") == before
    assert resolve([*rows, *bad], "LYO", "lyon-1") == before


def _fits(name: str, value: Any) -> bool:
    try:
        check_setting(name, value)
    except WrongSetting:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "value"), [(name, one) for name, some in GOOD.items() for one in some]
)
def test_settings_a_value_that_fits_makes_a_row(name: str, value: Any) -> None:
    row = check_setting(name, value)
    assert (row.code, row.level, row.name, row.value) == (f"all/{name}", "all", name, value)
    assert getattr(resolve([row], "x", "y"), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("search_deadline_s", 0), ("search_deadline_s", float("nan")), ("search_deadline_s", 61),
        ("search_deadline_s", float("inf")), ("language", "de"), ("code_series", "a b"), ("lockout_attempts", 0),
        ("lockout_attempts", 10**30), ("search_online", "perhaps"), ("search_online", None),
    ],
)  # fmt: skip
def test_settings_a_value_that_does_not_fit_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(WrongSetting, match=f"^{name}: "):
        check_setting(name, value)


@pytest.mark.parametrize("name", ["shoe_size", "", "model_config", "__class__"])
def test_settings_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(UnknownSetting, match=f"^{name}: "):
        check_setting(name, True)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_settings_every_switch_is_read_by_a_node(name: str) -> None:
    read = re.compile(rf"\.{name}\b")
    files = (file for node in ("erp_node", "pos_node") for file in (ROOT / node).rglob("*.py"))
    assert any(read.search(file.read_text("utf-8")) for file in files)
