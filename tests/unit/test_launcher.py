"""The launcher `./comptoir`, in a checkout of its own whose locks are empty: it needs no network."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MAIN = """\
import os, sys
print(sys.argv[1:], os.environ["PYTHONPATH"], os.environ.get("COMPTOIR_YES"), os.getcwd())
"""
STAND_IN = '#!/bin/sh\necho "$@" "$PYTHONPATH" "yes=${COMPTOIR_YES:-}" "$PWD"\n'
SHELL = shutil.which("dash") or "/bin/sh"


@pytest.fixture
def checkout(folder: Path) -> Path:
    """As much of the project as the launcher uses before anything is installed."""
    made = folder / "a checkout"
    (made / "ops").mkdir(parents=True)
    shutil.copy(ROOT / "comptoir", made)
    for name in ("__init__.py", "environment.py", "apt.py", "errors.py", "guardian.py"):
        shutil.copy(ROOT / "ops" / name, made / "ops")
    (made / "ops" / "__main__.py").write_text(MAIN)
    for name in ("requirements.lock", "requirements-dev.lock"):
        (made / name).write_text(f"# {name}\n")
    return made


@pytest.fixture
def ready(checkout: Path) -> Path:
    """The same, with a stand-in for an environment that was made for running, not for tests."""
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN)
    python.chmod(0o755)
    shutil.copy(checkout / "requirements.lock", checkout / ".venv")
    return checkout


def launch(script: Path, *args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "COMPTOIR_YES"}
    environ.pop("PYTHONPATH", None)
    return subprocess.run(
        [SHELL, str(script), *args], cwd=cwd, env=environ | env, capture_output=True, text=True
    )


def test_a_ready_environment_is_used_at_once_from_any_folder(ready: Path, folder: Path) -> None:
    done = launch(ready / "comptoir", "demo", "a b", cwd=folder)
    assert done.stdout == f"-P -m ops demo a b {ready} yes= {folder}\n"
    assert done.stderr == ""


def test_the_launcher_finds_its_checkout_through_links(ready: Path, folder: Path) -> None:
    (folder / "first").symlink_to(Path("a checkout") / "comptoir")
    (folder / "second").symlink_to("first")
    assert f" {ready} " in launch(folder / "second", "erp", cwd=Path("/")).stdout


def test_yes_in_front_is_taken_away_and_answers_questions(ready: Path, folder: Path) -> None:
    said = launch(ready / "comptoir", "--yes", "erp", "setup", cwd=folder).stdout
    assert said == f"-P -m ops erp setup {ready} yes=1 {folder}\n"


def test_what_pythonpath_held_comes_second(ready: Path, folder: Path) -> None:
    said = launch(ready / "comptoir", "erp", cwd=folder, PYTHONPATH="/elsewhere").stdout
    assert f" {ready}:/elsewhere " in said


def test_an_environment_for_tests_is_good_for_everything(ready: Path, folder: Path) -> None:
    (ready / ".venv" / "requirements.lock").rename(ready / ".venv" / "requirements-dev.lock")
    shutil.copy(ready / "requirements-dev.lock", ready / ".venv")
    for command in ("demo", "test", "bench"):
        assert f"ops {command}" in launch(ready / "comptoir", command, cwd=folder).stdout


def test_the_help_of_test_and_bench_installs_nothing(ready: Path, folder: Path) -> None:
    for command in ("test", "bench"):
        done = launch(ready / "comptoir", command, "--help", cwd=folder)
        assert f"ops {command} --help" in done.stdout
        assert done.stderr == ""


def test_without_a_python_that_is_new_enough_three_lines_say_what_to_install(
    checkout: Path, folder: Path
) -> None:
    programs = folder / "programs"
    programs.mkdir()
    for name in ("readlink", "dirname", "cmp"):
        (programs / name).symlink_to(shutil.which(name) or name)
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        (programs / name).write_text("#!/bin/sh\nexit 1\n")
        (programs / name).chmod(0o755)
    done = launch(checkout / "comptoir", "demo", cwd=folder, PATH=str(programs))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 3
    assert "3.11" in done.stderr


async def test_two_launchers_at_once_make_one_environment(checkout: Path, folder: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    launchers = [
        await asyncio.create_subprocess_exec(
            *(SHELL, str(checkout / "comptoir"), "erp", "setup"),
            cwd=folder,
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    ends = await asyncio.gather(*(launcher.communicate() for launcher in launchers))
    assert [launcher.returncode for launcher in launchers] == [0, 0]
    assert all(b"['erp', 'setup']" in out for out, _ in ends)
    assert sorted(err.count(b"Making the Python environment:") for _, err in ends) == [0, 1]
    assert launch(checkout / "comptoir", "erp", cwd=folder).stderr == ""
    stamp = checkout / ".venv" / "requirements.lock"
    assert stamp.read_text() == (checkout / "requirements.lock").read_text()


def test_a_lock_for_running_is_part_of_the_lock_for_tests() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / name).read_text().splitlines()
        return {line.split()[0] for line in lines if "==" in line and not line.startswith(" ")}

    assert pins("requirements.lock") <= pins("requirements-dev.lock")
