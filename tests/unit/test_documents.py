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


BEHAVIOUR = re.compile(
    r"^\| ([A-Z]+-?\d+) \| \S.* \| (yes|in part: .+|not yet: .+) \|$", re.MULTILINE
)


def _behaviours() -> dict[str, str]:
    """What docs/behaviours.md says of each: yes, in part, not yet."""
    text = (ROOT / "docs/behaviours.md").read_text("utf-8")
    found = BEHAVIOUR.findall(text)
    ids = re.findall(r"^\| ([A-Z]+-?\d+) \|", text, re.MULTILINE)
    assert [name for name, _ in found] == ids
    assert len(set(ids)) == len(ids)
    return {name: said.partition(":")[0] for name, said in found}


def _tested() -> set[str]:
    """Behaviours in the names of tests."""
    named: set[str] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"def test_(\w+)", file.read_text("utf-8")):
            found = re.findall(r"(?:^|_)([a-z]+?)_?(\d+)(?=_|$)", name)
            named |= {f"{word}{'' if word == 'i' else '-'}{n}".upper() for word, n in found}
    return {one for one in named if ID.fullmatch(one)}


def test_every_behaviour_the_code_names_is_explained() -> None:
    assert _ids_used() - _behaviours().keys() == set()


def test_a_behaviour_is_said_to_be_there_exactly_when_tests_say_so() -> None:
    said, tested = _behaviours(), _tested()
    assert {name for name, now in said.items() if now == "yes"} - tested == set()
    assert {name for name, now in said.items() if now == "not yet"} & tested == set()
    assert tested - said.keys() == set()


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
