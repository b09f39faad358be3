"""What people read: every stable code has its text in each language, in gettext catalogues.

Interfaces, messages and traces carry the code and its parameters; the text is looked up last.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from string import Formatter
from types import MappingProxyType
from typing import Literal, get_args

from babel.messages.pofile import read_po

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
FALLBACK: Language = "en"

_CATALOGUES = Path(__file__).parent / "locale"
_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class _AsWritten(dict[str, str]):
    """A parameter that was not given stays visible, so that one missing value does not hide the rest."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


def text(code: str, params: Mapping[str, str] = _NO_PARAMS, language: Language = FALLBACK) -> str:
    """The text of a code with its parameters filled in; `field`, a path, is shown by its label, `why`, a code, by its
    text, `until`, a moment, by its time of day here.

    A code without text (a newer partner's) stands for itself: people see it rather than nothing.
    """
    template = catalogue(language).get(code)
    if template is None:
        return code
    shown = dict(params)
    if "field" in params:
        shown["field"] = field_label(params["field"], language)
    if "until" in params:
        shown["until"] = _time_of_day(params["until"])
    if "why" in params:
        others = {name: value for name, value in params.items() if name != "why"}
        shown["why"] = text(params["why"], others, language)
    return template.format_map(_AsWritten(shown))


def _time_of_day(moment: str) -> str:
    """In this machine's time zone; what is no moment stays as it is."""
    try:
        return datetime.fromisoformat(moment).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return moment


def field_label(path: str, language: Language = FALLBACK) -> str:
    """What people call a field: `addresses.0.postal_code` is the postal code. Unknown ones stay as they are."""
    return catalogue(language).get(f"field.{path.rpartition('.')[2]}", path)


@cache
def catalogue(language: Language) -> Mapping[str, str]:
    """Every code and its text in a language, parameters as `{name}`."""
    with (_CATALOGUES / language / "comptoir.po").open("rb") as file:
        messages = read_po(file, locale=language, abort_invalid=True)
    return MappingProxyType({str(one.id): str(one.string) for one in messages if one.id})


def params_of(template: str) -> frozenset[str]:
    """The names of the parameters a text takes."""
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name is not None)
