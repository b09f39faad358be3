"""Node.js with the packages of tests/node, installed once per session into a folder of its own."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "node"
OLDEST = 18
INSTALL_S = 240


@dataclass(frozen=True, slots=True)
class NodeTools:
    """Where the scripts and their packages are, and how they are run."""

    folder: Path
    node: str

    def command(self, script: str, *arguments: str) -> list[str]:
        return [self.node, str(self.folder / script), *arguments]

    def run(self, script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(script, *arguments),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="session")
def node_tools(tmp_path_factory: pytest.TempPathFactory) -> NodeTools:
    """Skips without Node.js; fails when it is there and the packages cannot be installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip(
            "Node.js and npm are not installed: the AsyncAPI document is not read by a foreign client"
        )
    if _major(node) < OLDEST:
        pytest.skip(
            f"Node.js is older than {OLDEST}: the AsyncAPI document is not read by a foreign client"
        )
    return _installed(tmp_path_factory.getbasetemp() / "node-tools", node, npm)


@cache
def _installed(folder: Path, node: str, npm: str) -> NodeTools:
    """Once per session, for all modules that use the fixture."""
    folder.mkdir()
    for source in SOURCES.iterdir():
        if source.is_file():
            shutil.copy(source, folder)
    _install(npm, folder)
    return NodeTools(folder, node)


def _major(node: str) -> int:
    said = subprocess.run(
        [node, "--version"], capture_output=True, text=True, timeout=20, check=True
    )
    return int(said.stdout.strip().lstrip("v").partition(".")[0])


def _install(npm: str, folder: Path) -> None:
    """`npm ci` without running anything the packages bring along."""
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        env={**os.environ, "SCARF_ANALYTICS": "false", "npm_config_update_notifier": "false"},
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"npm ci: {done.stderr[-2_000:]}", pytrace=False)
