"""Whom the rejects file of an import is for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from erp_node.imports.rejects import Rejects
from erp_node.imports.rows import Reject


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_rejected_rows_are_for_their_owner_alone_even_where_a_file_was_open_to_all(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rejects.csv"
    path.write_text("from an earlier import")
    path.chmod(0o666)
    with Rejects(path) as rejects:
        rejects.write([Reject(2, "kind", "wrong", "retail,DUP-1,Dupont")])
    assert path.stat().st_mode & 0o777 == 0o600
    assert "Dupont" in path.read_text()
