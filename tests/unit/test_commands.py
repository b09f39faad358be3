"""What `./comptoir` refuses: one line, and nothing begun."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.__main__ import app
from simulation.mutants.hunt import MUTANTS

ROOT = Path(__file__).parent.parent.parent


def _refused(*argv: str) -> str:
    done = CliRunner().invoke(app, list(argv))
    assert (done.exit_code, done.stdout) == (2, "")
    return done.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("# a heading\n", "Expecting value"),
        ("[]", "list indices"),
        ("{}", "'steps' is missing"),
        ('{"seed": 1, "steps": [{"at": 1}]}', "'do' is missing"),
        ('{"seed": 1, "steps": [{"at": 1, "do": "nosuch"}]}', "there is no step 'nosuch'"),
        (
            '{"seed": 1, "steps": [{"at": 1, "do": "edit", "given": {"till": 0}}]}',
            "edit at 1: given: field, place missing",
        ),
    ],
)
def test_a_file_that_is_no_schedule_is_named_in_one_line(
    text: str, why: str, tmp_path: Path
) -> None:
    file = tmp_path / "schedule.json"
    file.write_text(text)
    said = _refused("simulate", "--schedule", str(file))
    assert said.startswith(f"comptoir simulate: {file}: ")
    assert why in said
    assert said.count("\n") == 1


def test_a_mutant_that_is_none_is_answered_with_those_there_are() -> None:
    said = _refused("simulate", "--mutants", "--only", "nosuch")
    assert said.startswith("comptoir simulate: no mutant nosuch; there are ")
    assert all(name in said for name in MUTANTS)


def test_only_needs_mutants() -> None:
    assert "needs --mutants" in _refused("simulate", "--only", next(iter(MUTANTS)))


def test_an_option_that_would_not_be_heeded_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "schedule.json"
    file.write_text("{}")
    for option in ("--seeds", "--seed", "--jobs"):
        said = _refused("simulate", "--schedule", str(file), option, "3")
        assert f"{option}: has no meaning with --schedule" in said
    assert "--seed: has no meaning with --mutants" in _refused(
        "simulate", "--mutants", "--seed", "3"
    )


def test_figures_go_where_they_can_be_written_or_nothing_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "none" / "out.json"
    assert _refused("bench", "--json", str(file)) == (
        f"comptoir bench: --json {file}: No such file or directory\n"
    )
    assert _refused("bench", "--only", "nosuch").startswith("comptoir bench: no figure nosuch; ")
