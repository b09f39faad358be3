"""What the documents say is what the code does."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter

from contracts.reference import ReferenceRecord
from contracts.registry import MESSAGES
from erp_node.__main__ import import_customers
from erp_node.handlers import HANDLED as ERP_HANDLED
from erp_node.imports.columns import NAMES
from pos_node.handlers import HANDLED as POS_HANDLED

ROOT = Path(__file__).parent.parent.parent
ROW = re.compile(r"^\| `([a-z_.]+)` \| (ERP|POS) \| `([\w.]+)` \|", re.MULTILINE)

DONE = (
    *(f"sync_{n}" for n in range(1, 8)),
    *(f"search_{n}" for n in range(1, 14)),
    *(f"list_{n}" for n in (1, 2, 3, 5)),
    *(f"cust_{n}" for n in (1, 2, 3, 4, 11, 13)),
    "prev_2",
)
"""The behaviours of spec.md that are built; each is named by a test."""


def _erp_functions() -> dict[str, Callable[..., Any]]:
    return {message: one.function for message, one in ERP_HANDLED.items()}


def test_the_architecture_table_names_every_message_and_its_handler() -> None:
    rows = ROW.findall((ROOT / "docs/architecture.md").read_text("utf-8"))
    written = {message: handler for message, _, handler in rows}
    actual = {
        message: f"{function.__module__}.{function.__qualname__}"
        for message, function in {**_erp_functions(), **POS_HANDLED}.items()
    }
    assert written == actual


def test_the_architecture_table_names_the_sender_of_every_message() -> None:
    rows = ROW.findall((ROOT / "docs/architecture.md").read_text("utf-8"))
    assert {m: s for m, s, _ in rows} == {m: MESSAGES[m].sender.upper() for m, _, _ in rows}


def test_every_message_but_answers_has_a_handler() -> None:
    asked = {name for name, one in MESSAGES.items() if one.way != "answer"}
    assert asked == ERP_HANDLED.keys() | POS_HANDLED.keys()


def test_the_architecture_names_every_file_of_the_till() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    _, found, rest = text.partition("\npos_node/  ")
    listed = set(re.findall(r"\w+", re.sub(r"\(.*?\)", "", rest.partition("\nops/  ")[0])))
    files = {one.stem for one in (ROOT / "pos_node").glob("*.py")} - {"__init__"}
    folders = {"store", "api"}
    assert found
    assert listed - {"down", "up"} == files | folders


def test_every_behaviour_built_is_named_by_a_test() -> None:
    named = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"def (test_\w+)", file.read_text("utf-8")):
            named.update(re.findall(r"(?:^|_)((?:sync|search|list|cust|prev)_\d+)(?=_|$)", name))
    assert set(DONE) <= named


ID = re.compile(
    r"\b(?:SYNC|SEARCH|LIST|PREV|CUST|ADDR|CONTACT|CARD|CREDIT|STAT|COUP|CONS|HIST|ANON|I)-?\d+\b"
)


def _ids_used() -> set[str]:
    """Behaviours that code and tests name, in texts and in the names of tests."""
    used = set()
    for folder in (
        "contracts",
        "messaging",
        "web",
        "pos_node",
        "erp_node",
        "simulation",
        "chaos",
        "ops",
        "tests",
    ):
        for file in (ROOT / folder).rglob("*.py"):
            text = file.read_text("utf-8")
            used.update(ID.findall(text))
            for name in re.findall(r"def test_(\w+)", text):
                used.update(
                    one.upper().replace("_", "-") for one in re.findall(r"[a-z]+_\d+(?=_)", name)
                )
    return {one for one in used if ID.fullmatch(one)}


def test_every_behaviour_the_code_names_is_explained() -> None:
    text = (ROOT / "docs/behaviours.md").read_text("utf-8")
    explained = re.findall(r"^\| ([A-Z]+-?\d+) \| \S", text, re.MULTILINE)
    assert len(explained) == len(set(explained))
    assert _ids_used() - set(explained) == set()


def test_the_columns_of_an_import_are_all_explained() -> None:
    document = (ROOT / "docs/operations.md").read_text("utf-8")
    command = import_customers.__doc__ or ""
    for name in NAMES:
        assert f"`{name}`" in document
        assert re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.]*\w)", command), name


def test_the_examples_of_reference_data_can_be_loaded_and_every_field_is_explained() -> None:
    document = (ROOT / "docs/operations.md").read_text("utf-8")
    reader: TypeAdapter[ReferenceRecord] = TypeAdapter(ReferenceRecord)
    examples = [line for line in document.splitlines() if re.match(r'\{"kind": "(?!retail)', line)]
    assert {reader.validate_json(line).kind for line in examples} >= {"centre", "operator"}
    for form in get_args(get_args(ReferenceRecord)[0]):
        kind = form.model_fields["kind"].default
        (row,) = re.findall(rf"^\| `{kind}` \| .*$", document, re.MULTILINE)
        for name, field in form.model_fields.items():
            if name not in ("kind", "code"):
                assert f"`{name}`{'*' if field.is_required() else ''}" in row, (kind, name)
